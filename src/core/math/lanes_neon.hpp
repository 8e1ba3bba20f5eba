// Four lanes of single precision: NEON of AArch64. The names are explained in lanes_scalar.hpp.
#pragma once
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace strata::lanes {
namespace {

constexpr uint32_t lane_count = 4;
constexpr uint32_t register_count = 8;

typedef float32x4_t F;
typedef uint32x4_t M;

inline F zero() {
  return vdupq_n_f32(0);
}
inline F set1(float x) {
  return vdupq_n_f32(x);
}
inline F load(void const* p) {
  return vreinterpretq_f32_u8(vld1q_u8(static_cast<uint8_t const*>(p)));
}
inline void store(float* p, F v) {
  vst1q_f32(p, v);
}
inline F load_part(void const* p, uint32_t count) {
  float part[lane_count] = {};
  __builtin_memcpy(part, p, count * sizeof(float));
  return vld1q_f32(part);
}
inline void store_part(float* p, F v, uint32_t count) {
  float part[lane_count];
  vst1q_f32(part, v);
  for (uint32_t i = 0; i < count; ++i) p[i] = part[i];
}

inline F load_halves(void const* p) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(static_cast<uint8_t const*>(p))));
}
inline F load_halves_part(void const* p, uint32_t count) {
  uint16_t part[lane_count] = {};
  __builtin_memcpy(part, p, count * sizeof(uint16_t));
  return load_halves(part);
}
inline F load_bytes(uint8_t const* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  uint16x8_t const words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
}

inline F add(F a, F b) {
  return vaddq_f32(a, b);
}
inline F sub(F a, F b) {
  return vsubq_f32(a, b);
}
inline F mul(F a, F b) {
  return vmulq_f32(a, b);
}
inline F mul_add(F a, F b, F c) {
  return vfmaq_f32(c, a, b);
}
inline F sqrt(F a) {
  return vsqrtq_f32(a);
}
inline F abs(F a) {
  return vabsq_f32(a);
}
inline M greater(F a, F b) {
  return vcgtq_f32(a, b);
}
inline M at_least(F a, F b) {
  return vcgeq_f32(a, b);
}
inline F select(M m, F a, F b) {
  return vbslq_f32(m, a, b);
}
inline F max(F a, F b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
inline uint32x4_t lane_bits() {
  static uint32_t const bits[4] = {1, 2, 4, 8};
  return vld1q_u32(bits);
}
inline F flip_lanes(F a, M m) {
  return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(a), vandq_u32(m, vdupq_n_u32(0x80000000))));
}
inline F negate_unless(M m, F a) {
  return flip_lanes(a, vmvnq_u32(m));
}
inline uint32_t bits_of(M m) {
  return vaddvq_u32(vandq_u32(m, lane_bits()));
}
inline F flip(F a, uint32_t bits) {
  return flip_lanes(a, vtstq_u32(vdupq_n_u32(bits), lane_bits()));
}
inline F opaque(F v) {
  __asm__("" : "+w"(v));
  return v;
}

inline float first_lane(F v) {
  return vgetq_lane_f32(v, 0);
}
inline float sum(F v) {
  return vaddvq_f32(v);
}
inline F swap1(F v) {
  return vrev64q_f32(v);
}
inline F swap2(F v) {
  return vextq_f32(v, v, 2);
}
inline F sums_of_four(F v) {
  v = vaddq_f32(v, swap1(v));
  return vaddq_f32(v, swap2(v));
}
inline float max_lane(F v) {
  return vmaxvq_f32(v);
}

inline F round(F v) {
  return vrndnq_f32(v);
}
inline void store_bytes(uint8_t* p, F v) {
  uint16x4_t const words = vmovn_u32(vcvtnq_u32_f32(v));
  uint8x8_t const bytes = vmovn_u16(vcombine_u16(words, words));
  uint32_t const four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  __builtin_memcpy(p, &four, sizeof four);
}

inline F butterflies(F v) {
  v = vaddq_f32(swap1(v), flip(v, 0b1010));
  return vaddq_f32(swap2(v), flip(v, 0b1100));
}

}  // namespace
}  // namespace strata::lanes
