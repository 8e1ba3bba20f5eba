// The reference of the scan kernels.
#include "core/math/half.hpp"
#include "core/quant/bounds_body.hpp"
#include "core/quant/query_table.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {
namespace {

void add_units(uint8_t const* entries, uint8_t const* units, uint32_t unit_count, uint32_t weight, uint32_t* sums) {
  uint32_t total[block_rows] = {};
  for (uint32_t group = 0; group < unit_count * 4; ++group, entries += 16, units += 16) {
    for (uint32_t j = 0; j < 16; ++j) {
      total[j] += entries[units[j] & 15];
      total[j + 16] += entries[units[j] >> 4];
    }
  }
  for (uint32_t row = 0; row < block_rows; ++row) sums[row] += weight * total[row];
}

uint32_t finish(QueryTable const* table, uint32_t const* sums, uint8_t const* factors, ScanBounds const* bounds,
                float* lower_bounds) {
  float add[block_rows];
  uint16_t rescale[block_rows], err[block_rows];
  __builtin_memcpy(add, factors, sizeof add);
  __builtin_memcpy(rescale, factors + sizeof add, sizeof rescale);
  __builtin_memcpy(err, factors + sizeof add + sizeof rescale, sizeof err);
  uint32_t survivors = 0;
  for (uint32_t row = 0; row < block_rows; ++row) {
    float const product = float(sums[row]) * table->step + table->bias;
    float const estimate = math::half_to_float(rescale[row]) * product + (add[row] + bounds->base);
    float bound = estimate - math::half_to_float(err[row]) * bounds->gain;
    if (!(bound >= -__builtin_inff())) bound = -__builtin_inff();
    if (bound > __FLT_MAX__) bound = __FLT_MAX__;
    survivors |= uint32_t(bound < bounds->threshold) << row;
    if (lower_bounds) lower_bounds[row] = bound;
  }
  return survivors;
}

uint32_t scan_one(QueryTable const* table, uint8_t const* block, ScanBounds const* bounds, float* lower_bounds) {
  uint8_t const* entries = reinterpret_cast<uint8_t const*>(table + 1);
  uint32_t const plane_size = table->plane_units * unit_size;
  uint32_t sums[block_rows] = {};
  for (uint32_t plane = 0; plane < table->bits; ++plane, block += plane_size) {
    add_units(entries, block, table->plane_units, table->bits - plane, sums);
  }
  return finish(table, sums, block, bounds, lower_bounds);
}

uint32_t scan_many(QueryTable const* table, uint8_t const* blocks, uint32_t block_count, uint32_t first_row,
                   ScanBounds const* bounds, uint32_t* survivor_rows, float* survivor_bounds) {
  size_t const size = size_t(table->plane_units) * table->bits * unit_size + block_factors_size;
  uint32_t count = 0;
  for (uint32_t b = 0; b < block_count; ++b, blocks += size) {
    float lower_bounds[block_rows];
    uint32_t survivors = scan_one(table, blocks, bounds, lower_bounds);
    for (; survivors; survivors &= survivors - 1) {
      uint32_t const row = uint32_t(__builtin_ctz(survivors));
      survivor_rows[count] = first_row + b * block_rows + row;
      survivor_bounds[count] = lower_bounds[row];
      ++count;
    }
  }
  return count;
}

}  // namespace

constexpr ScanKernels scan_kernels_scalar = {add_units, finish, scan_one, scan_many, scale_all, collect_below};

}  // namespace strata::quant
