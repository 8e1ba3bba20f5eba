// How often a segment is used: a count of the searches that returned rows of it, in which every hit loses half of its
// weight in hit_half_life_days. A segment hit r times a day comes to r * half life / ln 2, whatever its age.
#pragma once
#include <cstdint>

namespace strata::policy {

constexpr uint64_t hit_units = 1024;  // the weight of a new hit
constexpr double hit_half_life_days = 7;
constexpr int64_t minute_us = 60 * 1000000;
constexpr int64_t minutes_per_day = 24 * 60;

// As the manifest keeps it: times are minutes since 2000-01-01 UTC, 0: never.
struct Hits {
  uint64_t units = 0;  // as of `at`
  uint32_t at = 0;
  uint32_t last_at = 0;  // of the last hit
};

uint32_t minutes_of(int64_t time_us);

// Hits at a time, which is not before hits.at; earlier times count as that one.
double hits_now(Hits const& hits, int64_t now_us);
// With `count` more, all at that time. A count of 0 changes nothing.
Hits add_hits(Hits const& hits, uint64_t count, int64_t now_us);
// Those of two segments that become one.
Hits join_hits(Hits const& a, Hits const& b, int64_t now_us);
// The rate that keeps the decayed count where it is.
double hits_per_day(double hits);

}  // namespace strata::policy
