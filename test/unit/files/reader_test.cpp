#include "core/files/reader.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/files/npy.hpp"
#include "unit/files/file_bytes.hpp"

namespace strata::files {
namespace {

using Rows = std::vector<std::vector<float>>;

ReaderOptions of(Format format, uint32_t dim = 0, uint64_t file_size = 0) {
  return {format, dim, file_size};
}

std::string const floats = bytes_of(1.0F) + bytes_of(2.0F) + bytes_of(3.0F) + bytes_of(4.0F);

TEST(FileReader, VecsRows) {
  std::string const fvecs = vecs_row<float>({1, 2, 3}) + vecs_row<float>({-4, 5.5F, 0});
  EXPECT_EQ(read_file(fvecs, of(Format::fvecs)).rows, (Rows{{1, 2, 3}, {-4, 5.5F, 0}}));
  EXPECT_EQ(read_file(vecs_row<uint8_t>({0, 255}), of(Format::bvecs)).rows, (Rows{{0, 255}}));
  EXPECT_EQ(read_file(vecs_row<int32_t>({-7, 9}), of(Format::ivecs)).rows, (Rows{{-7, 9}}));
  EXPECT_TRUE(read_file("", of(Format::fvecs)).rows.empty());
  EXPECT_TRUE(read_file("", of(Format::fvecs)).fault.ok());
}

TEST(FileReader, NpyTypesAndVersions) {
  for (char version : {1, 2, 3})
    EXPECT_EQ(read_file(npy(npy_dictionary("<f4", "(2, 2)"), floats, version), of(Format::npy)).rows,
              (Rows{{1, 2}, {3, 4}}));
  EXPECT_EQ(read_file(npy(npy_dictionary("|u1", "(1, 2)"), "\x05\xfe"), of(Format::npy)).rows, (Rows{{5, 254}}));
  EXPECT_EQ(read_file(npy(npy_dictionary("|i1", "(2,1)"), "\x05\xfe"), of(Format::npy)).rows, (Rows{{5}, {-2}}));
  std::string const halves = bytes_of(uint16_t{0x3c00}) + bytes_of(uint16_t{0xc100});
  EXPECT_EQ(read_file(npy(npy_dictionary("<f2", "(1, 2)"), halves), of(Format::npy)).rows, (Rows{{1, -2.5F}}));
  std::string const doubles = bytes_of(0.5) + bytes_of(0.25);
  EXPECT_EQ(read_file(npy(npy_dictionary("<f8", "(2L, 1L)"), doubles), of(Format::npy)).rows, (Rows{{0.5F}, {0.25F}}));
  EXPECT_TRUE(read_file(npy(npy_dictionary("<f4", "(0, 2)"), ""), of(Format::npy)).fault.ok());
  std::string const reordered = "{\"shape\": (1, 2), 'fortran_order': False, \"descr\": '<i4'}";
  EXPECT_EQ(read_file(npy(reordered, bytes_of(5) + bytes_of(-6)), of(Format::npy)).rows, (Rows{{5, -6}}));
}

// However the bytes arrive, the rows are the same.
TEST(FileReader, AnyWindow) {
  std::string const files[] = {npy(npy_dictionary("<f4", "(2, 2)"), floats),
                               vecs_row<float>({1, 2}) + vecs_row<float>({3, 4})};
  for (std::string const& file : files) {
    Format const format = &file == files ? Format::npy : Format::fvecs;
    for (size_t step : {1, 2, 3, 7, 64, 1000}) {
      ReadFile const read = read_file(file, of(format, 2, file.size()), step);
      EXPECT_EQ(read.rows, (Rows{{1, 2}, {3, 4}})) << step;
      EXPECT_EQ(read.row_count, 2u);
    }
  }
}

TEST(FileReader, EveryCutIsSeen) {
  std::string const files[] = {npy(npy_dictionary("<f4", "(2, 2)"), floats),
                               vecs_row<float>({1, 2}) + vecs_row<float>({3, 4})};
  for (std::string const& file : files) {
    bool const is_npy = &file == files;
    for (size_t size = is_npy ? 0 : 1; size < file.size(); ++size) {
      if (!is_npy && size == file.size() / 2) continue;  // a whole row
      ReadFile const read = read_file(file.substr(0, size), of(is_npy ? Format::npy : Format::fvecs));
      EXPECT_TRUE(read.fault.kind == FaultKind::row_cut_off || read.fault.kind == FaultKind::header_cut_off) << size;
      EXPECT_LT(read.rows.size(), 2u);
    }
  }
}

TEST(FileReader, FaultsOfVecsNameRowAndByte) {
  std::string const two = vecs_row<float>({1, 2});
  EXPECT_EQ(read_file(two + two.substr(0, 9), of(Format::fvecs)).text(),
            "row 1 at byte 12: the file ends after 9 of its 12 bytes");
  EXPECT_EQ(read_file(two + "ab", of(Format::fvecs)).text(), "row 1 at byte 12: the file ends after 2 of its 4 bytes");
  EXPECT_EQ(read_file(bytes_of(int32_t{-3}), of(Format::fvecs)).text(),
            "row 0 at byte 0: dimension 4294967293 is not in 1 .. 16000");
  EXPECT_EQ(read_file(two + bytes_of(int32_t{1 << 30}), of(Format::fvecs)).text(),
            "row 1 at byte 12: dimension 1073741824 is not in 1 .. 16000");
  EXPECT_EQ(read_file(two, of(Format::fvecs, 3)).text(), "row 0 at byte 0: 2 dimensions, expected 3");
}

TEST(FileReader, MixedDimensionsAreBadRows) {
  std::string const mixed = vecs_row<float>({1, 2}) + vecs_row<float>({1}) + vecs_row<float>({3, 4});
  ReadFile const read = read_file(mixed, of(Format::fvecs));
  EXPECT_EQ(read.rows, (Rows{{1, 2}, {3, 4}}));
  ASSERT_EQ(read.bad_rows.size(), 1u);
  char text[fault_text_size];
  describe(read.bad_rows[0], text);
  EXPECT_STREQ(text, "row 1 at byte 12: 1 dimensions, the first row has 2");
  EXPECT_TRUE(is_of_one_row(read.bad_rows[0].kind));
}

TEST(FileReader, BadNumbersNameTheElement) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  std::string const file = vecs_row<float>({1, nan}) + vecs_row<float>({-infinity, 2}) + vecs_row<float>({3, 70000});
  ReadFile const read = read_file(file, of(Format::fvecs));
  EXPECT_EQ(read.rows, (Rows{{3, 70000}}));
  ASSERT_EQ(read.bad_rows.size(), 2u);
  char text[fault_text_size];
  describe(read.bad_rows[0], text);
  EXPECT_STREQ(text, "row 0 at byte 8: element 1 is NaN");
  describe(read.bad_rows[1], text);
  EXPECT_STREQ(text, "row 1 at byte 16: element 0 is infinite");
  ReadFile const halves = read_file(file, of(Format::fvecs), 0, Number::f16);
  ASSERT_EQ(halves.bad_rows.size(), 3u);
  describe(halves.bad_rows[2], text);
  EXPECT_STREQ(text, "row 2 at byte 32: element 1 is out of range");
  std::string const wide = npy(npy_dictionary("<f8", "(1, 1)"), bytes_of(1e39));
  ASSERT_EQ(read_file(wide, of(Format::npy)).bad_rows.size(), 1u);
  EXPECT_EQ(read_file(wide, of(Format::npy)).bad_rows[0].kind, FaultKind::out_of_range);
}

TEST(FileReader, FaultsOfNpy) {
  auto const text = [](std::string const& file) { return read_file(file, of(Format::npy)).text(); };
  std::string const two = bytes_of(1.0F) + bytes_of(2.0F);
  EXPECT_EQ(text("NUMPYish, but not"), "byte 0: no npy file starts like this");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(1, 2)"), two, 9)), "byte 6: npy version 9 is not 1, 2 or 3");
  EXPECT_EQ(text(npy(npy_dictionary(">f4", "(1, 2)"), two)), "byte 20: npy elements of type >f4");
  EXPECT_EQ(text(npy(npy_dictionary("<U9", "(1, 2)"), two)), "byte 20: npy elements of type <U9");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(2,)"), two)),
            "byte 60: array with 1 axes, two are needed: rows and dimensions");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(1, 1, 2)"), two)),
            "byte 60: array with 3 axes, two are needed: rows and dimensions");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(1, 0)"), two)), "row 0 at byte 60: dimension 0 is not in 1 .. 16000");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(1, 16001)"), two)),
            "row 0 at byte 60: dimension 16001 is not in 1 .. 16000");
  EXPECT_EQ(text(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", two)),
            "byte 44: the array is stored column by column (fortran_order)");
  EXPECT_EQ(text(npy("{'descr': '<f4', 'shape': (1, 2), }", two)),
            "byte 45: damaged npy header: fortran_order is missing");
  EXPECT_EQ(text(npy("{'descr': [('a', '<f4')], ", two)), "byte 20: npy elements of type record");
  EXPECT_EQ(text(npy("{'evil': __import__('os')}", two)), "byte 18: damaged npy header: there is an unknown key");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(2, 2)"), two)), "row 1 at byte 82: the file ends after 0 of its 8 bytes");
  EXPECT_EQ(text(npy(npy_dictionary("<f4", "(1, 2)"), two + two)), "byte 82: the file goes on after its 1 rows");
}

