#include "macro/readers.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "macro/half.hpp"
#include "macro/tests/test_support.hpp"

namespace strata::bench {
namespace {

class Readers : public FileTest {
 protected:
  static std::string fvecs_row(std::vector<float> const& values) {
    std::string bytes = bytes_of(int32_t(values.size()));
    for (float value : values) bytes += bytes_of(value);
    return bytes;
  }

  static std::string npy(std::string const& dictionary, std::string const& data, char version = 1) {
    std::string bytes = std::string("\x93NUMPY") + version + '\0';
    bytes += version == 1 ? bytes_of(uint16_t(dictionary.size())) : bytes_of(uint32_t(dictionary.size()));
    return bytes + dictionary + data;
  }

  static std::string npy_dictionary(std::string const& descr, std::string const& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  }
};

TEST_F(Readers, FvecsRows) {
  Matrix const matrix = read_vectors(write("a.fvecs", fvecs_row({1, 2, 3}) + fvecs_row({-4, 5.5F, 0})), {});
  ASSERT_EQ(matrix.rows(), 2U);
  ASSERT_EQ(matrix.dim(), 3U);
  EXPECT_EQ(matrix.row(0)[2], 3.0F);
  EXPECT_EQ(matrix.row(1)[1], 5.5F);
}

TEST_F(Readers, BvecsRows) {
  std::string const row = bytes_of(int32_t(2)) + '\x00' + '\xff';
  Matrix const matrix = read_vectors(write("a.bvecs", row + row), {});
  ASSERT_EQ(matrix.rows(), 2U);
  EXPECT_EQ(matrix.row(1)[0], 0.0F);
  EXPECT_EQ(matrix.row(1)[1], 255.0F);
}

TEST_F(Readers, RowLimitStopsEarly) {
  ReadOptions options;
  options.row_limit = 1;
  EXPECT_EQ(read_vectors(write("a.fvecs", fvecs_row({1}) + fvecs_row({2})), options).rows(), 1U);
  options.dim = 1;
  EXPECT_EQ(read_vectors(write("a.u8", "abc"), options).rows(), 1U);
}

TEST_F(Readers, MalformedVecs) {
  EXPECT_FAILS(read_vectors(write("empty.fvecs", ""), {}), "holds no rows");
  EXPECT_FAILS(read_vectors(write("cut.fvecs", fvecs_row({1, 2}) + fvecs_row({3, 4}).substr(0, 9)), {}),
               "ends inside row 1");
  EXPECT_FAILS(read_vectors(write("len.fvecs", fvecs_row({1, 2}) + "ab"), {}), "ends inside the length of row 1");
  EXPECT_FAILS(read_vectors(write("mixed.fvecs", fvecs_row({1, 2}) + fvecs_row({1})), {}), "row 1 has dimension 1");
  EXPECT_FAILS(read_vectors(write("neg.fvecs", bytes_of(int32_t(-3)) + "abcd"), {}), "dimension 0 is not in 1");
  EXPECT_FAILS(read_vectors(write("huge.fvecs", bytes_of(int32_t(1 << 30)) + "abcd"), {}), "dimension 1073741824");
  ReadOptions options;
  options.dim = 3;
  EXPECT_FAILS(read_vectors(write("dim.fvecs", fvecs_row({1, 2})), options), "--dim says 3");
}

TEST_F(Readers, NotFiniteValuesNameTheRow) {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FAILS(read_vectors(write("nan.fvecs", fvecs_row({1, 2}) + fvecs_row({1, nan})), {}), "row 1 holds NaN");
  ReadOptions options;
  options.dim = 1;
  EXPECT_FAILS(read_vectors(write("inf.f16", bytes_of(uint16_t(0x7c00))), options), "row 0 holds NaN or infinity");
}

TEST_F(Readers, RawTypes) {
  ReadOptions options;
  options.dim = 2;
  EXPECT_EQ(read_vectors(write("a.u8", "\x01\x80\x03\xff"), options).row(1)[1], 255.0F);
  EXPECT_EQ(read_vectors(write("a.i8", "\x01\x80\x03\xff"), options).row(0)[1], -128.0F);
  EXPECT_EQ(read_vectors(write("a.f16", bytes_of(uint16_t(0x3c00)) + bytes_of(uint16_t(0xc100))), options).row(0)[1],
            -2.5F);
  EXPECT_EQ(read_vectors(write("a.f32", bytes_of(1.5F) + bytes_of(7.0F)), options).row(0)[1], 7.0F);
  EXPECT_EQ(read_vectors(write("a.f64", bytes_of(1.5) + bytes_of(7.25)), options).row(0)[1], 7.25F);
  options.type = "u8";
  EXPECT_EQ(read_vectors(write("noending", "ab"), options).row(0)[1], float('b'));
}

TEST_F(Readers, RawFilesNeedDimensionAndWholeRows) {
  EXPECT_FAILS(read_vectors(write("a.u8", "abc"), {}), "--dim");
  ReadOptions options;
  options.dim = 2;
  EXPECT_FAILS(read_vectors(write("a.u8", "abc"), options), "ends inside row 1");
  EXPECT_FAILS(read_vectors(write("noending", "abcd"), options), "does not tell the format");
  EXPECT_FAILS(read_vectors(write("a.parquet", "abcd"), options), "parquet");
  EXPECT_FAILS(read_vectors(path("absent.u8"), options), "cannot open");
  EXPECT_FAILS(read_vectors(path("."), options), "not a readable file");
}

TEST_F(Readers, NpyTypesAndVersions) {
  std::string const floats = bytes_of(1.0F) + bytes_of(2.0F) + bytes_of(3.0F) + bytes_of(4.0F);
  for (char version : {1, 2, 3}) {
    Matrix const matrix = read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(2, 2)"), floats, version)), {});
    ASSERT_EQ(matrix.rows(), 2U);
    EXPECT_EQ(matrix.row(1)[0], 3.0F);
  }
  EXPECT_EQ(read_vectors(write("b.npy", npy(npy_dictionary("|u1", "(1, 2)"), "\x05\xfe")), {}).row(0)[1], 254.0F);
  std::string const halves = bytes_of(uint16_t(0x3c00)) + bytes_of(uint16_t(0x4000));
  EXPECT_EQ(read_vectors(write("c.npy", npy(npy_dictionary("<f2", "(1, 2)"), halves)), {}).row(0)[1], 2.0F);
  std::string const doubles = bytes_of(0.5) + bytes_of(0.25);
  EXPECT_EQ(read_vectors(write("d.npy", npy(npy_dictionary("<f8", "(2,1)"), doubles)), {}).row(1)[0], 0.25F);
}

TEST_F(Readers, MalformedNpy) {
  std::string const two = bytes_of(1.0F) + bytes_of(2.0F);
  EXPECT_FAILS(read_vectors(write("a.npy", "NUMPYish"), {}), "not an npy file");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(1, 2)"), two, 9)), {}), "version 9");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(2, 2)"), two)), {}), "promises 2 rows");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(1, 2)"), two + two)), {}), "goes on after");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary(">f4", "(1, 2)"), two)), {}), ">f4");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(2,)"), two)), {}), "two axes");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(1, 1, 2)"), two)), {}), "two axes");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(0, 2)"), "")), {}), "holds no rows");
  EXPECT_FAILS(read_vectors(write("a.npy", npy("{'descr': '<f4', 'shape': (1, 2), }", two)), {}), "fortran_order");
  EXPECT_FAILS(read_vectors(write("a.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", two)), {}),
               "column by column");
  EXPECT_FAILS(read_vectors(write("a.npy", npy(npy_dictionary("<f4", "(1, 2)"), two).substr(0, 20)), {}),
               "ends inside the npy header");
}

