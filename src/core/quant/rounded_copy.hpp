// Copies of vectors rounded to 16 bits a dimension, with a bound of what was lost.
//
//   0          2      4       8
//   | exponent | kind | error | element u16[dim] |          RoundedCopyDisk, then the elements
//
//   x^_i = 2^exponent element_i (the reconstruction, exact in single precision)
//   2^exponent error >= ||x - x^||, rounded up; 0: x^ is x but for the sign of zeros; +inf: nothing is known of x
//
// exponent: the largest magnitude comes to lie in [2^14, 2^15), so that neither the range of halves nor their smallest
// steps limit what can be kept. Of IEEE halves (11 significant bits of each element) and integers (15 bits of the
// largest one) a row takes what loses less: halves keep what was rounded to halves before (unless it spans nearly all
// of their range), integers lose a fifth as much of most other vectors. Rows with an infinity, a NaN or a magnitude of
// 2^60 and more have error = +inf.
//
// The triangle inequality gives, for a query q,
//
//   l2:             max(0, ||q - x^|| - error) <= ||q - x|| <= ||q - x^|| + error
//   inner product:  |<q, x> - <q, x^>| <= ||q|| error
//   cosine:         the same as l2 for the vectors of unit length, whose distance from each other is at most
//                   2 error / (||x|| + ||x^||)   (Dunkl and Williams, A simple norm inequality, 1964)
//
// The bytes do not depend on the instruction set that kernels are chosen for.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/metric.hpp"
#include "core/base/status.hpp"

namespace strata::quant {

enum class RoundedKind : uint16_t { halves = 0, integers = 1 };

struct RoundedCopyDisk {
  int16_t exponent;
  RoundedKind kind;
  float error;  // in units of 2^exponent
};
static_assert(sizeof(RoundedCopyDisk) == 8 && offsetof(RoundedCopyDisk, kind) == 2 &&
              offsetof(RoundedCopyDisk, error) == 4);

constexpr uint32_t rounded_copy_size(uint32_t dim) {
  return uint32_t(sizeof(RoundedCopyDisk)) + dim * uint32_t(sizeof(uint16_t));
}

// Writes rounded_copy_size(dim) bytes at `copy` (no alignment needed).
void encode_rounded(uint32_t dim, float const* x, std::byte* copy);

// Whether the bytes at `copy` can have been written by encode_rounded(), as far as the header tells.
bool rounded_is_sound(std::byte const* copy);

// x[0..dim) = the reconstruction, *error = the bound of its distance from the vector: 0 or +inf as above. A header that
// is not sound is an error.
Status decode_rounded(uint32_t dim, std::byte const* copy, float* x, double* error);

// The part of a query that bounds need. `query`: float[dim] as it is in the table, without alignment.
struct CopyQuery {
  Metric metric;
  uint32_t dim;
  float norm2;      // as the kernels sum it up
  double norm;      // not below ||query||
  double rounding;  // bounds the relative error of such a sum
};
CopyQuery copy_query(Metric metric, uint32_t dim, void const* query);

struct ScoreRange {
  float least, most;
};
// Where the score of a vector lies of which decode_rounded() gave `x` and `error`. `score`: that of x, computed with
// the kernels of core/math/distance.hpp; l2: the squared distance, inner product: minus the product, cosine: twice the
// distance. The range holds for the score computed in this way from the vector itself, rounding included, so that the
// order of disjoint ranges is that of computed scores. Nothing known: [-inf, +inf].
//
// A sum of dim products in single precision in at least 16 partial sums (8 for cosine) has a relative error of
// rounding = (dim / 16 + 16) 2^-24 at most (dim / 8), relative to the sum of the magnitudes (Higham, Accuracy and
// Stability of Numerical Algorithms, 2002, section 3.1).
ScoreRange score_range(CopyQuery const& query, float const* x, double score, double error);

}  // namespace strata::quant
