// Four lanes of single precision in plain C++ with the compiler's vector extension: the baseline of every architecture,
// and the reference of the others. Every lanes_*.hpp offers the same names, with internal linkage, to the *_body.hpp
// files that a translation unit of one instruction set includes after it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::lanes {
namespace {

constexpr uint32_t lane_count = 4;
constexpr uint32_t register_count = 4;  // vectors of a transform held in registers at a time

typedef float F __attribute__((vector_size(16)));
typedef int32_t M __attribute__((vector_size(16)));  // lanes all ones or all zeros

inline F zero() {
  return F{};
}
inline F set1(float x) {
  return F{x, x, x, x};
}
inline F load(void const* p) {
  F v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, F v) {
  __builtin_memcpy(p, &v, sizeof v);
}
// The first `count` lanes, the others zero.
inline F load_part(void const* p, uint32_t count) {
  float part[lane_count] = {};
  __builtin_memcpy(part, p, count * sizeof(float));
  return load(part);
}
inline void store_part(float* p, F v, uint32_t count) {
  float part[lane_count];
  store(part, v);
  for (uint32_t i = 0; i < count; ++i) p[i] = part[i];
}

// Shifted into place, the bits of a half are those of a float that is too small by 2^112, subnormal or not.
inline F widen_halves(M h) {
  M const magnitude = h & 0x7fff;
  M const value = (M)((F)(magnitude << 13) * 0x1p112f);
  M const special = ((magnitude > 0x7bff) & 0x7f800000) | ((magnitude > 0x7c00) & 0x400000);  // infinite; quiet NaN
  return (F)(value | special | ((h & 0x8000) << 16));
}
// Widening is spelled as interleaving with zeros, which every baseline has an instruction for.
typedef uint16_t Words __attribute__((vector_size(16)));
typedef uint8_t Bytes __attribute__((vector_size(16)));
inline M widen_words(Words v) {
  return (M)__builtin_shufflevector(v, Words{}, 0, 8, 1, 9, 2, 10, 3, 11);
}
inline F load_halves(void const* p) {
  int32_t part[2];
  __builtin_memcpy(part, p, sizeof part);
  return widen_halves(widen_words((Words)M{part[0], part[1], 0, 0}));
}
inline F load_halves_part(void const* p, uint32_t count) {
  uint16_t h[lane_count] = {};
  __builtin_memcpy(h, p, count * sizeof(uint16_t));
  return load_halves(h);
}
inline F load_bytes(uint8_t const* p) {
  int32_t part;
  __builtin_memcpy(&part, p, sizeof part);
  Bytes const v = (Bytes)M{part, 0, 0, 0};
  Words const words =
      (Words)__builtin_shufflevector(v, Bytes{}, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return __builtin_convertvector(widen_words(words), F);
}

inline F add(F a, F b) {
  return a + b;
}
inline F sub(F a, F b) {
  return a - b;
}
inline F mul(F a, F b) {
  return a * b;
}
inline F mul_add(F a, F b, F c) {
  return a * b + c;
}
inline F sqrt(F a) {
  return F{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
}
inline F abs(F a) {
  return (F)((M)a & 0x7fffffff);
}
inline M greater(F a, F b) {
  return a > b;
}
inline M at_least(F a, F b) {
  return a >= b;
}
inline F select(M m, F a, F b) {
  return (F)(((M)a & m) | ((M)b & ~m));
}
inline F max(F a, F b) {
  return select(a > b, a, b);
}
inline F negate_unless(M m, F a) {
  return (F)((M)a ^ (~m & INT32_MIN));
}
// Bit i of the result = lane i of the mask.
inline uint32_t bits_of(M m) {
  M const weighted = m & M{1, 2, 4, 8};
  return uint32_t(weighted[0] | weighted[1] | weighted[2] | weighted[3]);
}
// Changes the sign of lane i where bit i is set.
inline F flip(F a, uint32_t bits) {
  M const lane_bits = M{1, 2, 4, 8};
  M const spread = M{} + int32_t(bits);
  return (F)((M)a ^ (((spread & lane_bits) == lane_bits) & INT32_MIN));
}
// Hides where a value comes from, so that a product is rounded before it is added instead of being fused.
inline F opaque(F v) {
#if defined(__x86_64__)
  __asm__("" : "+x"(v));
#elif defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
  return v;
}

inline float first_lane(F v) {
  return v[0];
}
inline float sum(F v) {
  return (v[0] + v[1]) + (v[2] + v[3]);
}
// Every lane = the sum of its group of four consecutive lanes, (a + b) + (c + d).
inline F sums_of_four(F v) {
  v = v + __builtin_shufflevector(v, v, 1, 0, 3, 2);
  return v + __builtin_shufflevector(v, v, 2, 3, 0, 1);
}
inline float max_lane(F v) {
  float const a = v[0] > v[1] ? v[0] : v[1];
  float const b = v[2] > v[3] ? v[2] : v[3];
  return a > b ? a : b;
}

// Nearest integer, ties to even, for |v| < 2^22.
inline F round(F v) {
  F const shift = set1(0x1.8p23f);
  return (v + shift) - shift;
}
// Rounds lanes to the nearest integer, ties to even, which must be in 0..255, and stores bytes.
inline void store_bytes(uint8_t* p, F v) {
  M const bits = (M)(v + set1(0x1.8p23f));
  for (uint32_t i = 0; i < lane_count; ++i) p[i] = uint8_t(bits[i]);
}

// The stages of a Walsh-Hadamard transform inside one vector, distances 1, 2, ... in this order.
inline F butterflies(F v) {
  F const swapped1 = __builtin_shufflevector(v, v, 1, 0, 3, 2);
  v = swapped1 + flip(v, 0b1010);
  F const swapped2 = __builtin_shufflevector(v, v, 2, 3, 0, 1);
  return swapped2 + flip(v, 0b1100);
}

}  // namespace
}  // namespace strata::lanes
