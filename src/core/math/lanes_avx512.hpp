// Sixteen lanes of single precision: AVX-512 F, BW, VL, DQ. The names are explained in lanes_scalar.hpp.
// Zeroing forms with a full mask stand for plain ones whose undefined source operand g++ 12 warns about; the code is
// the same.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace strata::lanes {
namespace {

constexpr uint32_t lane_count = 16;
constexpr uint32_t register_count = 16;

typedef __m512 F;
typedef __mmask16 M;

inline F zero() {
  return _mm512_setzero_ps();
}
inline F set1(float x) {
  return _mm512_set1_ps(x);
}
inline F load(void const* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, F v) {
  _mm512_storeu_ps(p, v);
}
inline __mmask16 first_lanes(uint32_t count) {
  return __mmask16((1u << count) - 1);
}
inline F load_part(void const* p, uint32_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
inline void store_part(float* p, F v, uint32_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), v);
}

inline F load_halves(void const* p) {
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(static_cast<__m256i const*>(p)));
}
inline F load_halves_part(void const* p, uint32_t count) {
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_maskz_loadu_epi16(first_lanes(count), p));
}
inline F load_bytes(uint8_t const* p) {
  return _mm512_maskz_cvtepi32_ps(
      0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<__m128i const*>(p))));
}

inline F add(F a, F b) {
  return _mm512_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm512_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm512_mul_ps(a, b);
}
inline F mul_add(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline F sqrt(F a) {
  return _mm512_maskz_sqrt_ps(0xffff, a);
}
inline F abs(F a) {
  return _mm512_abs_ps(a);
}
inline M greater(F a, F b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
inline M at_least(F a, F b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
inline F select(M m, F a, F b) {
  return _mm512_mask_blend_ps(m, b, a);
}
inline F max(F a, F b) {
  return _mm512_maskz_max_ps(0xffff, a, b);
}
inline F flip(F a, uint32_t bits) {
  return _mm512_mask_xor_ps(a, __mmask16(bits), a, _mm512_set1_ps(-0.0f));
}
inline F negate_unless(M m, F a) {
  return flip(a, uint32_t(~m));
}
inline uint32_t bits_of(M m) {
  return m;
}
inline F opaque(F v) {
  __asm__("" : "+v"(v));
  return v;
}

inline F swap1(F v) {
  return _mm512_maskz_permute_ps(0xffff, v, 0xb1);
}
inline F swap2(F v) {
  return _mm512_maskz_permute_ps(0xffff, v, 0x4e);
}
inline F swap4(F v) {
  return _mm512_maskz_shuffle_f32x4(0xffff, v, v, 0xb1);
}
inline F swap8(F v) {
  return _mm512_maskz_shuffle_f32x4(0xffff, v, v, 0x4e);
}

inline float first_lane(F v) {
  return _mm512_cvtss_f32(v);
}
inline float sum(F v) {
  v = _mm512_add_ps(v, swap8(v));
  v = _mm512_add_ps(v, swap4(v));
  v = _mm512_add_ps(v, swap2(v));
  return first_lane(_mm512_add_ps(v, swap1(v)));
}
inline F sums_of_four(F v) {
  v = _mm512_add_ps(v, swap1(v));
  return _mm512_add_ps(v, swap2(v));
}
inline float max_lane(F v) {
  v = max(v, swap8(v));
  v = max(v, swap4(v));
  v = max(v, swap2(v));
  return first_lane(max(v, swap1(v)));
}

inline F round(F v) {
  return _mm512_maskz_roundscale_ps(0xffff, v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store_bytes(uint8_t* p, F v) {
  __m128i const bytes = _mm512_maskz_cvtepi32_epi8(0xffff, _mm512_maskz_cvtps_epi32(0xffff, v));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

inline F butterfly(F v, F swapped, __mmask16 upper) {
  return _mm512_mask_sub_ps(_mm512_add_ps(swapped, v), upper, swapped, v);
}
inline F butterflies(F v) {
  v = butterfly(v, swap1(v), 0xaaaa);
  v = butterfly(v, swap2(v), 0xcccc);
  v = butterfly(v, swap4(v), 0xf0f0);
  return butterfly(v, swap8(v), 0xff00);
}

}  // namespace
}  // namespace strata::lanes
