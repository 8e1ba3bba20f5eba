#include "core/quant/list_key.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "unit/math/levels.hpp"

namespace strata::quant {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// Formula of list_key.hpp in double precision.
double expected_key(ListKeyRule const& rule, double base, double residual2) {
  double const root = std::sqrt(residual2 * (double(rule.root_base) * std::fmax(base, 0) + rule.root_constant));
  return double(rule.factor) * (base + rule.residual_weight * residual2 - rule.root_weight * root) + rule.offset;
}

TEST(ListKey, IsTheFormulaAtEveryLevel) {
  ListKeyRule const distance{0.25f, -3.0f, 1.0f, 8.0f, 1.0f / 128, 0.0f};
  ListKeyRule const product{2.0f, 5.0f, 0.0f, 3.5f, 0.0f, 1.0f / 128};
  Random random(9);
  constexpr uint32_t count_max = 131;
  std::vector<float> const scores = testing::gaussian_vector(random, count_max);
  std::vector<float> residuals = testing::gaussian_vector(random, count_max);
  for (float& residual : residuals) residual *= residual;
  residuals[3] = 0.0f;
  testing::LevelGuard guard;
  testing::at_every_level([&] {
    for (ListKeyRule const& rule : {distance, product})
      for (uint32_t count : {0u, 1u, 7u, 16u, 17u, count_max}) {
        std::vector<float> keys(scores.begin(), scores.begin() + count);
        keys.push_back(77.0f);
        // Residuals are read where they lie in a page.
        std::vector<std::byte> bytes(count * sizeof(float) + 1);
        std::memcpy(bytes.data() + 1, residuals.data(), count * sizeof(float));
        list_keys(rule, count, bytes.data() + 1, keys.data());
        EXPECT_EQ(keys[count], 77.0f);
        for (uint32_t i = 0; i < count; ++i) {
          double const expected = expected_key(rule, scores[i], residuals[i]);
          EXPECT_NEAR(keys[i], expected, 1e-5 * (1 + std::abs(expected))) << i;
          EXPECT_NEAR(list_key(rule, scores[i], residuals[i]), expected, 1e-5 * (1 + std::abs(expected))) << i;
        }
      }
  });
}

TEST(ListKey, WhatIsNoNumberComesLast) {
  ListKeyRule const rule{1.0f, 0.0f, 1.0f, 8.0f, 1.0f / 16, 0.0f};
  float const none = std::numeric_limits<float>::quiet_NaN();
  float const bases[] = {none, 1.0f, infinity, -infinity}, residuals[] = {1.0f, none, 1.0f, 1.0f};
  float const expected[] = {infinity, infinity, infinity, -infinity};
  testing::LevelGuard guard;
  testing::at_every_level([&] {
    std::vector<float> keys(bases, bases + 4);
    list_keys(rule, 4, reinterpret_cast<std::byte const*>(residuals), keys.data());
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(keys[i], expected[i]) << i;
      EXPECT_EQ(list_key(rule, bases[i], residuals[i]), expected[i]) << i;
    }
  });
}

}  // namespace
}  // namespace strata::quant
