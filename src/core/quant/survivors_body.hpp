// The scan of a run of blocks, for translation units of one instruction set that define
//   struct RowSums, add_plane(entries, units, unit_count, weight, RowSums&), finish_sums(table, RowSums, factors,
//   bounds, lower_bounds), zero_sums(), load_sums(sums), store_sums(sums, RowSums)
// before they include this. All paths end in finish_sums, so that a block assembled from fragments gives the same bits.
#pragma once
#include "core/quant/query_table.hpp"

namespace strata::quant {
namespace {

inline uint8_t const* entries_of(QueryTable const* table) {
  return reinterpret_cast<uint8_t const*>(table + 1);
}

void add_units(uint8_t const* entries, uint8_t const* units, uint32_t unit_count, uint32_t weight, uint32_t* sums) {
  RowSums total = load_sums(sums);
  add_plane(entries, units, unit_count, weight, total);
  store_sums(sums, total);
}

uint32_t finish(QueryTable const* table, uint32_t const* sums, uint8_t const* factors, ScanBounds const* bounds,
                float* lower_bounds) {
  return finish_sums(table, load_sums(sums), factors, bounds, lower_bounds);
}

inline uint32_t scan_block_inline(QueryTable const* table, uint8_t const* block, ScanBounds const* bounds,
                                  float* lower_bounds) {
  RowSums total = zero_sums();
  add_plane(entries_of(table), block, table->plane_units, table->bits, total);
  block += size_t(table->plane_units) * unit_size;
  if (table->bits == 2) {
    add_plane(entries_of(table), block, table->plane_units, 1, total);
    block += size_t(table->plane_units) * unit_size;
  }
  return finish_sums(table, total, block, bounds, lower_bounds);
}

uint32_t scan_one(QueryTable const* table, uint8_t const* block, ScanBounds const* bounds, float* lower_bounds) {
  return scan_block_inline(table, block, bounds, lower_bounds);
}

uint32_t scan_many(QueryTable const* table, uint8_t const* blocks, uint32_t block_count, uint32_t first_row,
                   ScanBounds const* bounds, uint32_t* survivor_rows, float* survivor_bounds) {
  size_t const size = size_t(table->plane_units) * table->bits * unit_size + block_factors_size;
  uint32_t count = 0;
  for (uint32_t b = 0; b < block_count; ++b, blocks += size, first_row += block_rows) {
    alignas(64) float lower_bounds[block_rows];
    uint32_t survivors = scan_block_inline(table, blocks, bounds, lower_bounds);
    for (; survivors; survivors &= survivors - 1) {
      uint32_t const row = uint32_t(__builtin_ctz(survivors));
      survivor_rows[count] = first_row + row;
      survivor_bounds[count] = lower_bounds[row];
      ++count;
    }
  }
  return count;
}

}  // namespace
}  // namespace strata::quant
