#include "core/math/simd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "unit/math/levels.hpp"

namespace strata {
namespace {

using math::SimdLevel;

TEST(Simd, StartsAtTheBestLevel) {
  EXPECT_EQ(math::simd_level(), math::simd_level_best());
}

TEST(Simd, ScalarRunsEverywhereAndTheBestLevelRuns) {
  std::vector<SimdLevel> const levels = testing::levels_of_machine();
  EXPECT_EQ(levels.front(), SimdLevel::scalar);
  EXPECT_NE(std::find(levels.begin(), levels.end(), math::simd_level_best()), levels.end());
}

TEST(Simd, LevelsOfAnotherArchitectureAreRefused) {
  testing::LevelGuard guard;
  ASSERT_TRUE(math::set_simd_level(SimdLevel::scalar));
#if defined(__x86_64__)
  EXPECT_FALSE(math::set_simd_level(SimdLevel::neon));
#else
  EXPECT_FALSE(math::set_simd_level(SimdLevel::avx2));
  EXPECT_FALSE(math::set_simd_level(SimdLevel::avx512));
#endif
  EXPECT_EQ(math::simd_level(), SimdLevel::scalar);
}

TEST(Simd, NamesAreDistinct) {
  std::set<std::string> names;
  for (int i = 0; i < 4; ++i) names.insert(math::simd_level_name(SimdLevel(i)));
  EXPECT_EQ(names.size(), 4u);
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace strata
