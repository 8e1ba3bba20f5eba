// Distances for NEON of AArch64.
#if defined(__aarch64__)
#include "core/math/lanes_neon.hpp"

#include "core/math/distance_body.hpp"

namespace strata::math {
namespace {

inline uint64_t count_bits(uint64_t x) {
  return vaddv_u8(vcnt_u8(vcreate_u8(x)));
}

}  // namespace
}  // namespace strata::math

#include "core/math/bits_body.hpp"
#include "core/math/kernels_body.hpp"

namespace strata::math {

constexpr Kernels kernels_neon = kernels_here;

}  // namespace strata::math
#endif

#include "core/base/core_only.hpp"
