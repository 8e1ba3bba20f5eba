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
// seen. Zero rows have scale 0, norm2 0, error 0 (rounded bounds of the arithmetic itself are the caller's slack).
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

constexpr uint32_t refine_row_size(uint32_t padded_dim) { return uint32_t(sizeof(RefineRowDisk)) + padded_dim; }

// Writes refine_row_size(padded_dim) bytes at `row` (no alignment needed).
void encode_refine(uint32_t padded_dim, float const* z, std::byte* row);

// z[0..padded_dim) = the reconstruction.
void decode_refine(uint32_t padded_dim, std::byte const* row, float* z);

// The part of a query that refine codes need, built once per query. Memory of `w` is the caller's.
struct RefineQuery {
  Metric metric;       // l2 and cosine are the same thing here
  uint32_t padded_dim;
  float const* w;      // l2, cosine: the query in frame space; inner product: the rotated query
  float sum;           // sum of w
  float norm2;         // ||w||^2
  float norm;          // ||w||
};
RefineQuery refine_query(Metric metric, uint32_t padded_dim, float const* w);

struct RefineEstimate {
  float score;        // l2, cosine: ||w - z^||^2; inner product: -<z^, w>
  float lower_bound;  // never above the true score, but for float rounding (the slack is included)
};
// `row` has no alignment. Both numbers finite unless the stored error is infinite (then lower_bound is -inf or 0).
RefineEstimate evaluate_refine(RefineQuery const& query, std::byte const* row);

}  // namespace strata::quant
