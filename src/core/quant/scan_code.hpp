// First-stage ("scan") codes: 1 bit a dimension (2 when padded_dim <= 256), in blocks of 32 rows, RaBitQ family.
//
// For a row z with list centroid c (both in frame space; c = 0 for flat rows), residual r = z - c, n = ||r||:
//   1 bit:  y_i = sign(r_i)                       2 bits: y_i = sign(r_i) (m_i + 1/2), m_i in {0, 1}
//   s = n^2 / <y, r>,   a = <y, r> / (||y|| n)
// and with a query w, base and gain per list (`ScanBounds`):
//   l2, cosine:     add = n^2 + 2 s <y, c>, rescale = -2 s, err = 2 n sqrt((1 - a^2) / a^2) / sqrt(D - 1)
//                   base = ||w - c||^2, gain = eps ||w - c||
//   inner product:  add = 0, rescale = -s, err = n sqrt((1 - a^2) / a^2) / sqrt(D - 1)
//                   base = -<c, w>, gain = eps ||w||
//   estimate = base + add + rescale <y, w>,   lower bound = estimate - gain err
// (Gao and Long, SIGMOD 2024, Theorem 3.2; multi-bit codes: Gao et al., SIGMOD 2025.) A row whose factors do not fit
// half precision gets err = +inf, so that it always survives; a zero residual has rescale = 0 and err = 0.
//
// The look-up tables are rounded to 6 bits, which adds an error of its own, independent of ||w - c||: replace ||w - c||
// (or
// ||w||) in the gain by sqrt(||w - c||^2 + query_table_noise^2). For that to cover rows whose code happens to be much
// better than that of a random direction, 1 - a^2 counts in err as at least half its typical value (0.363 and 0.119 for
// 1 and 2 bits). err also carries the rounding of rescale to half precision, which matters for tiny residuals only, and
// the bound of such rows holds for eps >= 1.
//
// Levels of instruction set: sign planes, look-up tables and integer sums are equal bit for bit; magnitude bits within
// rounding of their threshold, factors and lower bounds may differ by float rounding. A bound that is not a number
// counts as -inf and bounds saturate at the largest float, so that a threshold of +inf lets every row through.
//
// Block of 32 rows, the same bytes for every instruction set. Units of 64 bytes hold 16 dimensions of one bit plane:
//
//   | plane 0 (sign): padded_dim/16 units | plane 1 (magnitude bit, 2-bit codes only) | factors, 256 bytes |
//   unit = 4 groups of 16 bytes; group m holds dimensions 4m..4m+3; byte j = nibble(row j) | nibble(row j + 16) << 4;
//   bit t of a nibble = bit of dimension 4m + t
//   sign bit = (r_i > 0); magnitude bit = m_i where r_i > 0 and 1 - m_i elsewhere: y_i = 2 sign bit + magnitude bit -
//   3/2 factors: float add[32] | half rescale[32] | half err[32]
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/metric.hpp"

namespace strata::quant {

constexpr uint32_t block_rows = 32;
constexpr uint32_t unit_size = 64;
constexpr uint32_t block_factors_size = 256;
constexpr uint32_t scan_bits_of(uint32_t padded_dim) {
  return padded_dim <= 256 ? 2 : 1;
}
constexpr uint32_t block_unit_count(uint32_t padded_dim, uint32_t bits) {
  return padded_dim / 16 * bits;
}
constexpr uint32_t block_size(uint32_t padded_dim, uint32_t bits) {
  return block_unit_count(padded_dim, bits) * unit_size + block_factors_size;
}

// Shape of the codes of one segment.
struct ScanShape {
  Metric metric;
  uint32_t bits;  // 1 or 2
  uint32_t padded_dim;
};

// Encodes row z into `lane` (0..31) of `block`, which was zeroed before its first row. `centroid` may be null (zero).
// Returns ||z - centroid||^2.
float encode_scan_row(ScanShape const& shape, float const* z, float const* centroid, std::byte* block, uint32_t lane);

// A row that was encoded from an approximation z^ of it, with `error` >= ||z - z^||: widens its bound so that it holds
// for z. The error of a code points in any direction, so it adds variance, (2 error / sqrt(D - 1))^2 for l2 and a
// quarter of that for inner products; and it lengthens z^, so that squared distances seem larger by error^2.
void widen_scan_row(ScanShape const& shape, float error, std::byte* block, uint32_t lane);

// Copies one row between blocks without decoding it; the target lane must be zero.
void copy_scan_row(ScanShape const& shape, std::byte const* source, uint32_t source_lane, std::byte* target,
                   uint32_t target_lane);

// Look-up tables of one query, built once; lives in `memory` of query_table_size() bytes aligned to 64. Trivial,
// movable with memcpy to memory of the same alignment only.
struct QueryTable;
size_t query_table_size(uint32_t padded_dim);
// `w`: as in RefineQuery. 6-bit entries with one global scale, so that sums of four fit a byte.
QueryTable* build_query_table(ScanShape const& shape, float const* w, void* memory);
// What the rounding of the table adds, to be used as told above; proportional to ||w||.
float query_table_noise(QueryTable const* table);

struct ScanBounds {
  float base;       // per list, see above
  float gain;       // per list, see above
  float threshold;  // survivors have a lower bound below it
};

// Scans one block: bit i of the result = row i has lower bound < threshold. lower_bounds may be null; else it receives
// 32 floats, never NaN. Lanes that hold no row give any result: the caller masks them. `block` needs no alignment.
uint32_t scan_block(QueryTable const* table, std::byte const* block, ScanBounds const& bounds, float* lower_bounds);

// A run of whole blocks, contiguous in memory. For every survivor writes its row number (block * 32 + lane, counted
// from `first_row`) and lower bound. `survivor_rows` and `survivor_bounds` hold block_count * 32 entries. Returns the
// count.
uint32_t scan_blocks(QueryTable const* table, std::byte const* blocks, uint32_t block_count, uint32_t first_row,
                     ScanBounds const& bounds, uint32_t* survivor_rows, float* survivor_bounds);

// bounds[32 * block_count] become factor * bound + offset: +inf and what overflows the largest float, no number -inf.
void scale_bounds(float* bounds, uint32_t block_count, float factor, float offset);

// Writes the positions of the bounds below `cut`, ascending, to rows[row_count]. Returns their count.
uint32_t find_below(float const* bounds, uint32_t row_count, float cut, uint32_t* rows);

// Blocks that straddle a page: sums of the units [first_unit, first_unit + unit_count) are added to sums[32] (zeroed by
// the caller before the first fragment); then the factors, gathered by the caller, finish the block.
void scan_fragment(QueryTable const* table, std::byte const* units, uint32_t first_unit, uint32_t unit_count,
                   uint32_t* sums);
uint32_t finish_block(QueryTable const* table, uint32_t const* sums, std::byte const* factors, ScanBounds const& bounds,
                      float* lower_bounds);

}  // namespace strata::quant
