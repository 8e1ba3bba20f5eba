// Scan kernels for NEON of AArch64: byte table look-ups, rows in natural order.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "core/quant/query_table.hpp"

namespace strata::quant {
namespace {

// Eight vectors of four 32-bit sums, rows 0..3, 4..7, ...
struct RowSums {
  uint32x4_t rows[8];
};

inline RowSums zero_sums() {
  RowSums total;
  for (uint32_t i = 0; i < 8; ++i) total.rows[i] = vdupq_n_u32(0);
  return total;
}

inline RowSums load_sums(uint32_t const* sums) {
  RowSums total;
  for (uint32_t i = 0; i < 8; ++i) total.rows[i] = vld1q_u32(sums + 4 * i);
  return total;
}

inline void store_sums(uint32_t* sums, RowSums const& total) {
  for (uint32_t i = 0; i < 8; ++i) vst1q_u32(sums + 4 * i, total.rows[i]);
}

// The 32 rows' sums over the four groups of a unit, as bytes: 4 * 63 < 256.
inline void look_up(uint8_t const* entries, uint8_t const* units, uint8x16_t& low, uint8x16_t& high) {
  uint8x16_t const mask = vdupq_n_u8(15);
  low = high = vdupq_n_u8(0);
  for (uint32_t group = 0; group < 4; ++group) {
    uint8x16_t const codes = vld1q_u8(units + 16 * group), table = vld1q_u8(entries + 16 * group);
    low = vaddq_u8(low, vqtbl1q_u8(table, vandq_u8(codes, mask)));
    high = vaddq_u8(high, vqtbl1q_u8(table, vshrq_n_u8(codes, 4)));
  }
}

inline void widen(uint16x8_t sums, uint32_t weight, uint32x4_t* rows) {
  rows[0] = vmlaq_n_u32(rows[0], vmovl_u16(vget_low_u16(sums)), weight);
  rows[1] = vmlaq_n_u32(rows[1], vmovl_high_u16(sums), weight);
}

inline void add_plane(uint8_t const* entries, uint8_t const* units, uint32_t unit_count, uint32_t weight,
                      RowSums& total) {
  while (unit_count > 0) {
    uint32_t const count = unit_count < short_sum_units ? unit_count : short_sum_units;
    uint16x8_t sums[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
    for (uint32_t unit = 0; unit < count; ++unit, entries += 64, units += 64) {
      uint8x16_t low, high;
      look_up(entries, units, low, high);
      sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
      sums[1] = vaddw_high_u8(sums[1], low);
      sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
      sums[3] = vaddw_high_u8(sums[3], high);
    }
    for (uint32_t i = 0; i < 4; ++i) widen(sums[i], weight, total.rows + 2 * i);
    unit_count -= count;
  }
}

inline float32x4_t halves(uint8_t const* p) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

inline uint32_t finish_sums(QueryTable const* table, RowSums const& total, uint8_t const* factors,
                            ScanBounds const* bounds, float* lower_bounds) {
  static uint32_t const lane_bits[4] = {1, 2, 4, 8};
  float32x4_t const step = vdupq_n_f32(table->step), bias = vdupq_n_f32(table->bias);
  float32x4_t const base = vdupq_n_f32(bounds->base), gain = vdupq_n_f32(bounds->gain);
  float32x4_t const threshold = vdupq_n_f32(bounds->threshold);
  float32x4_t const lowest = vdupq_n_f32(-__builtin_inff()), highest = vdupq_n_f32(__FLT_MAX__);
  uint32x4_t const bits = vld1q_u32(lane_bits);
  uint32_t survivors = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    float32x4_t const product = vfmaq_f32(bias, vcvtq_f32_u32(total.rows[i]), step);
    float32x4_t const add = vreinterpretq_f32_u8(vld1q_u8(factors + 16 * i));
    float32x4_t const estimate = vfmaq_f32(vaddq_f32(add, base), halves(factors + 128 + 8 * i), product);
    float32x4_t bound = vfmsq_f32(estimate, halves(factors + 192 + 8 * i), gain);
    bound = vminq_f32(vmaxnmq_f32(bound, lowest), highest);  // the "nm" form takes the number when the other is NaN
    survivors |= vaddvq_u32(vandq_u32(vcltq_f32(bound, threshold), bits)) << (4 * i);
    if (lower_bounds) vst1q_f32(lower_bounds + 4 * i, bound);
  }
  return survivors;
}

}  // namespace
}  // namespace strata::quant

#include "core/quant/bounds_body.hpp"
#include "core/quant/survivors_body.hpp"

namespace strata::quant {

constexpr ScanKernels scan_kernels_neon = {add_units, finish, scan_one, scan_many, scale_all, collect_below};

}  // namespace strata::quant
#endif

#include "core/base/core_only.hpp"
