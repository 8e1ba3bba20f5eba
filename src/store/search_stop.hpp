// A search and its stop rule: what the rule is told, and what it is asked.
#pragma once
#include <cmath>

#include "core/policy/stop_rule.hpp"
#include "store/search_state.hpp"

namespace strata::store::detail {

// Where a score lies in the spread of the data, in frame units: along the query for inner products, whatever its
// length, and else the distance from it.
inline float place_of(Search const& search, float absolute) {
  FrameQuery const& query = search.queries[search.epochs[0].query];
  float const frame_score = (absolute - query.offset) / query.factor;
  if (search.shape.metric != Metric::inner_product) return frame_score > 0.0f ? std::sqrt(frame_score) : 0.0f;
  float const norm = std::sqrt(query.refine.norm2);
  return norm > 0.0f ? frame_score / norm : 0.0f;
}

// What the stop rule is told: it looks at roots of ratios of keys and distances. Squared distances are told as they
// are. Rows of cosine and inner products lie on a sphere or along the query, where the number of deviations between two
// scores tells more than a ratio: so the rule is told
//
//   (y + sqrt(1 + y^2))^2,  y = sqrt(dim) / 2 * (place - typical place):  e^2y where y is small
//
// A deviation is about 1 / sqrt(dim) of the spread of all rows, which is 1 in frame units (more where data of many
// dimensions vary in few of them). Ratios of it are powers of differences about the middle, and ratios of places far
// out; no scale of rows or query matters. docs/performance.md, "Queries unlike the rows", has what it is worth.
inline float tracked(Search const& search, float absolute) {
  if (search.shape.metric == Metric::l2 || absolute == infinity) return absolute;
  constexpr float dim_max = 64.0f;
  float const typical = search.shape.metric == Metric::inner_product ? 0.0f : 1.0f, dim = float(search.shape.dim);
  float const y = 0.5f * std::sqrt(dim < dim_max ? dim : dim_max) * (place_of(search, absolute) - typical);
  float const root = std::sqrt(1.0f + y * y), half = y > 0.0f ? root + y : 1.0f / (root - y);
  return half < 1e15f ? half > 1e-10f ? half * half : 1e-20f : 1e30f;
}

// tau as the stop rule wants it: at the density of rows that its model was calibrated at.
inline float tracked_tau(Search const& search) {
  float const tau = tracked(search, search.tau_asked);
  return tau == infinity ? tau : tau * search.tau_scale;
}

// The caller looks a little further than it was asked, to know the order at the end.
inline uint32_t rows_asked(Search const& search) {
  return search.target > search_margin ? search.target - search_margin : 1;
}

// Share of the rows with lists that pass the filter, as far as is known.
inline double share_passing(Search const& search) {
  double passing = 0, rows = 0;
  for (SearchSource const& source : search.sources) {
    if (source.epoch == SearchSource::none) continue;
    passing += source.pass_count;
    rows += source.row_count;
  }
  return passing > 0 ? passing / rows : 1;
}

// The k nearest of the rows that pass a filter lie among the k / share nearest of all, where `share` is that of the
// rows that pass around the query, as far as it was seen.
inline uint32_t rows_searched(Search const& search) {
  double rows = rows_asked(search);
  if (search.filter && search.passed_rows)
    rows *= double(search.seen_rows) / double(search.passed_rows);
  else if (search.filter)
    rows /= share_passing(search);
  return rows < 1e9 ? uint32_t(rows) : 1000000000;
}

// Models are calibrated up to stop_k_max rows. The lists that hold the nearest K rows beyond that lie on a line, both
// axes logarithmic, from there to all rows in all lists.
inline double lists_wanted(Search const& search) {
  double const lists = search.order.count, base = policy::stop_k_max, rows = rows_searched(search);
  double const all = double(search.ranked_total) > 2 * base ? double(search.ranked_total) : 2 * base;
  if (rows <= base) return 0;
  if (rows >= all) return lists;
  double const known =
      policy::expected_lists(search.model, search.options.recall_target, policy::stop_k_max, search.order.count);
  return known * std::pow(rows / base, std::log(lists / known) / std::log(all / base));
}

// The lists around the query: so many say whether the filter keeps rows there as it does elsewhere.
inline uint32_t near_list_count(Search const& search) {
  double const lists = policy::expected_lists(search.model, search.options.recall_target, 10, search.order.count);
  return lists > 4 ? uint32_t(lists) : 4;
}

// Whether fewer rows pass around the query than the filter lets through on average: then its rows lie elsewhere, and
// the stop rule, which knows queries amid their neighbours, cannot tell.
inline bool is_far(Search const& search) {
  double const expected = share_passing(search) * double(search.near_rows);
  return double(search.near_passed) < 0.9 * expected - std::sqrt(expected);
}

// Rows that lists not probed may still have below tau, if scores lie around the keys of their lists as they did so far.
inline double rows_missing(Search const& search) {
  Moments const& spread = search.spread;
  double const mean = spread.sum / spread.count, variance = spread.sum2 / spread.count - mean * mean;
  double const sigma = std::sqrt(variance > 1e-9 ? variance : 1e-9);
  double const rows_per_list = double(search.passed_rows) / search.probed;
  double const tau = place_of(search, search.tau_asked);
  double missing = 0;
  for (uint32_t at = search.probed; at < search.order_sorted; at++) {
    double const away = (place_of(search, search.order[at].key) + mean - tau) / sigma;
    if (away > 4) return missing;
    missing += rows_per_list * 0.5 * std::erfc(away * 0.7071067811865476);
  }
  return search.order_sorted == search.order.count ? missing : infinity;
}

// What a filtered search asks besides the stop rule.
inline bool saw_enough(Search const& search) {
  if (!search.filter || search.options.probes) return true;
  if (double(search.probed) < lists_wanted(search)) return false;
  if (!is_far(search)) return true;
  return search.spread.count > 0 && rows_missing(search) <= (1 - search.options.recall_target) * rows_asked(search);
}

// Whether a search that keeps to its reach has most likely seen what lies within. The stop rule learned on searches
// whose k-th distance falls as they go: here it stands still from the start, and says nothing of how far the search has
// come.
inline bool saw_reach(Search const& search) {
  if (search.options.probes || search.reach == infinity || search.spread.count == 0) return false;
  constexpr double share_lost = 0.25;
  return rows_missing(search) <= share_lost * (1 - search.options.recall_target) * rows_asked(search);
}

// Takes note of how far the places of a list's rows lie from that of its key: runs [first_run, ...) are the list's.
// Rows that have it as their second list lie farther out, and count where they are at home.
inline void note_spread(Search& search, float key, uint32_t first_run) {
  double const center = place_of(search, key);
  for (uint32_t run = first_run; run < search.runs.count; run++) {
    if (search.runs[run].rows) continue;
    float const* bounds = search.bounds.items + search.runs[run].bounds_at;
    for (uint32_t i = 0; i < search.runs[run].row_count; i++) {
      double const away = bounds[i] == infinity ? infinity : place_of(search, bounds[i]) - center;
      if (!std::isfinite(away)) continue;
      search.spread.count++;
      search.spread.sum += away;
      search.spread.sum2 += away * away;
    }
  }
}

// The part of the recall given up that a filtered search keeps in reserve.
inline double reserve_of_filter(Search const& search) {
  if (!search.filter) return 0;
  double const rarity = std::log10(1 / share_passing(search));
  return 1.0 / 3 + 0.25 * (rarity < 1 ? rarity : 1);
}

inline policy::StopPlan stop_plan(Search const& search) {
  if (search.options.probes)
    return policy::plan_fixed_probes(float(search.options.probes) * float(1 + search.counters.advance_count));
  // Calibrated on queries without a filter: what passes one lies less regularly, and comes so seldom that the rule
  // takes the gaps for the end. A third of the loss is kept in reserve, and more the fewer rows pass. Measured with a
  // third throughout: .944 for .95 and .985 for .99 where a tenth passes.
  double const target = search.options.recall_target, reserve = (1 - target) * reserve_of_filter(search);
  return policy::plan_stop(search.model, target + reserve, rows_searched(search));
}

// Lists that a search is likely to need in all: how far ahead exact keys are worth computing.
inline uint32_t lists_expected(Search const& search) {
  constexpr uint32_t lists_in_reach = 4;
  if (search.options.probes) return search.options.probes;
  if (search.reach < infinity) return lists_in_reach;
  return 2 + uint32_t(1.25 * policy::expected_lists(search.model, search.options.recall_target, search.target,
                                                    search.order.count));
}

// What a list of epoch `at` weighs: the share of the rows with lists that lie under the epoch, in lists as large as
// those that the model counts. Without, lists of a new codebook, of which there are more, pass for more than they hold.
inline float list_weight(Search const& search, uint32_t at) {
  uint64_t rows = 0, all = 0;
  for (SearchSource const& source : search.sources) {
    if (source.epoch == SearchSource::none) continue;
    all += source.ranked_count;
    if (source.epoch == at) rows += source.ranked_count;
  }
  if (all == 0) return 1.0f;
  double const share = double(rows) / double(all), lists = search.epochs[at].view->list_count;
  return float(search.model_lists ? share * search.model_lists / lists : share);
}

}  // namespace strata::store::detail
