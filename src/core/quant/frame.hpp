// Frame space: the coordinates in which every code of an index lives.
//
//   z = rotate(x) / unit - mean          x: a row, float[dim] (normalised first under cosine);  z: float[padded_dim]
//
// The rotation is orthogonal and derived from a seed alone, so it needs no storage and all segments agree on it. `unit`
// is a power of two near the root mean square of ||x - mean||, which keeps the half-precision factors of the codes in
// range whatever the scale of the data; `mean` (already rotated and divided) is the global mean, which keeps the 8-bit
// codes accurate however far the data lie from the origin. Distances: ||x - y||^2 = unit^2 ||z_x - z_y||^2.
//
// An inner product needs no centring of the query: with w = rotate(q),
//   -<x, q> = -unit (<z, w> + <mean, w>), so rows are ranked by -<z, w>.
//
// Rotation: four rounds of sign flips, a fast Walsh-Hadamard transform of the first (even rounds) or last (odd rounds)
// 2^floor(log2 padded_dim) coordinates, and, when padded_dim is no power of two, a 45 degree Givens rotation between
// the halves. Shape after RaBitQ-Library's rotator (Gao et al., SIGMOD 2024 and 2025); a property of the format, never
// changed.
#pragma once
#include <cstdint>

#include "core/base/limits.hpp"

namespace strata::quant {

// The smallest multiple of padding_unit that holds `dim`.
constexpr uint32_t padded_dim_of(uint32_t dim) {
  return (dim + padding_unit - 1) / padding_unit * padding_unit;
}

struct Frame {
  uint64_t seed;        // of the rotation; one per index
  uint32_t dim;         // of the rows, 1..vector_dim_max
  uint32_t padded_dim;  // padded_dim_of(dim)
  float unit;           // > 0, a power of two
  float const* mean;    // float[padded_dim], borrowed
};

// out[0..padded_dim) = rotation of in[0..dim) padded with zeros. Preserves norms. `in` and `out` must not overlap.
void rotate(uint64_t seed, uint32_t dim, float const* in, float* out);

// The inverse: out[0..dim) from in[0..padded_dim); `scratch` holds padded_dim floats.
void rotate_back(uint64_t seed, uint32_t dim, float const* in, float* out, float* scratch);

// z = rotate(x) / unit - mean.
void to_frame(Frame const& frame, float const* x, float* z);

// The power of two nearest to `rms`, and 1 when rms is 0 or not finite.
float unit_of(double rms);

}  // namespace strata::quant
