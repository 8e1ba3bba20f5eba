#include "core/text/vector_wire.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace strata::text {
namespace {

TEST(VectorWire, WordsAreBigEndian) {
  float const one_and_two[] = {1.0f, 2.0f};
  unsigned char wire[9] = {};
  swap_words32(2, one_and_two, wire + 1);  // unaligned on purpose
  unsigned char const expected[] = {0x3f, 0x80, 0, 0, 0x40, 0, 0, 0};
  EXPECT_EQ(std::memcmp(wire + 1, expected, sizeof expected), 0);
  float back[2];
  swap_words32(2, wire + 1, back);
  EXPECT_EQ(back[0], 1.0f);
  EXPECT_EQ(back[1], 2.0f);

  uint16_t const halves[] = {0x3c00, 0x4000};
  swap_words16(2, halves, wire + 1);
  unsigned char const expected_halves[] = {0x3c, 0, 0x40, 0};
  EXPECT_EQ(std::memcmp(wire + 1, expected_halves, sizeof expected_halves), 0);
}

TEST(VectorWire, FindsTheFirstElementThatIsNotFinite) {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  float const inf = std::numeric_limits<float>::infinity();
  auto const check = [](std::vector<float> const& floats) {
    return check_floats(static_cast<uint32_t>(floats.size()), floats.data());
  };
  EXPECT_EQ(check({}), Fault::none);
  EXPECT_EQ(check({0.0f, -0.0f, 0x1p-149f, std::numeric_limits<float>::max()}), Fault::none);
  EXPECT_EQ(check({1, nan, inf}), Fault::not_a_number);
  EXPECT_EQ(check({1, -nan}), Fault::not_a_number);
  EXPECT_EQ(check({-inf, nan}), Fault::infinite);

  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    uint16_t const half = static_cast<uint16_t>(bits);
    uint32_t const magnitude = bits & 0x7fff;
    Fault const expected = magnitude > 0x7c00    ? Fault::not_a_number
                           : magnitude == 0x7c00 ? Fault::infinite
                                                 : Fault::none;
    ASSERT_EQ(check_halves(1, &half), expected) << bits;
  }
}

}  // namespace
}  // namespace strata::text
