// Eight lanes of single precision: AVX2, FMA, F16C. The names are explained in lanes_scalar.hpp.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace strata::lanes {
namespace {

constexpr uint32_t lane_count = 8;
constexpr uint32_t register_count = 8;

typedef __m256 F;
typedef __m256 M;

inline F zero() {
  return _mm256_setzero_ps();
}
inline F set1(float x) {
  return _mm256_set1_ps(x);
}
inline F load(void const* p) {
  return _mm256_loadu_ps(static_cast<float const*>(p));
}
inline void store(float* p, F v) {
  _mm256_storeu_ps(p, v);
}
inline __m256i first_lanes(uint32_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline F load_part(void const* p, uint32_t count) {
  return _mm256_maskload_ps(static_cast<float const*>(p), first_lanes(count));
}
inline void store_part(float* p, F v, uint32_t count) {
  _mm256_maskstore_ps(p, first_lanes(count), v);
}

inline F load_halves(void const* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<__m128i const*>(p)));
}
inline F load_halves_part(void const* p, uint32_t count) {
  alignas(16) uint16_t part[lane_count] = {};
  __builtin_memcpy(part, p, count * sizeof(uint16_t));
  return load_halves(part);
}
inline F load_bytes(uint8_t const* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(p))));
}

inline F add(F a, F b) {
  return _mm256_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm256_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm256_mul_ps(a, b);
}
inline F mul_add(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline F sign_mask() {
  return _mm256_set1_ps(-0.0f);
}
inline F sqrt(F a) {
  return _mm256_sqrt_ps(a);
}
inline F abs(F a) {
  return _mm256_andnot_ps(sign_mask(), a);
}
inline M greater(F a, F b) {
  return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}
inline M at_least(F a, F b) {
  return _mm256_cmp_ps(a, b, _CMP_GE_OQ);
}
inline F select(M m, F a, F b) {
  return _mm256_blendv_ps(b, a, m);
}
inline F max(F a, F b) {
  return _mm256_max_ps(a, b);
}
inline F negate_unless(M m, F a) {
  return _mm256_xor_ps(a, _mm256_andnot_ps(m, sign_mask()));
}
inline uint32_t bits_of(M m) {
  return uint32_t(_mm256_movemask_ps(m));
}
inline F flip(F a, uint32_t bits) {
  __m256i const spread = _mm256_set1_epi32(int(bits));
  __m256i const signs = _mm256_sllv_epi32(spread, _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24));
  return _mm256_xor_ps(a, _mm256_and_ps(_mm256_castsi256_ps(signs), sign_mask()));
}
inline F opaque(F v) {
  __asm__("" : "+x"(v));
  return v;
}

inline float first_lane(F v) {
  return _mm256_cvtss_f32(v);
}
inline float sum(F v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline F sums_of_four(F v) {
  v = _mm256_add_ps(v, _mm256_permute_ps(v, 0xb1));
  return _mm256_add_ps(v, _mm256_permute_ps(v, 0x4e));
}
inline float max_lane(F v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

inline F round(F v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store_bytes(uint8_t* p, F v) {
  __m256i const integers = _mm256_cvtps_epi32(v);
  __m128i const words = _mm_packus_epi32(_mm256_castsi256_si128(integers), _mm256_extracti128_si256(integers, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

inline F butterflies(F v) {
  v = _mm256_add_ps(_mm256_permute_ps(v, 0xb1), _mm256_xor_ps(v, _mm256_setr_ps(0, -0.f, 0, -0.f, 0, -0.f, 0, -0.f)));
  v = _mm256_add_ps(_mm256_permute_ps(v, 0x4e), _mm256_xor_ps(v, _mm256_setr_ps(0, 0, -0.f, -0.f, 0, 0, -0.f, -0.f)));
  return _mm256_add_ps(_mm256_permute2f128_ps(v, v, 1),
                       _mm256_xor_ps(v, _mm256_setr_ps(0, 0, 0, 0, -0.f, -0.f, -0.f, -0.f)));
}

}  // namespace
}  // namespace strata::lanes
