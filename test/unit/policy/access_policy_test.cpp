#include "core/policy/access_policy.hpp"

#include <gtest/gtest.h>

namespace strata::policy {
namespace {

constexpr int64_t day_us = int64_t(24) * 60 * minute_us;
constexpr int64_t start_us = 9000 * day_us;

TEST(AccessPolicy, HitsLoseHalfOfTheirWeightInAHalfLife) {
  Hits const hits = add_hits({}, 100, start_us);
  EXPECT_DOUBLE_EQ(hits_now(hits, start_us), 100);
  EXPECT_NEAR(hits_now(hits, start_us + 7 * day_us), 50, 0.01);
  EXPECT_NEAR(hits_now(hits, start_us + 21 * day_us), 12.5, 0.01);
  EXPECT_EQ(hits.last_at, minutes_of(start_us));
}

TEST(AccessPolicy, ASteadyRateIsFoundAgain) {
  Hits hits;
  for (int hour = 0; hour < 24 * 100; hour++) hits = add_hits(hits, 5, start_us + hour * (day_us / 24));
  EXPECT_NEAR(hits_per_day(hits_now(hits, start_us + 100 * day_us)), 120, 1);
}

TEST(AccessPolicy, SmallCountsSurviveManyUpdates) {
  // Rounding must not eat what is left of an old hit, nor keep it for ever.
  Hits hits = add_hits({}, 1, start_us);
  for (int minute = 1; minute <= 24 * 60; minute++) hits = join_hits(hits, {0, 0, 0}, start_us + minute * minute_us);
  EXPECT_NEAR(hits_now(hits, start_us + day_us), 0.9, 0.1);
  EXPECT_LT(hits_now(hits, start_us + 200 * day_us), 0.001);
}

TEST(AccessPolicy, JoinedHitsAddUpAtOneTime) {
  Hits const old = add_hits({}, 8, start_us);
  Hits const recent = add_hits({}, 3, start_us + 7 * day_us);
  Hits const both = join_hits(old, recent, start_us + 7 * day_us);
  EXPECT_NEAR(hits_now(both, start_us + 7 * day_us), 7, 0.01);
  EXPECT_EQ(both.last_at, recent.last_at);
  EXPECT_EQ(join_hits({}, recent, start_us).units, recent.units);
}

TEST(AccessPolicy, ClocksThatGoBackDoNotMakeHits) {
  Hits const hits = add_hits({}, 4, start_us);
  EXPECT_DOUBLE_EQ(hits_now(hits, start_us - day_us), 4);
  EXPECT_DOUBLE_EQ(hits_now(add_hits(hits, 1, start_us - day_us), start_us), 5);
  EXPECT_EQ(minutes_of(-5), 0u);
}

TEST(AccessPolicy, NothingOverflows) {
  Hits hits{UINT64_MAX, minutes_of(start_us), 0};
  hits = add_hits(hits, UINT64_MAX, start_us);
  EXPECT_GT(hits_now(hits, start_us), 1e15);
}

}  // namespace
}  // namespace strata::policy