TEST(FileReader, HeadersThatPromiseTooMuch) {
  std::string const file = npy(npy_dictionary("<f4", "(9000000000000000000, 16000)"), "");
  EXPECT_EQ(read_file(file, of(Format::npy)).fault.kind, FaultKind::row_count);
  std::string const axis = npy(npy_dictionary("<f4", "(99999999999999999999, 1)"), "");
  EXPECT_EQ(read_file(axis, of(Format::npy)).fault.kind, FaultKind::npy_header);
  // With its size known the file is refused before the first row.
  std::string const large = npy(npy_dictionary("<f4", "(1000000, 2)"), floats);
  ReadFile const read = read_file(large, of(Format::npy, 0, large.size()));
  EXPECT_TRUE(read.rows.empty());
  EXPECT_EQ(read.fault.row, 2u);
  std::string bomb = npy(npy_dictionary("<f4", "(1, 1)"), "", 2);
  bomb[11] = 0x7f;  // 2 GB of dictionary
  EXPECT_EQ(read_file(bomb, of(Format::npy)).fault.kind, FaultKind::npy_header_size);
}

TEST(FileFormat, Recognised) {
  Format format;
  std::string const fvecs = vecs_row<float>({1, 2}) + vecs_row<float>({3, 4});
  auto const found = [&](std::string const& name, std::string const& bytes) {
    return recognise(name, bytes, bytes.size(), &format);
  };
  EXPECT_TRUE(found("a", npy(npy_dictionary("<f4", "(2, 2)"), floats)) && format == Format::npy);
  EXPECT_TRUE(found("wrong.fvecs", npy(npy_dictionary("<f4", "(2, 2)"), floats)) && format == Format::npy);
  EXPECT_TRUE(found("a", "\x89HDF\r\n\x1a\n") && format == Format::hdf5);
  EXPECT_TRUE(found("/d.ir/a.ivecs", fvecs) && format == Format::ivecs);
  EXPECT_TRUE(found("a", fvecs) && format == Format::fvecs);
  EXPECT_TRUE(found("a", vecs_row<uint8_t>({1, 2, 3}) + vecs_row<uint8_t>({4, 5, 6})) && format == Format::bvecs);
  EXPECT_FALSE(found("a", "some text that is no vector"));
  EXPECT_FALSE(found("a.txt", ""));
}

