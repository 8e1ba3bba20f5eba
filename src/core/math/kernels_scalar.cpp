// Baseline distances: four lanes, products and sums rounded separately.
#include "core/math/lanes_scalar.hpp"

#include "core/math/distance_body.hpp"

namespace strata::math {
namespace {

// Population count by adding neighbours: the baseline of x86-64 has no instruction for it.
inline uint64_t count_bits(uint64_t x) {
  x -= (x >> 1) & 0x5555555555555555ULL;
  x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return (x * 0x0101010101010101ULL) >> 56;
}

}  // namespace
}  // namespace strata::math

#include "core/math/bits_body.hpp"
#include "core/math/kernels_body.hpp"

#include "core/base/core_only.hpp"

namespace strata::math {

constexpr Kernels kernels_scalar = kernels_here;

}  // namespace strata::math
