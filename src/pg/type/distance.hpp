// From sums to the distances that the SQL functions return, the same for all vector types.
#pragma once
#include <cmath>

#include "core/math/distance.hpp"

namespace strata::pg {

// 1 - cos, in [0, 2]; NaN if a norm is zero or a sum overflowed.
inline double cosine_distance(math::CosineParts const& parts) {
  double const norms = std::sqrt(static_cast<double>(parts.norm2_a) * static_cast<double>(parts.norm2_b));
  double const cosine = static_cast<double>(parts.inner_product) / norms;
  // Rounding may leave the range by a little; comparisons with NaN are false and keep it.
  if (cosine > 1) return 0;
  if (cosine < -1) return 2;
  return 1 - cosine;
}

// The angle between unit vectors in units of pi, in [0, 1].
inline double spherical_distance(float inner_product) {
  double cosine = inner_product;
  if (cosine > 1) cosine = 1;
  if (cosine < -1) cosine = -1;
  return std::acos(cosine) / M_PI;
}

}  // namespace strata::pg