TEST(FileWriter, WhatIsWrittenIsReadBack) {
  struct Kind {
    Format format;
    Element element;
  };
  for (Kind kind : {Kind{Format::fvecs, Element::f32}, Kind{Format::bvecs, Element::u8},
                    Kind{Format::ivecs, Element::i32}, Kind{Format::npy, Element::f32}, Kind{Format::npy, Element::f16},
                    Kind{Format::npy, Element::f64}, Kind{Format::npy, Element::i8}}) {
    Rows const rows = {{1, 2, 3}, {4, 5, 127}};
    std::string file;
    if (kind.format == Format::npy) {
      file.resize(npy_written_size);
      write_npy_head({kind.element, rows.size(), 3}, file.data());
      EXPECT_EQ(file.back(), '\n');
    }
    for (auto const& row : rows) {
      std::string bytes(file_row_size(kind.format, kind.element, 3), '\0');
      Fault fault;
      ASSERT_EQ(write_row(kind.format, kind.element, 0, 3, row.data(), bytes.data(), &fault), bytes.size());
      file += bytes;
    }
    ReadFile const read = read_file(file, of(kind.format, 3, file.size()));
    EXPECT_EQ(read.rows, rows);
    EXPECT_EQ(read.element, kind.element);
    EXPECT_EQ(read.text(), "");
  }
}

TEST(FileWriter, OnlyIntegersBecomeIntegers) {
  char bytes[64];
  Fault fault;
  for (float bad : {0.5F, -1.0F, 256.0F, std::numeric_limits<float>::quiet_NaN()}) {
    float const row[] = {1, bad};
    EXPECT_EQ(write_row(Format::bvecs, Element::u8, 7, 2, row, bytes, &fault), 0u) << bad;
    EXPECT_EQ(fault.kind, FaultKind::not_integer);
    EXPECT_EQ(fault.row, 7u);
    EXPECT_EQ(fault.found, 1u);
  }
  float const edge[] = {2147483648.0F};
  EXPECT_EQ(write_row(Format::ivecs, Element::i32, 0, 1, edge, bytes, &fault), 0u);
  float const low[] = {-2147483648.0F};
  EXPECT_EQ(write_row(Format::ivecs, Element::i32, 0, 1, low, bytes, &fault), 8u);
}

// The longest header that is written fits its place.
TEST(FileWriter, NpyHeadHasRoom) {
  char head[npy_written_size];
  write_npy_head({Element::f32, uint64_t{INT64_MAX} / 64000 - npy_written_size, 16000}, head);
  NpyShape shape;
  Fault fault;
  ASSERT_TRUE(parse_npy_head({head, sizeof head}, &shape, &fault));
  EXPECT_EQ(shape.dim, 16000u);
}

}  // namespace
}  // namespace strata::files
