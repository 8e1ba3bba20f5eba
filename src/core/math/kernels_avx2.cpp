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
#include "core/math/kernels_body.hpp"

namespace strata::math {

constexpr Kernels kernels_avx2 = kernels_here;

}  // namespace strata::math
#endif

#include "core/base/core_only.hpp"
