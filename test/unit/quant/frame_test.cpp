#include "core/quant/frame.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/quant/code_kernels.hpp"
#include "unit/math/levels.hpp"

namespace strata::quant {
namespace {

std::vector<uint32_t> const dims = {1,   2,   3,   15,  16,  17,  31,  33,  48,  50,   64,   96,   100,  112,
                                    127, 128, 200, 256, 300, 384, 500, 768, 960, 1024, 1536, 3072, 8192, 16000};

double norm2(std::vector<float> const& v) {
  double sum = 0;
  for (float x : v) sum += double(x) * x;
  return sum;
}

std::vector<float> rotated(uint64_t seed, std::vector<float> const& x) {
  std::vector<float> z(padded_dim_of(uint32_t(x.size())));
  rotate(seed, uint32_t(x.size()), x.data(), z.data());
  return z;
}

// The definition in frame.hpp, in double and without any care for speed.
std::vector<double> rotated_by_definition(uint64_t seed, std::vector<float> const& x) {
  uint32_t const n = padded_dim_of(uint32_t(x.size()));
  std::vector<double> z(n);
  std::copy(x.begin(), x.end(), z.begin());
  uint32_t size = 1;
  while (size * 2 <= n) size *= 2;
  Random random(seed);
  for (int round = 0; round < 4; ++round) {
    std::vector<uint64_t> words((n + 63) / 64);
    for (uint64_t& word : words) word = random.next();
    for (uint32_t i = 0; i < n; ++i) {
      if (words[i / 64] >> (i % 64) & 1) z[i] = -z[i];
    }
    uint32_t const begin = round % 2 ? n - size : 0;
    for (uint32_t h = 1; h < size; h *= 2) {
      for (uint32_t i = 0; i < size; ++i) {
        if (i & h) continue;
        double const a = z[begin + i], b = z[begin + i + h];
        z[begin + i] = (a + b) / std::sqrt(2.0);
        z[begin + i + h] = (a - b) / std::sqrt(2.0);
      }
    }
    if (size == n) continue;
    for (uint32_t i = 0; i < n / 2; ++i) {
      double const a = z[i], b = z[i + n / 2];
      z[i] = (a + b) / std::sqrt(2.0);
      z[i + n / 2] = (a - b) / std::sqrt(2.0);
    }
  }
  return z;
}

TEST(Frame, PaddedDimension) {
  EXPECT_EQ(padded_dim_of(1), 16u);
  EXPECT_EQ(padded_dim_of(16), 16u);
  EXPECT_EQ(padded_dim_of(17), 32u);
  EXPECT_EQ(padded_dim_of(vector_dim_max), padded_dim_max);
}

TEST(Frame, RotationFollowsItsDefinition) {
  testing::at_every_level([] {
    Random random(1);
    for (uint32_t dim : dims) {
      std::vector<float> const x = testing::gaussian_vector(random, dim);
      std::vector<float> const z = rotated(dim, x);
      std::vector<double> const expected = rotated_by_definition(dim, x);
      double error2 = 0;
      for (size_t i = 0; i < z.size(); ++i) error2 += (z[i] - expected[i]) * (z[i] - expected[i]);
      EXPECT_LT(std::sqrt(error2), 1e-6 * std::sqrt(norm2(x))) << dim;
    }
  });
}

TEST(Frame, RotationGivesTheSameBitsAtEveryLevel) {
  Random random(2);
  for (uint32_t dim : dims) {
    std::vector<float> const x = testing::gaussian_vector(random, dim);
    testing::LevelGuard guard;
    ASSERT_TRUE(math::set_simd_level(math::SimdLevel::scalar));
    std::vector<float> const expected = rotated(7, x);
    testing::at_every_level([&] {
      std::vector<float> const z = rotated(7, x);
      EXPECT_EQ(std::memcmp(z.data(), expected.data(), z.size() * sizeof(float)), 0) << dim;
    });
  }
}

// The rotation is part of the format: the bits of its output on any machine, for ever. Stored codes depend on it.
TEST(Frame, RotationNeverChanges) {
  struct Golden {
    uint32_t dim;
    uint64_t hash;
  };
  for (Golden const& golden : {Golden{3, 7387162035947254706u}, Golden{100, 1430229173219372018u},
                               Golden{768, 6388638143881864406u}, Golden{1536, 11918828265548403829u}}) {
    Random random(golden.dim);
    std::vector<float> x(golden.dim);
    for (float& v : x) v = float(random.unit() - 0.5);
    uint64_t hash = 0;
    for (float v : rotated(20240229, x)) hash = mix64(hash + std::bit_cast<uint32_t>(v) + 1);
    EXPECT_EQ(hash, golden.hash) << golden.dim;
  }
}

TEST(Frame, RotationPreservesNormsAndInnerProducts) {
  Random random(3);
  for (uint32_t dim : dims) {
    std::vector<float> const x = testing::gaussian_vector(random, dim), y = testing::gaussian_vector(random, dim);
    std::vector<float> const u = rotated(99, x), v = rotated(99, y);
    EXPECT_NEAR(norm2(u) / norm2(x), 1, 2e-6) << dim;
    double before = 0, after = 0;
    for (uint32_t i = 0; i < dim; ++i) before += double(x[i]) * y[i];
    for (size_t i = 0; i < u.size(); ++i) after += double(u[i]) * v[i];
    EXPECT_NEAR(before, after, 2e-6 * std::sqrt(norm2(x) * norm2(y))) << dim;
  }
}

TEST(Frame, RotateBackInverts) {
  testing::at_every_level([] {
    Random random(4);
    for (uint32_t dim : dims) {
      std::vector<float> const x = testing::gaussian_vector(random, dim);
      std::vector<float> const z = rotated(5, x);
      std::vector<float> back(dim), scratch(z.size());
      rotate_back(5, dim, z.data(), back.data(), scratch.data());
      double error2 = 0;
      for (uint32_t i = 0; i < dim; ++i) error2 += (double(back[i]) - x[i]) * (double(back[i]) - x[i]);
      EXPECT_LT(std::sqrt(error2), 2e-6 * std::sqrt(norm2(x))) << dim;
    }
  });
}

// A spike must be spread over all coordinates, and another seed must spread it otherwise.
TEST(Frame, RotationMixes) {
  for (uint32_t dim : {100u, 128u, 384u, 768u, 960u}) {
    std::vector<float> spike(dim);
    spike[dim / 3] = 1;
    std::vector<float> const z = rotated(1, spike), other = rotated(2, spike);
    double largest = 0, product = 0;
    for (size_t i = 0; i < z.size(); ++i) {
      largest = std::max(largest, std::fabs(double(z[i])));
      product += double(z[i]) * other[i];
    }
    EXPECT_LT(largest, 6 / std::sqrt(double(z.size()))) << dim;
    EXPECT_LT(std::fabs(product), 5 / std::sqrt(double(z.size()))) << dim;
  }
}

TEST(Frame, NormsNearTheLimitsOfFloatStayFinite) {
  for (uint32_t dim : {1u, 3u, 100u, 768u}) {
    std::vector<float> const huge(dim, 1e38f / std::sqrt(float(dim)));
    for (float x : rotated(3, huge)) EXPECT_TRUE(std::isfinite(x));
    std::vector<float> const zero(dim);
    for (float x : rotated(3, zero)) EXPECT_EQ(x, 0);
  }
}

TEST(Frame, ToFrameScalesAndCentres) {
  testing::at_every_level([] {
    Random random(5);
    for (uint32_t dim : {1u, 50u, 128u, 960u}) {
      uint32_t const padded_dim = padded_dim_of(dim);
      std::vector<float> const x = testing::gaussian_vector(random, dim, 8);
      std::vector<float> const mean = testing::gaussian_vector(random, padded_dim);
      Frame const frame{42, dim, padded_dim, 8.0f, mean.data()};
      std::vector<float> z(padded_dim);
      to_frame(frame, x.data(), z.data());
      std::vector<float> const r = rotated(42, x);
      for (uint32_t i = 0; i < padded_dim; ++i) EXPECT_EQ(z[i], r[i] / 8 - mean[i]);
    }
  });
}

TEST(Frame, UnitIsTheNearestPowerOfTwo) {
  EXPECT_EQ(unit_of(1), 1);
  EXPECT_EQ(unit_of(1.41), 1);
  EXPECT_EQ(unit_of(1.42), 2);
  EXPECT_EQ(unit_of(0.75), 1);
  EXPECT_EQ(unit_of(0.7), 0.5f);
  EXPECT_EQ(unit_of(1000), 1024);
  EXPECT_EQ(unit_of(0x1p-50), 0x1p-50f);
  EXPECT_EQ(unit_of(0), 1);
  EXPECT_EQ(unit_of(-1), 1);
  EXPECT_EQ(unit_of(std::numeric_limits<double>::infinity()), 1);
  EXPECT_EQ(unit_of(std::numeric_limits<double>::quiet_NaN()), 1);
  for (double rms : {1e300, 1e-300}) {
    EXPECT_TRUE(std::isnormal(unit_of(rms)));
    EXPECT_TRUE(std::isnormal(1 / unit_of(rms)));
  }
}

}  // namespace
}  // namespace strata::quant
