// The rotation of frame.hpp over the lanes of one instruction set; included once per translation unit, after its
// lanes_*.hpp. Additions happen in the same order whatever the number of lanes (butterfly distances 1, 2, 4, ...) and
// products are never fused into them, so every level gives the same bits.
#pragma once
#include "core/quant/code_kernels.hpp"

namespace strata::quant {
namespace {

using namespace lanes;

// The lanes' sign bits that start at bit `index`, a multiple of the lane count (which divides 64).
inline uint32_t sign_bits(uint64_t const* signs, uint32_t index) {
  return uint32_t(signs[index / 64] >> (index % 64)) & ((1u << lane_count) - 1);
}

// Stages of distance 1 .. vectors * lane_count / 2 of every chunk of vectors * lane_count floats, in registers; before
// them the signs are flipped (if there are any: coordinate 0 of `z` has bit `first_bit`) and everything is scaled.
template <uint32_t vectors, bool flips>
inline void transform_chunks(float* z, uint32_t n, uint64_t const* signs, uint32_t first_bit, F scale) {
  for (uint32_t i = 0; i < n; i += vectors * lane_count) {
    F v[vectors];
#pragma GCC unroll 16
    for (uint32_t k = 0; k < vectors; ++k) {
      F x = load(z + i + k * lane_count);
      if constexpr (flips) x = flip(x, sign_bits(signs, first_bit + i + k * lane_count));
      v[k] = butterflies(opaque(mul(x, scale)));
    }
#pragma GCC unroll 4
    for (uint32_t h = 1; h < vectors; h *= 2) {
#pragma GCC unroll 16
      for (uint32_t k = 0; k < vectors; ++k) {
        if (k & h) continue;
        F const a = v[k], b = v[k + h];
        v[k] = add(a, b);
        v[k + h] = sub(a, b);
      }
    }
#pragma GCC unroll 16
    for (uint32_t k = 0; k < vectors; ++k) store(z + i + k * lane_count, v[k]);
  }
}

// One stage of distance h.
inline void transform_stage(float* z, uint32_t n, uint32_t h) {
  for (uint32_t i = 0; i < n; i += 2 * h) {
    for (uint32_t j = i; j < i + h; j += lane_count) {
      F const a = load(z + j), b = load(z + j + h);
      store(z + j, add(a, b));
      store(z + j + h, sub(a, b));
    }
  }
}

// The stages of distances h and 2 h in one pass.
inline void transform_two_stages(float* z, uint32_t n, uint32_t h) {
  for (uint32_t i = 0; i < n; i += 4 * h) {
    for (uint32_t j = i; j < i + h; j += lane_count) {
      F const a = load(z + j), b = load(z + j + h), c = load(z + j + 2 * h), d = load(z + j + 3 * h);
      F const ab = add(a, b), a_b = sub(a, b), cd = add(c, d), c_d = sub(c, d);
      store(z + j, add(ab, cd));
      store(z + j + h, add(a_b, c_d));
      store(z + j + 2 * h, sub(ab, cd));
      store(z + j + 3 * h, sub(a_b, c_d));
    }
  }
}

// Orthonormal fast Walsh-Hadamard transform of n floats, a power of two >= 16. Scaling comes first, so that no
// intermediate value exceeds the norm of the input.
template <bool flips>
inline void transform(float* z, uint32_t n, uint64_t const* signs, uint32_t first_bit) {
  uint32_t const log2_n = uint32_t(__builtin_ctz(n));
  // 2^(-log2_n / 2), assembled from a power of two and, for odd exponents, 1 / sqrt(2).
  float const power = 1.0f / float(1u << (log2_n / 2));
  F const scale = set1(log2_n % 2 ? power * 0.70710678118654752f : power);
  uint32_t h;
  if (n >= register_count * lane_count) {
    h = register_count * lane_count;
    transform_chunks<register_count, flips>(z, n, signs, first_bit, scale);
  } else {
    h = 16;
    transform_chunks<16 / lane_count, flips>(z, n, signs, first_bit, scale);
  }
  for (; 4 * h <= n; h *= 4) transform_two_stages(z, n, h);
  for (; h < n; h *= 2) transform_stage(z, n, h);
}

inline void flip_range(float* z, uint32_t begin, uint32_t end, uint64_t const* signs) {
  for (uint32_t i = begin; i < end; i += lane_count) store(z + i, flip(load(z + i), sign_bits(signs, i)));
}

// (x, y) -> ((x + y) / sqrt 2, (x - y) / sqrt 2) between the halves; its own inverse. n / 2 is a multiple of 8.
inline void turn_halves(float* z, uint32_t n) {
  F const scale = set1(0.70710678118654752f);
  uint32_t const half = n / 2;
  uint32_t i = 0;
  for (; half - i >= lane_count; i += lane_count) {
    F const x = opaque(mul(load(z + i), scale)), y = opaque(mul(load(z + half + i), scale));
    store(z + i, add(x, y));
    store(z + half + i, sub(x, y));
  }
  if constexpr (lane_count > 8) {
    if (i < half) {
      F const x = opaque(mul(load_part(z + i, half - i), scale));
      F const y = opaque(mul(load_part(z + half + i, half - i), scale));
      store_part(z + i, add(x, y), half - i);
      store_part(z + half + i, sub(x, y), half - i);
    }
  }
}

inline uint32_t transform_size(uint32_t n) {
  return 1u << (31 - __builtin_clz(n));
}

void rotate_signed(uint32_t n, uint64_t const* signs, float* z) {
  uint32_t const size = transform_size(n);
  uint32_t const word_count = (n + 63) / 64;
  for (uint32_t round = 0; round < rotation_rounds; ++round) {
    uint64_t const* round_signs = signs + round * word_count;
    uint32_t const begin = round % 2 ? n - size : 0;
    flip_range(z, 0, begin, round_signs);
    flip_range(z, begin + size, n, round_signs);
    transform<true>(z + begin, size, round_signs, begin);
    if (size != n) turn_halves(z, n);
  }
}

void rotate_back_signed(uint32_t n, uint64_t const* signs, float* z) {
  uint32_t const size = transform_size(n);
  uint32_t const word_count = (n + 63) / 64;
  for (uint32_t round = rotation_rounds; round-- > 0;) {
    if (size != n) turn_halves(z, n);
    transform<false>(z + (round % 2 ? n - size : 0), size, nullptr, 0);
    flip_range(z, 0, n, signs + round * word_count);
  }
}

void center_on(uint32_t n, float factor, float const* mean, float* z) {
  F const f = set1(factor);
  for (uint32_t i = 0; i < n; i += lane_count) store(z + i, sub(mul(load(z + i), f), load(mean + i)));
}

}  // namespace
}  // namespace strata::quant
