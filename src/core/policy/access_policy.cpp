#include "core/policy/access_policy.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/core_only.hpp"

namespace strata::policy {
namespace {

double units_now(Hits const& hits, int64_t now_us) {
  int64_t const elapsed = std::max<int64_t>(int64_t(minutes_of(now_us)) - int64_t(hits.at), 0);
  return double(hits.units) * std::exp2(-double(elapsed) / (hit_half_life_days * double(minutes_per_day)));
}

uint64_t rounded(double units) {
  constexpr double most = 9e18;
  return uint64_t(std::min(units + 0.5, most));
}

}  // namespace

uint32_t minutes_of(int64_t time_us) {
  return uint32_t(std::clamp<int64_t>(time_us / minute_us, 0, UINT32_MAX));
}

double hits_now(Hits const& hits, int64_t now_us) {
  return units_now(hits, now_us) / double(hit_units);
}

Hits add_hits(Hits const& hits, uint64_t count, int64_t now_us) {
  if (count == 0) return hits;
  uint32_t const now = std::max(minutes_of(now_us), hits.at);
  return {rounded(units_now(hits, now_us) + double(count) * double(hit_units)), now, now};
}

Hits join_hits(Hits const& a, Hits const& b, int64_t now_us) {
  if (a.units == 0 && a.last_at == 0) return b;
  uint32_t const now = std::max({minutes_of(now_us), a.at, b.at});
  int64_t const then_us = int64_t(now) * minute_us;
  return {rounded(units_now(a, then_us) + units_now(b, then_us)), now, std::max(a.last_at, b.last_at)};
}

double hits_per_day(double hits) {
  return hits * std::numbers::ln2 / hit_half_life_days;
}

}  // namespace strata::policy
