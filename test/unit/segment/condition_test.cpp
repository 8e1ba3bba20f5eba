// Conditions on keys: blocks of 32 rows against one row at a time, and what a summary rules out.
#include "core/segment/filter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/base/random.hpp"

namespace strata {
namespace {

using segment::Condition;

uint64_t key_max(uint32_t size) {
  return size == 8 ? UINT64_MAX : (uint64_t{1} << (8 * size)) - 1;
}

Condition random_condition(Random& random, uint32_t size, std::vector<uint64_t>& keys) {
  Condition condition{};
  auto key = [&] {
    return random.below(3) ? random.below(40) : random.below(2) ? key_max(size) - random.below(3) : random.next();
  };
  condition.test = segment::Test(random.below(5));
  condition.low = key();
  condition.high = random.below(3) ? condition.low + random.below(30) : key();
  for (int i = 0; i < 5; i++) keys.push_back(key());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  condition.keys = keys.data();
  condition.key_count = uint32_t(keys.size());
  return condition;
}

TEST(Condition, BlocksAreJudgedLikeRows) {
  Random random(3);
  for (uint32_t size : {1u, 2u, 4u, 8u})
    for (int round = 0; round < 2000; round++) {
      std::vector<uint64_t> keys;
      Condition const condition = random_condition(random, size, keys);
      uint32_t const rows = 1 + uint32_t(random.below(32));
      std::vector<std::byte> block(rows * size + 1);
      uint32_t const nulls = random.below(2) ? uint32_t(random.next()) : 0;
      uint32_t expected = 0;
      format::ColumnSummaryDisk summary{UINT64_MAX, 0, 0, 0, 0};
      for (uint32_t row = 0; row < rows; row++) {
        bool const is_null = nulls >> row & 1;
        uint64_t const key = is_null ? 0 : (random.below(3) ? random.below(40) : random.next()) & key_max(size);
        format::store_key(key, size, block.data() + 1 + size_t(row) * size);
        expected |= uint32_t(segment::passes(condition, key, is_null)) << row;
        summary.null_count += is_null;
        if (!is_null) summary.min = std::min(summary.min, key), summary.max = std::max(summary.max, key);
      }
      EXPECT_EQ(segment::mask_of(condition, block.data() + 1, size, rows, nulls), expected)
          << size << " " << int(condition.test) << " " << condition.low << " " << condition.high;
      EXPECT_TRUE(!expected || segment::may_pass(condition, summary, rows));
    }
}

TEST(Condition, SummariesRuleOut) {
  format::ColumnSummaryDisk const summary{10, 20, 0, 5, 0};
  auto range = [](uint64_t low, uint64_t high) { return Condition{0, segment::Test::range, low, high, nullptr, 0}; };
  EXPECT_FALSE(segment::may_pass(range(0, 9), summary, 7));
  EXPECT_TRUE(segment::may_pass(range(0, 10), summary, 7));
  EXPECT_TRUE(segment::may_pass(range(20, 30), summary, 7));
  EXPECT_FALSE(segment::may_pass(range(21, 30), summary, 7));
  EXPECT_FALSE(segment::may_pass(range(15, 14), summary, 7));
  uint64_t const around[] = {9, 21}, inside[] = {9, 15};
  EXPECT_FALSE(segment::may_pass({0, segment::Test::any_of, 0, 0, around, 2}, summary, 7));
  EXPECT_TRUE(segment::may_pass({0, segment::Test::any_of, 0, 0, inside, 2}, summary, 7));
  EXPECT_FALSE(segment::may_pass({0, segment::Test::null, 0, 0, nullptr, 0}, summary, 7));
  EXPECT_TRUE(segment::may_pass({0, segment::Test::not_null, 0, 0, nullptr, 0}, summary, 7));
  format::ColumnSummaryDisk const empty{UINT64_MAX, 0, 7, 0, 0};
  EXPECT_FALSE(segment::may_pass(range(0, UINT64_MAX), empty, 7));
  EXPECT_FALSE(segment::may_pass({0, segment::Test::not_null, 0, 0, nullptr, 0}, empty, 7));
  EXPECT_TRUE(segment::may_pass({0, segment::Test::null, 0, 0, nullptr, 0}, empty, 7));
}

}  // namespace
}  // namespace strata
