#include "core/quant/frame.hpp"

#include <cmath>
#include <cstring>

#include "core/base/check.hpp"
#include "core/base/random.hpp"
#include "core/quant/code_dispatch.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

namespace {

constexpr uint32_t sign_words_max = rotation_rounds * ((padded_dim_max + 63) / 64);

// The sign bits of all rounds, round after round, each starting at a word of its own: part of the format.
void draw_signs(uint64_t seed, uint32_t padded_dim, uint64_t (&signs)[sign_words_max]) {
  Random random(seed);
  uint32_t const count = rotation_rounds * ((padded_dim + 63) / 64);
  for (uint32_t i = 0; i < count; ++i) signs[i] = random.next();
}

}  // namespace

void rotate(uint64_t seed, uint32_t dim, float const* in, float* out) {
  STRATA_ASSERT(dim > 0 && dim <= vector_dim_max);
  uint32_t const padded_dim = padded_dim_of(dim);
  uint64_t signs[sign_words_max];
  draw_signs(seed, padded_dim, signs);
  std::memcpy(out, in, dim * sizeof(float));
  std::memset(out + dim, 0, (padded_dim - dim) * sizeof(float));
  code_kernels().rotate(padded_dim, signs, out);
}

void rotate_back(uint64_t seed, uint32_t dim, float const* in, float* out, float* scratch) {
  STRATA_ASSERT(dim > 0 && dim <= vector_dim_max);
  uint32_t const padded_dim = padded_dim_of(dim);
  uint64_t signs[sign_words_max];
  draw_signs(seed, padded_dim, signs);
  std::memmove(scratch, in, padded_dim * sizeof(float));
  code_kernels().rotate_back(padded_dim, signs, scratch);
  std::memcpy(out, scratch, dim * sizeof(float));
}

void to_frame(Frame const& frame, float const* x, float* z) {
  STRATA_ASSERT(frame.padded_dim == padded_dim_of(frame.dim) && frame.unit > 0);
  rotate(frame.seed, frame.dim, x, z);
  code_kernels().center(frame.padded_dim, 1.0f / frame.unit, frame.mean, z);
}

float unit_of(double rms) {
  if (!(rms > 0) || !std::isfinite(rms)) return 1;
  int exponent;
  double const mantissa = std::frexp(rms, &exponent);  // in [0.5, 1)
  if (mantissa < std::sqrt(0.5)) --exponent;
  // Both the unit and its inverse stay normal floats.
  if (exponent > 126) exponent = 126;
  if (exponent < -126) exponent = -126;
  return std::ldexp(1.0f, exponent);
}

}  // namespace strata::quant
