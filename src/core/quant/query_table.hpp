// Private to the scan kernels: the layout of QueryTable and the table of kernels. No inline functions here: this header
// is seen by translation units with different instruction sets.
//
// With the sign planes written as +-1 and four dimensions a group, <y, w> of a row is
//
//   1 bit:   sum over groups of E1                     E1 = <signs of the group in plane 0, w>
//   2 bits:  sum over groups of E1 + E2 / 2            E2 = the same in plane 1
//
// E takes 16 values a group, kept as 6-bit integers e = round(E / unit + span / 2) with one `unit` for all groups and
// span = round(2 sum |w| / unit) <= 63, so that e of opposite sign patterns add up to span and the rounding errors
// cancel in the mean. The kernels add up S = sum of e (2 bits: 2 e for plane 0, e for plane 1), an integer, in any
// order; then
//
//   <y, w> = step S + bias       step = unit (2 bits: unit / 2), bias = -unit total / 2 (2 bits: * 3 / 2)
//
// where total is the sum of the spans. S <= 63 * 4000 * 3 < 2^24 for 16,000 dimensions and 2 bits: exact in a float.
#pragma once
#include "core/quant/scan_code.hpp"

namespace strata::quant {

struct QueryTable {
  uint32_t plane_units;  // units of one bit plane, padded_dim / 16
  uint32_t bits;         // planes, 1 or 2
  float step;
  float bias;
  float noise;  // see query_table_noise
  uint32_t reserved[11];
  // uint8_t entries[16 * padded_dim / 4] follow: 64 bytes per unit, group by group.
};
static_assert(sizeof(QueryTable) == 64);

constexpr uint32_t entry_max = 63;

// Units whose 16-bit sums cannot overflow: 256 units are 1024 groups, 1024 * 63 = 64,512 < 2^16.
constexpr uint32_t short_sum_units = 256;

struct ScanKernels {
  // sums[row] += weight * (sum of entries of `unit_count` units); `entries` belongs to the first unit.
  void (*add_units)(uint8_t const* entries, uint8_t const* units, uint32_t unit_count, uint32_t weight, uint32_t* sums);
  uint32_t (*finish)(QueryTable const* table, uint32_t const* sums, uint8_t const* factors, ScanBounds const* bounds,
                     float* lower_bounds);
  uint32_t (*scan_block)(QueryTable const* table, uint8_t const* block, ScanBounds const* bounds, float* lower_bounds);
  uint32_t (*scan_blocks)(QueryTable const* table, uint8_t const* blocks, uint32_t block_count, uint32_t first_row,
                          ScanBounds const* bounds, uint32_t* survivor_rows, float* survivor_bounds);
  void (*scale)(float* bounds, uint32_t block_count, float factor, float offset);
  uint32_t (*find_below)(float const* bounds, uint32_t row_count, float cut, uint32_t* rows);
};

extern ScanKernels const scan_kernels_scalar;
extern ScanKernels const scan_kernels_avx2;
extern ScanKernels const scan_kernels_avx512;
extern ScanKernels const scan_kernels_neon;

}  // namespace strata::quant
