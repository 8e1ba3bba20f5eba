// A search and its stop rule: what the rule is told, and what it is asked.
#pragma once
#include "core/policy/stop_rule.hpp"
#include "store/search_state.hpp"

namespace strata::store::detail {

// The stop rule wants squared distances. Inner products become those of the rows and the query lifted to one sphere
// (Bachrach et al., RecSys 2014): |q|^2 + R^2 - 2 <x, q>, R the largest norm of a row, in the units of the newest
// frame.
inline float tracked(Search const& search, float absolute) {
  if (search.shape.metric != Metric::inner_product || absolute == infinity) return absolute;
  FrameQuery const& query = search.queries[search.epochs[0].query];
  float lifted = 2 * (absolute - query.offset) / query.factor + search.tracked_offset;
  return lifted > 1e-20f ? lifted : 1e-20f;
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

inline policy::StopPlan stop_plan(Search const& search) {
  if (search.options.probes)
    return policy::plan_fixed_probes(float(search.options.probes) * float(1 + search.counters.advance_count));
  return policy::plan_stop(search.model, search.options.recall_target, rows_asked(search));
}

// Lists that a search is likely to need in all: how far ahead exact keys are worth computing.
inline uint32_t lists_expected(Search const& search) {
  if (search.options.probes) return search.options.probes;
  return 2 + uint32_t(1.25 * policy::expected_lists(search.model, search.options.recall_target, search.target,
                                                    search.order.count));
}

// Share of the rows with lists that lie under epoch `at`: what one of its lists weighs.
inline float epoch_weight(Search const& search, uint32_t at) {
  uint64_t rows = 0, all = 0;
  for (SearchSource const& source : search.sources) {
    if (source.epoch == SearchSource::none) continue;
    all += source.ranked_count;
    if (source.epoch == at) rows += source.ranked_count;
  }
  return all ? float(double(rows) / double(all)) : 1.0f;
}

}  // namespace strata::store::detail
