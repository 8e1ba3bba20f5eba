#include "core/files/copy_rows.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/files/copy_stream.hpp"
#include "core/files/key_hash.hpp"

namespace strata::files {
namespace {

std::string file_of(int row_count) {
  std::string file(copy_head);
  for (int i = 0; i < row_count; ++i) {
    float const row[] = {static_cast<float>(i), 2};
    CopyColumns const columns{4, Number::f32};
    size_t const start = file.size();
    file.resize(start + copy_row_size(columns, 2));
    write_copy_row(columns, i, 2, row, file.data() + start);
  }
  return file + std::string(copy_tail);
}

TEST(CopyRows, TakesApartWhatWasWritten) {
  std::string const file = file_of(3);
  CopyRows rows(file);
  CopyField fields[2];
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(rows.next(fields, 2), 2);
    EXPECT_EQ(std::string(fields[0].bytes, fields[0].size), std::string("\0\0\0", 3) + static_cast<char>(i));
    EXPECT_EQ(fields[1].size, 12u);
  }
  EXPECT_EQ(rows.next(fields, 2), copy_rows_end);
}

TEST(CopyRows, Nulls) {
  std::string const file = std::string(copy_head) + std::string("\0\1\xff\xff\xff\xff\xff\xff", 8);
  CopyRows rows(file);
  CopyField field{"x", 1};
  ASSERT_EQ(rows.next(&field, 1), 1);
  EXPECT_EQ(field.bytes, nullptr);
  EXPECT_EQ(rows.next(&field, 1), copy_rows_end);
}

TEST(CopyRows, EveryCutIsSeen) {
  std::string const file = file_of(2);
  CopyField fields[2];
  for (size_t size = 0; size < file.size(); ++size) {
    CopyRows rows(std::string_view(file).substr(0, size));
    int count = 0;
    do count = rows.next(fields, 2);
    while (count >= 0);
    EXPECT_EQ(count, copy_rows_damaged) << size;
    EXPECT_FALSE(rows.good());
  }
  std::string const longer = file + "x";
  CopyRows rows(longer);
  rows.next(fields, 2);
  rows.next(fields, 2);
  EXPECT_EQ(rows.next(fields, 2), copy_rows_damaged);
  CopyRows narrow(file);
  EXPECT_EQ(narrow.next(fields, 1), copy_rows_damaged);
}

TEST(CopyRows, FieldsAreDropped) {
  std::string file = file_of(3);
  bool const drop[] = {true, false};
  CopyField fields[2];
  size_t const size = drop_copy_fields(file.data(), file.size(), drop, fields, 2);
  EXPECT_EQ(size, file.size() - 3 * 8);  // a length and an int each
  CopyRows rows(std::string_view(file).substr(0, size));
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(rows.next(fields, 2), 1);
    EXPECT_EQ(fields[0].size, 12u);
  }
  EXPECT_EQ(rows.next(fields, 2), copy_rows_end);
  std::string other = file_of(1);
  EXPECT_EQ(drop_copy_fields(other.data(), other.size(), drop, fields, 1), 0u);
  EXPECT_EQ(drop_copy_fields(other.data(), other.size() - 1, drop, fields, 2), 0u);
}

// Part of the format of archives: the test vectors of FNV-1a, and fields that must not run together.
TEST(KeyHash, Fixed) {
  uint64_t hash = key_hash_start;
  for (char c : std::string("foobar")) hash = add_key_byte(hash, static_cast<unsigned char>(c));
  EXPECT_EQ(hash, 0x85944171f73967e8ULL);
  EXPECT_NE(add_key_field(add_key_field(key_hash_start, "a", 1), "bc", 2),
            add_key_field(add_key_field(key_hash_start, "ab", 2), "c", 1));
}

}  // namespace
}  // namespace strata::files
