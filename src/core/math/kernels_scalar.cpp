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

#include "core/base/core_only.hpp"

namespace strata::math {

constexpr Kernels kernels_scalar = {
    l2_squared_of<Singles>,
    inner_product_of<Singles>,
    l1_of<Singles>,
    cosine_parts_of<Singles>,
    l2_squared_of<Halves>,
    inner_product_of<Halves>,
    l1_of<Halves>,
    cosine_parts_of<Halves>,
    l2_squared_of<Singles, Halves>,
    inner_product_of<Singles, Halves>,
    hamming_of,
    jaccard_parts_of,
    widen_halves_to_floats,
    scale_shorts_to_floats,
};

}  // namespace strata::math
