// Seeded random vectors, and running a test body at every instruction set level of the machine.
#pragma once
#include <cmath>
#include <vector>

#include "core/base/random.hpp"
#include "core/math/simd.hpp"

namespace strata::testing {

inline double gaussian(Random& random) {
  double const u = 1 - random.unit(), v = random.unit();
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
}

inline std::vector<float> gaussian_vector(Random& random, size_t size, double scale = 1) {
  std::vector<float> values(size);
  for (float& x : values) x = float(gaussian(random) * scale);
  return values;
}

// Restores the level in use.
class LevelGuard {
 public:
  ~LevelGuard() { math::set_simd_level(saved_); }

 private:
  math::SimdLevel saved_ = math::simd_level();
};

inline std::vector<math::SimdLevel> levels_of_machine() {
  LevelGuard guard;
  std::vector<math::SimdLevel> levels;
  for (int i = 0; i < 4; ++i) {
    if (math::set_simd_level(math::SimdLevel(i))) levels.push_back(math::SimdLevel(i));
  }
  return levels;
}

template <class Body>
void at_every_level(Body body) {
  LevelGuard guard;
  for (math::SimdLevel level : levels_of_machine()) {
    SCOPED_TRACE(math::simd_level_name(level));
    ASSERT_TRUE(math::set_simd_level(level));
    body();
  }
}

}  // namespace strata::testing
