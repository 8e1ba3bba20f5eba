// Second-stage ("refine") codes: 8 bits a dimension in frame space, with a deterministic error bound.
//
// A row z (float[padded_dim]) is stored as
//
//   0       4        8        10         12
//   | scale | norm2  | error  | reserved | code u8[padded_dim] |        RefineRowDisk, then the codes
//
//   y_i = code_i - 127.5,   z^ = scale * y   (the reconstruction)
//   norm2 = ||z^||^2        error >= ||z - z^||, half precision rounded up (+inf when out of range)
//
// code_i by symmetric scaling to the row's largest magnitude, t = 127.999 / max|z_i|; scale = <y,z>/||y||^2 minimises
// ||z - z^||. Cauchy-Schwarz gives, for a query w in frame space,
//
//   l2:             (max(0, ||w - z^|| - error))^2 <= ||w - z||^2
//   inner product:  -<z^, w> - ||w|| error         <= -<z, w>
//
// Deterministic: no probability is involved, so output ordered by it and then by exact distance is exact among the rows
// seen. Zero rows have scale 0, norm2 0, error 0; coordinates below 2^-100 are stored as zero, with their norm as
// error. Rows with an infinity, a NaN or a magnitude above 2^50 get error = +inf; norm2 saturates at the largest float.
//
// Levels of instruction set: codes of the same row may differ by one where code_i is within rounding of a step, scale
// and error by rounding; the bounds hold for each of them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/metric.hpp"

namespace strata::quant {

struct RefineRowDisk {
  float scale;
  float norm2;
  uint16_t error;     // IEEE half
  uint16_t reserved;  // zero
};
static_assert(sizeof(RefineRowDisk) == 12 && offsetof(RefineRowDisk, error) == 8);

constexpr uint32_t refine_row_size(uint32_t padded_dim) {
  return uint32_t(sizeof(RefineRowDisk)) + padded_dim;
}

// Writes refine_row_size(padded_dim) bytes at `row` (no alignment needed).
void encode_refine(uint32_t padded_dim, float const* z, std::byte* row);

// z[0..padded_dim) = the reconstruction.
void decode_refine(uint32_t padded_dim, std::byte const* row, float* z);

// The part of a query that refine codes need, built once per query. Memory of `w` is the caller's.
struct RefineQuery {
  Metric metric;  // l2 and cosine are the same thing here
  uint32_t padded_dim;
  float const* w;  // l2, cosine: the query in frame space; inner product: the rotated query
  float sum;       // sum of w
  float norm2;     // ||w||^2
  float norm;      // ||w||
  float rounding;  // times a row's scale: bounds the rounding error of <z^, w>
  float offset;    // norm of what was subtracted from rows and query to put them into frame space
};
RefineQuery refine_query(Metric metric, uint32_t padded_dim, float const* w, float offset = 0);

struct RefineEstimate {
  float score;        // l2, cosine: ||w - z^||^2; inner product: -<z^, w>
  float lower_bound;  // never above the true score, in exact arithmetic over the query w and the row z as given
  float upper_bound;  // never below the score of the vectors that w and z were made of, see below; +inf: unknown
};
// `row` has no alignment. `score` is never NaN and saturates at the largest float. `lower_bound` is finite unless the
// stored error is infinite (then it is -inf or 0). The slack for the rounding in here, subtracted before the error is:
//
//   2 scale rounding + 2^-21 (||w||^2 + norm2 + 2 |<z^, w>|)  on the squared distance, half of it on the inner product,
//   rounding = 255 ||w||_1 (padded_dim / 16 + 16) 2^-24
//
// (a dot product of at least 16 partial sums; Higham, Accuracy and Stability of Numerical Algorithms, 2002,
// section 3.1): some 1e-5 ||w|| ||z|| at 768 dimensions, where the error is about 7e-3 ||z||.
//
// The upper bound is meant to be compared with lower bounds of other rows and with distances computed in single
// precision: it also covers what rotating and centring rounded off rows and queries, and the rounding of such a
// distance,
//
//   2^-19 (||w|| + ||z^|| + offset) on the distance, 2^-19 ||w|| (||z^|| + offset) on the inner product,
//
// some 16 times what either of them was ever seen to amount to.
RefineEstimate evaluate_refine(RefineQuery const& query, std::byte const* row);

// The same for rows whose lower bound is below `reach`. False when it surely is not: then nothing is known of the row
// but that its score is no less than `reach`, up to a few roundings.
bool evaluate_refine_within(RefineQuery const& query, std::byte const* row, float reach, RefineEstimate* estimate);

// Asks for the cache lines of one row; rows of a second stage are scattered, so ask for all before evaluating the
// first.
inline void prefetch_refine_row(uint32_t padded_dim, std::byte const* row) {
  for (uint32_t offset = 0; offset < refine_row_size(padded_dim); offset += 64) __builtin_prefetch(row + offset);
}

}  // namespace strata::quant
