#include "core/sets/bloom.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/random.hpp"

namespace strata::sets {
namespace {

std::vector<unsigned char> filter_of(uint32_t block_count) {
  return std::vector<unsigned char>(size_t{block_count} * bloom_block_size);
}

TEST(Bloom, BlockCountCoversTheKeys) {
  EXPECT_EQ(bloom_block_count(0), 1U);
  EXPECT_EQ(bloom_block_count(1), 1U);
  EXPECT_EQ(bloom_block_count(21, 12), 1U);
  EXPECT_EQ(bloom_block_count(22, 12), 2U);
  EXPECT_EQ(bloom_block_count(1000000, 12), 46875U);
  EXPECT_EQ(bloom_block_count(1000000, 8), 31250U);
  EXPECT_EQ(bloom_block_count(UINT64_MAX, 64), bloom_block_count_max);
  EXPECT_EQ(bloom_block_count(uint64_t{1} << 40, 12), bloom_block_count_max);
}

TEST(Bloom, BitsOnDiskNeverChange) {
  // From a model written apart. A change of mixing, salts or block choice would lose every key of filters that exist.
  EXPECT_EQ(bloom_block_of(1000, 0), 883U);
  EXPECT_EQ(bloom_block_of(1000, 0x0001000200030004ULL), 436U);
  uint32_t block[8] = {};
  bloom_add_to_block(block, 42);
  uint32_t expected[8] = {1U << 14, 1U << 24, 1U << 26, 1U << 16, 1U << 24, 1U << 0, 1U << 7, 1U << 24};
  EXPECT_EQ(std::memcmp(block, expected, sizeof block), 0);
}

TEST(Bloom, EmptyFilterContainsNothing) {
  auto filter = filter_of(4);
  for (uint64_t key = 0; key < 1000; ++key) EXPECT_FALSE(bloom_may_contain(filter.data(), 4, key));
  EXPECT_EQ(bloom_false_positive_rate(filter.data(), 4), 0.0);
}

TEST(Bloom, NoFalseNegativesEvenWhenOverfull) {
  auto filter = filter_of(8);
  for (uint64_t key = 0; key < 5000; ++key) bloom_add(filter.data(), 8, key * 3);
  for (uint64_t key = 0; key < 5000; ++key) EXPECT_TRUE(bloom_may_contain(filter.data(), 8, key * 3));
}

TEST(Bloom, OneBlockIsEnough) {
  constexpr uint32_t block_count = 100;
  auto whole = filter_of(block_count);
  auto by_block = filter_of(block_count);
  for (uint64_t key = 1; key < 3000; key += 2) {
    bloom_add(whole.data(), block_count, key);
    bloom_add_to_block(by_block.data() + bloom_block_of(block_count, key) * bloom_block_size, key);
  }
  ASSERT_EQ(whole, by_block);
  for (uint64_t key = 0; key < 6000; ++key) {
    ASSERT_LT(bloom_block_of(block_count, key), block_count);
    EXPECT_EQ(bloom_may_contain(whole.data(), block_count, key),
              bloom_test_block(whole.data() + bloom_block_of(block_count, key) * bloom_block_size, key));
  }
}

TEST(Bloom, BlocksNeedNoAlignment) {
  std::vector<unsigned char> bytes(3 + 4 * bloom_block_size);
  for (uint64_t key = 0; key < 40; ++key) bloom_add(bytes.data() + 3, 4, key);
  for (uint64_t key = 0; key < 40; ++key) EXPECT_TRUE(bloom_may_contain(bytes.data() + 3, 4, key));
  EXPECT_EQ(bytes[0] | bytes[1] | bytes[2], 0);
}

// The rate that was measured, the one read from the fill and the one foretold agree, for keys as weak as TIDs.
TEST(Bloom, FalsePositiveRatesAgree) {
  constexpr uint64_t key_count = 200000;
  struct Case {
    uint32_t bits_per_key;
    double rate;  // of the literature
  };
  for (Case c : {Case{8, 0.033}, Case{12, 0.0055}, Case{16, 0.0013}}) {
    uint32_t block_count = bloom_block_count(key_count, c.bits_per_key);
    auto filter = filter_of(block_count);
    auto tid = [](uint64_t i) { return (i / 60) << 16 | (i % 60 + 1); };  // 60 rows a heap page
    for (uint64_t i = 0; i < key_count; ++i) bloom_add(filter.data(), block_count, tid(i));
    uint64_t positive_count = 0;
    constexpr uint64_t probe_count = 1000000;
    for (uint64_t i = 0; i < probe_count; ++i) {
      positive_count += bloom_may_contain(filter.data(), block_count, tid(key_count + i));
    }
    double measured = static_cast<double>(positive_count) / probe_count;
    double from_fill = bloom_false_positive_rate(filter.data(), block_count);
    double foretold = bloom_expected_false_positive_rate(key_count, block_count);
    EXPECT_NEAR(measured / from_fill, 1.0, 0.12) << c.bits_per_key;
    EXPECT_NEAR(foretold / from_fill, 1.0, 0.05) << c.bits_per_key;
    EXPECT_NEAR(from_fill / c.rate, 1.0, 0.12) << c.bits_per_key;
  }
}

TEST(Bloom, ForetoldRateAtTheEdges) {
  EXPECT_EQ(bloom_expected_false_positive_rate(0, 10), 0.0);
  EXPECT_EQ(bloom_expected_false_positive_rate(10, 0), 1.0);
  EXPECT_NEAR(bloom_expected_false_positive_rate(1, 1), 1.0 / std::exp(8 * std::log(32.0)), 0.7);
  EXPECT_GT(bloom_expected_false_positive_rate(1000000, 100), 0.999);
  EXPECT_LE(bloom_expected_false_positive_rate(100000, 100), 1.0);
  double last = 0.0;
  for (uint64_t keys = 10; keys < 1000000; keys *= 3) {
    double rate = bloom_expected_false_positive_rate(keys, 1000);
    EXPECT_GE(rate, last);
    last = rate;
  }
}

}  // namespace
}  // namespace strata::sets
