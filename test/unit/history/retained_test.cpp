#include "core/history/retained.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/base/random.hpp"

namespace strata::history {
namespace {

Retained of(std::vector<int32_t> const& ordinals) {
  return {ordinals.data(), ordinals.size()};
}

TEST(Retained, NobodyNeedsAnythingWithoutVersions) {
  EXPECT_FALSE(is_needed({}, {0, 1}));
  EXPECT_FALSE(is_needed({}, {0, ordinal_none}));
  EXPECT_EQ(viewers_of({}, {0, 100}).count, 0U);
}

TEST(Retained, IntervalIsHalfOpen) {
  std::vector<int32_t> const ordinals{2, 4};
  EXPECT_TRUE(is_needed(of(ordinals), {2, 3}));   // born with the version: it shows the row
  EXPECT_FALSE(is_needed(of(ordinals), {1, 2}));  // died before it
  EXPECT_FALSE(is_needed(of(ordinals), {3, 4}));  // between two versions
  EXPECT_TRUE(is_needed(of(ordinals), {3, 5}));
  EXPECT_FALSE(is_needed(of(ordinals), {5, ordinal_none}));
  EXPECT_FALSE(is_needed(of(ordinals), {4, 4}));  // came and went within one ordinal
  EXPECT_FALSE(is_needed(of(ordinals), {4, 3}));  // cannot be, and is nobody's
  EXPECT_EQ(viewers_of(of(ordinals), {0, 9}).count, 2U);
}

TEST(Retained, SortDropsDuplicates) {
  std::vector<int32_t> ordinals{7, 1, 7, 3, 1, 1};
  ordinals.resize(sort_ordinals(ordinals.data(), ordinals.size()));
  EXPECT_EQ(ordinals, (std::vector<int32_t>{1, 3, 7}));
  EXPECT_EQ(sort_ordinals(nullptr, 0), 0U);
}

TEST(Retained, OwnRowsAreThoseThatOnlyOneVersionShows) {
  std::vector<int32_t> const ordinals{1, 2, 5};
  std::vector<uint64_t> own(3, 0);
  for (Interval const row : {Interval{0, 2}, {2, 3}, {2, 6}, {3, 5}, {5, 6}, {0, 9}, {2, 5}})
    count_own_row(of(ordinals), row, own.data());
  EXPECT_EQ(own, (std::vector<uint64_t>{1, 2, 1}));
}

TEST(Retained, AgreesWithTheDefinition) {
  Random random(1);
  for (int round = 0; round < 2000; round++) {
    std::vector<int32_t> ordinals(random.next() % 9);
    for (int32_t& ordinal : ordinals) ordinal = static_cast<int32_t>(random.next() % 20);
    ordinals.resize(sort_ordinals(ordinals.data(), ordinals.size()));
    Interval const row{static_cast<int32_t>(random.next() % 20), static_cast<int32_t>(random.next() % 22)};
    auto const shows = [&](int32_t ordinal) { return row.born <= ordinal && ordinal < row.died; };
    auto const expected = static_cast<size_t>(std::count_if(ordinals.begin(), ordinals.end(), shows));
    Viewers const viewers = viewers_of(of(ordinals), row);
    ASSERT_EQ(viewers.count, expected);
    ASSERT_EQ(is_needed(of(ordinals), row), expected > 0);
    if (expected > 0) {
      ASSERT_TRUE(shows(ordinals[viewers.first]));
      ASSERT_TRUE(viewers.first == 0 || !shows(ordinals[viewers.first - 1]));
    }
  }
}

}  // namespace
}  // namespace strata::history
