#include "core/files/copy_stream.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace strata::files {
namespace {

std::string row_of(CopyColumns const& columns, int64_t id, std::vector<float> const& floats) {
  uint32_t const dim = static_cast<uint32_t>(floats.size());
  std::string bytes(copy_row_size(columns, dim), '\xee');
  write_copy_row(columns, id, dim, floats.data(), bytes.data());
  return bytes;
}

template <size_t size>
std::string bytes(char const (&literal)[size]) {
  return std::string(literal, size - 1);
}

TEST(CopyStream, Rows) {
  EXPECT_EQ(row_of({0, Number::f32}, 0, {1, -2}), bytes("\0\1"
                                                        "\0\0\0\x0c"
                                                        "\0\2\0\0"
                                                        "\x3f\x80\0\0"
                                                        "\xc0\0\0\0"));
  EXPECT_EQ(row_of({8, Number::f16}, -2, {1}), bytes("\0\2"
                                                     "\0\0\0\x08"
                                                     "\xff\xff\xff\xff\xff\xff\xff\xfe"
                                                     "\0\0\0\6"
                                                     "\0\1\0\0"
                                                     "\x3c\0"));
  EXPECT_EQ(row_of({2, Number::f32}, 258, {0}), bytes("\0\2"
                                                      "\0\0\0\2"
                                                      "\1\2"
                                                      "\0\0\0\x08"
                                                      "\0\1\0\0"
                                                      "\0\0\0\0"));
  EXPECT_EQ(row_of({4, Number::f32}, 1, {0}), bytes("\0\2"
                                                    "\0\0\0\4"
                                                    "\0\0\0\1"
                                                    "\0\0\0\x08"
                                                    "\0\1\0\0"
                                                    "\0\0\0\0"));
  EXPECT_EQ(copy_head.size(), 19u);
}

TEST(CopyStream, IdsFit) {
  EXPECT_TRUE(id_fits(32767, 2) && !id_fits(32768, 2) && id_fits(-32768, 2) && !id_fits(-32769, 2));
  EXPECT_TRUE(id_fits(2147483647, 4) && !id_fits(2147483648, 4));
  EXPECT_TRUE(id_fits(INT64_MIN, 8) && !id_fits(1, 0));
}

}  // namespace
}  // namespace strata::files
