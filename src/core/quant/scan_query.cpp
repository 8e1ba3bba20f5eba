// Look-up tables of a query and the scan of blocks with them.
#include <cfloat>
#include <cmath>
#include <new>

#include "core/base/check.hpp"
#include "core/base/limits.hpp"
#include "core/quant/code_dispatch.hpp"
#include "core/quant/query_table.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

namespace {

constexpr ScanKernels const* scan_kernel_tables[math::simd_level_count] = {
    &scan_kernels_scalar,
#if defined(__x86_64__)
    &scan_kernels_avx2,
    &scan_kernels_avx512,
    nullptr,
#elif defined(__aarch64__)
    nullptr,
    nullptr,
    &scan_kernels_neon,
#else
    nullptr,
    nullptr,
    nullptr,
#endif
};

ScanKernels const& scan_kernels() {
  return math::table_in_use(scan_kernel_tables);
}

uint8_t const* bytes(std::byte const* p) {
  return reinterpret_cast<uint8_t const*>(p);
}

uint8_t const* entries_of(QueryTable const* table) {
  return reinterpret_cast<uint8_t const*>(table + 1);
}

// Standard deviation of a row's error relative to that of a random direction's code, per dimension of the code:
// sqrt(D) / (||y|| sqrt(1 - a^2)) with the typical values of 1 and 2 bits.
constexpr double noise_gain[3] = {0, 1.659, 3.074};

// Variance of the sums of one group's rounding errors over the planes, in units of the squared unit: 1/12 a plane with
// the weights 1 and 1/2.
constexpr double rounding_variance[3] = {0, 1.0 / 12, 1.25 / 12};

}  // namespace

size_t query_table_size(uint32_t padded_dim) {
  return sizeof(QueryTable) + size_t(padded_dim) * 4;
}

QueryTable* build_query_table(ScanShape const& shape, float const* w, void* memory) {
  STRATA_ASSERT(reinterpret_cast<uintptr_t>(memory) % 64 == 0);
  STRATA_ASSERT(shape.bits == 1 || shape.bits == 2);
  STRATA_ASSERT(shape.padded_dim > 0 && shape.padded_dim <= padded_dim_max && shape.padded_dim % padding_unit == 0);
  CodeKernels const& kernels = code_kernels();
  QueryTable* table = new (memory) QueryTable{};
  table->plane_units = shape.padded_dim / 16;
  table->bits = shape.bits;

  float const span = 2 * kernels.max_group(shape.padded_dim, w);
  // A query too small for its unit to be inverted counts as zero; one that is not finite gets a bias that makes every
  // bound NaN, so that every row survives.
  bool const usable = span >= 0x1p-100f && span <= FLT_MAX;
  float const unit = usable ? span / entry_max : 0;
  uint32_t const total =
      kernels.build_entries(shape.padded_dim, w, usable ? entry_max / span : 0, reinterpret_cast<uint8_t*>(table + 1));
  bool const two = shape.bits == 2;
  table->step = two ? unit * 0.5f : unit;
  table->bias = float(double(unit) * total * (two ? -0.75 : -0.5));
  if (!(span <= FLT_MAX)) table->bias = __builtin_nanf("");
  double const group_count = shape.padded_dim / 4.0;
  table->noise = float(noise_gain[shape.bits] * unit * std::sqrt(rounding_variance[shape.bits] * group_count));
  return table;
}

float query_table_noise(QueryTable const* table) {
  return table->noise;
}

uint32_t scan_block(QueryTable const* table, std::byte const* block, ScanBounds const& bounds, float* lower_bounds) {
  return scan_kernels().scan_block(table, bytes(block), &bounds, lower_bounds);
}

uint32_t scan_blocks(QueryTable const* table, std::byte const* blocks, uint32_t block_count, uint32_t first_row,
                     ScanBounds const& bounds, uint32_t* survivor_rows, float* survivor_bounds) {
  return scan_kernels().scan_blocks(table, bytes(blocks), block_count, first_row, &bounds, survivor_rows,
                                    survivor_bounds);
}

void scale_bounds(float* bounds, uint32_t block_count, float factor, float offset) {
  scan_kernels().scale(bounds, block_count, factor, offset);
}

uint32_t find_below(float const* bounds, uint32_t row_count, float cut, uint32_t* rows) {
  return scan_kernels().find_below(bounds, row_count, cut, rows);
}

void scan_fragment(QueryTable const* table, std::byte const* units, uint32_t first_unit, uint32_t unit_count,
                   uint32_t* sums) {
  STRATA_ASSERT(first_unit + unit_count <= table->plane_units * table->bits);
  ScanKernels const& kernels = scan_kernels();
  while (unit_count > 0) {
    uint32_t const plane = first_unit / table->plane_units;
    uint32_t const offset = first_unit % table->plane_units;
    uint32_t const left = table->plane_units - offset;
    uint32_t const count = unit_count < left ? unit_count : left;
    kernels.add_units(entries_of(table) + size_t(offset) * unit_size, bytes(units), count, table->bits - plane, sums);
    units += size_t(count) * unit_size;
    first_unit += count;
    unit_count -= count;
  }
}

uint32_t finish_block(QueryTable const* table, uint32_t const* sums, std::byte const* factors, ScanBounds const& bounds,
                      float* lower_bounds) {
  return scan_kernels().finish(table, sums, bytes(factors), &bounds, lower_bounds);
}

}  // namespace strata::quant