TEST_F(Readers, XzFiles) {
  std::string const plain = write("a.fvecs", fvecs_row({1, 2}) + fvecs_row({3, 4}));
  ASSERT_EQ(std::system(("xz -k " + plain).c_str()), 0);
  EXPECT_EQ(read_vectors(plain + ".xz", {}).row(1)[1], 4.0F);
  EXPECT_FAILS(read_vectors(write("damaged.fvecs.xz", "this is not xz"), {}), "cannot be decompressed");
}

TEST_F(Readers, WhatIsWrittenIsReadBack) {
  Matrix matrix(3, 5);
  for (uint32_t i = 0; i < 15; ++i) matrix.row(0)[i] = float(i * 3);
  for (char const* name : {"a.fvecs", "a.bvecs", "a.npy", "a.u8", "a.f16", "a.f32"}) {
    write_vectors(path(name), matrix);
    ReadOptions options;
    options.dim = 5;
    Matrix const back = read_vectors(path(name), options);
    ASSERT_EQ(back.rows(), 3U) << name;
    for (uint32_t i = 0; i < 15; ++i) EXPECT_EQ(back.row(0)[i], matrix.row(0)[i]) << name;
  }
  EXPECT_FAILS(write_vectors(path("a.txt"), matrix), "must end in");
}

TEST_F(Readers, Neighbors) {
  std::string const raw = bytes_of(int32_t(0)) + bytes_of(int32_t(1)) + bytes_of(int32_t(2)) + bytes_of(int32_t(3));
  NeighborTable const table = read_neighbors(write("a.i32", raw), 2, 4);
  EXPECT_EQ(table.width, 2U);
  EXPECT_EQ(table.row(1)[0], 2);
  std::string const ivecs = bytes_of(int32_t(1)) + bytes_of(int32_t(3)) + bytes_of(int32_t(1)) + bytes_of(int32_t(0));
  EXPECT_EQ(read_neighbors(write("a.ivecs", ivecs), 2, 4).row(0)[0], 3);
  EXPECT_FAILS(read_neighbors(write("a.i32", raw), 3, 4), "no multiple");
  EXPECT_FAILS(read_neighbors(write("a.i32", raw + "x"), 2, 4), "whole 32-bit numbers");
  EXPECT_FAILS(read_neighbors(write("a.i32", raw), 2, 3), "names row 3");
  EXPECT_FAILS(read_neighbors(write("a.ivecs", ivecs), 3, 4), "2 queries; there are 3");
  EXPECT_FAILS(read_neighbors(write("a.ivecs", raw), 1, 4), "not an ivecs file");
}

TEST(Half, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float const value = half_to_float(uint16_t(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_half(value), bits);
  }
  EXPECT_EQ(float_to_half(65519.9F), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0F), 0x7c00);
  EXPECT_EQ(float_to_half(0x1.0p-25F), 0);  // half of the smallest: to even
  EXPECT_EQ(float_to_half(0x1.8p-25F), 1);
  EXPECT_EQ(float_to_half(1.0F + 0x1.0p-11F), 0x3c00);
  EXPECT_EQ(float_to_half(1.0F + 0x1.8p-11F), 0x3c01);
}

}  // namespace
}  // namespace strata::bench
