// Distances for AVX2, FMA, F16C and POPCNT.
#if defined(__x86_64__)
#include "core/math/lanes_avx2.hpp"

#include "core/math/distance_body.hpp"

namespace strata::math {
namespace {

inline uint64_t count_bits(uint64_t x) {
  return uint64_t(__builtin_popcountll(x));
}

}  // namespace
}  // namespace strata::math

#include "core/math/bits_body.hpp"

namespace strata::math {

constexpr Kernels kernels_avx2 = {
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
#endif

#include "core/base/core_only.hpp"
