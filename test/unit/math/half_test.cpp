#include "core/math/half.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "unit/math/levels.hpp"

namespace strata::math {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// The value of a finite half from its definition.
double value_of(uint16_t half) {
  int const exponent = half >> 10 & 31, fraction = half & 1023;
  double const magnitude = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  return half & 0x8000 ? -magnitude : magnitude;
}

bool is_nan(uint16_t half) {
  return (half & 0x7fff) > 0x7c00;
}

TEST(Half, WidensEveryHalf) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    uint16_t const half = uint16_t(h);
    float const value = half_to_float(half);
    if (is_nan(half)) {
      EXPECT_TRUE(std::isnan(value)) << h;
    } else if ((half & 0x7fff) == 0x7c00) {
      EXPECT_EQ(value, half & 0x8000 ? -infinity : infinity);
    } else {
      EXPECT_EQ(double(value), value_of(half)) << h;
      EXPECT_EQ(std::signbit(value), (half & 0x8000) != 0) << h;
    }
  }
}

TEST(Half, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    uint16_t const half = uint16_t(h), back = float_to_half(half_to_float(half));
    if (is_nan(half)) {
      EXPECT_TRUE(is_nan(back)) << h;
    } else {
      EXPECT_EQ(back, half);
    }
  }
}

// Between every pair of neighbours: below, at and above the middle.
TEST(Half, RoundsToNearestEven) {
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    double const low = value_of(uint16_t(h));
    double const high = h == 0x7bff ? 65536.0 : value_of(uint16_t(h + 1));
    float const middle = float((low + high) / 2);
    ASSERT_EQ(double(middle), (low + high) / 2);
    uint16_t const even = uint16_t(h % 2 ? h + 1 : h);
    EXPECT_EQ(float_to_half(std::nextafter(middle, 0.0f)), h);
    EXPECT_EQ(float_to_half(middle), even);
    EXPECT_EQ(float_to_half(std::nextafter(middle, infinity)), h + 1);
    EXPECT_EQ(float_to_half(-middle), even | 0x8000);
  }
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(1e30f), 0x7c00);
  EXPECT_EQ(float_to_half(-infinity), 0xfc00);
  EXPECT_EQ(float_to_half(1e-30f), 0);
  EXPECT_EQ(float_to_half(-1e-45f), 0x8000);
  EXPECT_TRUE(is_nan(float_to_half(std::numeric_limits<float>::quiet_NaN())));
}

TEST(Half, RoundsUp) {
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    float const exact = half_to_float(uint16_t(h));
    EXPECT_EQ(float_to_half_up(exact), h);
    EXPECT_EQ(float_to_half_up(std::nextafter(exact, infinity)), h + 1);
    if (h > 0) {
      EXPECT_EQ(float_to_half_up(std::nextafter(exact, 0.0f)), h);
    }
  }
  EXPECT_EQ(float_to_half_up(1e30f), 0x7c00);
  EXPECT_EQ(float_to_half_up(infinity), 0x7c00);
  EXPECT_EQ(float_to_half_up(-0.0f), 0);
  EXPECT_EQ(float_to_half_up(std::numeric_limits<float>::quiet_NaN()), 0x7c00);
}

TEST(Half, WidensArraysOfEveryLengthAndAlignment) {
  std::vector<unsigned char> bytes(2 * 0x10000 + 1);
  for (uint32_t h = 0; h < 0x10000; ++h) {
    bytes[1 + 2 * h] = uint8_t(h);
    bytes[2 + 2 * h] = uint8_t(h >> 8);
  }
  testing::at_every_level([&] {
    std::vector<float> floats(0x10000);
    halves_to_floats(0x10000, bytes.data() + 1, floats.data());
    for (uint32_t h = 0; h < 0x10000; ++h) {
      ASSERT_EQ(std::bit_cast<uint32_t>(floats[h]), std::bit_cast<uint32_t>(half_to_float(uint16_t(h)))) << h;
    }
    for (uint32_t count = 0; count < 70; ++count) {
      std::vector<float> some(count + 1, -7.0f);
      halves_to_floats(count, bytes.data() + 1 + 2 * 0x3c00, some.data());
      for (uint32_t i = 0; i < count; ++i) ASSERT_EQ(some[i], half_to_float(uint16_t(0x3c00 + i)));
      ASSERT_EQ(some[count], -7.0f);
    }
  });
}

TEST(Half, ScalesShortsOfEveryLengthAndAlignment) {
  std::vector<unsigned char> bytes(2 * 0x10000 + 1);
  for (uint32_t h = 0; h < 0x10000; ++h) {
    bytes[1 + 2 * h] = uint8_t(h);
    bytes[2 + 2 * h] = uint8_t(h >> 8);
  }
  testing::at_every_level([&] {
    for (float scale : {1.0f, 0x1p-100f, 0x1p46f, 0.1f}) {
      std::vector<float> floats(0x10000);
      shorts_to_floats(0x10000, bytes.data() + 1, scale, floats.data());
      for (uint32_t h = 0; h < 0x10000; ++h) ASSERT_EQ(floats[h], float(int16_t(uint16_t(h))) * scale) << h;
    }
    for (uint32_t count = 0; count < 70; ++count) {
      std::vector<float> some(count + 1, -7.0f);
      shorts_to_floats(count, bytes.data() + 1 + 2 * 0x7fe0, 2, some.data());
      for (uint32_t i = 0; i < count; ++i) ASSERT_EQ(some[i], 2.0f * float(int16_t(uint16_t(0x7fe0 + i))));
      ASSERT_EQ(some[count], -7.0f);
    }
  });
}

}  // namespace
}  // namespace strata::math
