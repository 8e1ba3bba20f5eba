#include "core/sets/bitmap.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.hpp"

namespace strata::sets {
namespace {

// Exactly as many bytes as needed, at an odd address: a read past the end is caught by the sanitizers.
struct Bits {
  explicit Bits(size_t bit_count) : bytes(bitmap_size(bit_count) + 1), count(bit_count) {}
  void* data() { return bytes.data() + 1; }
  std::vector<uint8_t> bytes;
  size_t count;
};

TEST(Bitmap, SetTellsWhetherTheBitWasNew) {
  Bits bits(70);
  EXPECT_TRUE(bitmap_set(bits.data(), 69));
  EXPECT_FALSE(bitmap_set(bits.data(), 69));
  EXPECT_TRUE(bitmap_test(bits.data(), 69));
  EXPECT_FALSE(bitmap_test(bits.data(), 68));
  EXPECT_TRUE(bitmap_clear(bits.data(), 69));
  EXPECT_FALSE(bitmap_clear(bits.data(), 69));
  EXPECT_FALSE(bitmap_test(bits.data(), 69));
}

TEST(Bitmap, BitOrderIsThatOfTheDisk) {
  Bits bits(16);
  bitmap_set(bits.data(), 0);
  bitmap_set(bits.data(), 11);
  EXPECT_EQ(bits.bytes[1], 0x01);
  EXPECT_EQ(bits.bytes[2], 0x08);
}

TEST(Bitmap, RangesAgreeWithAPlainLoop) {
  Random random(7);
  for (size_t bit_count : {1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 1000}) {
    Bits bits(bit_count);
    std::vector<bool> model(bit_count);
    for (size_t i = 0; i < bit_count; ++i) {
      if (random.below(3) == 0) {
        bitmap_set(bits.data(), i);
        model[i] = true;
      }
    }
    for (int trial = 0; trial < 200; ++trial) {
      size_t begin = random.below(bit_count + 1);
      size_t end = random.below(bit_count + 1);
      std::vector<size_t> expected, seen;
      for (size_t i = begin; i < end; ++i) {
        if (model[i]) expected.push_back(i);
      }
      bitmap_for_each_set(bits.data(), begin, end, [&](size_t i) { seen.push_back(i); });
      ASSERT_EQ(seen, expected) << bit_count << " " << begin << " " << end;
      ASSERT_EQ(bitmap_count(bits.data(), begin, end), expected.size());
      ASSERT_EQ(bitmap_any(bits.data(), begin, end), !expected.empty());
    }
  }
}

TEST(Bitmap, BitsOutsideTheRangeAreIgnored) {
  Bits bits(64);
  for (uint8_t& byte : bits.bytes) byte = 0xFF;
  EXPECT_EQ(bitmap_count(bits.data(), 0, 61), 61U);
  EXPECT_EQ(bitmap_count(bits.data(), 5, 6), 1U);
  EXPECT_EQ(bitmap_count(bits.data(), 6, 6), 0U);
  EXPECT_EQ(bitmap_count(bits.data(), 7, 6), 0U);
}

TEST(Bitmap, MergeCountsWhatIsNewAndLeavesTheTail) {
  Random random(8);
  for (size_t bit_count : {1, 8, 13, 64, 100, 515}) {
    Bits target(bit_count), source(bit_count);
    for (size_t i = 0; i < bit_count; ++i) {
      if (random.below(2)) bitmap_set(target.data(), i);
      if (random.below(2)) bitmap_set(source.data(), i);
    }
    source.bytes.back() = 0xFF;
    uint8_t tail = target.bytes.back();
    std::vector<bool> model(bit_count);
    size_t added = 0;
    for (size_t i = 0; i < bit_count; ++i) {
      bool before = bitmap_test(target.data(), i);
      model[i] = before || bitmap_test(source.data(), i);
      added += model[i] && !before;
    }
    EXPECT_EQ(bitmap_merge(target.data(), source.data(), bit_count), added);
    for (size_t i = 0; i < bit_count; ++i) ASSERT_EQ(bitmap_test(target.data(), i), model[i]);
    if (bit_count % 8 != 0) {
      uint8_t beyond = static_cast<uint8_t>(0xFF << (bit_count % 8));
      EXPECT_EQ(target.bytes.back() & beyond, tail & beyond);
    }
  }
}

TEST(Bitmap, Mask32ReadsAnyOffset) {
  Random random(9);
  Bits bits(203);
  for (size_t i = 0; i < bits.count; ++i) {
    if (random.below(2)) bitmap_set(bits.data(), i);
  }
  for (size_t begin = 0; begin < bits.count; ++begin) {
    uint32_t expected = 0;
    for (size_t i = 0; i < 32 && begin + i < bits.count; ++i) {
      expected |= uint32_t{bitmap_test(bits.data(), begin + i)} << i;
    }
    ASSERT_EQ(bitmap_mask32(bits.data(), bits.count, begin), expected) << begin;
  }
}

}  // namespace
}  // namespace strata::sets
