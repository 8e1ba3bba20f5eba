// Second stage of a search: rows whose first-stage bound is below the threshold get their refine code evaluated,
// nearest bounds first.
#pragma once
#include <cmath>

#include "store/search_filter.hpp"
#include "store/search_found.hpp"
#include "store/search_rows.hpp"

namespace strata::store::detail {

constexpr float largest = std::numeric_limits<float>::max();

// A bound that left the floats: +inf stands for rows that were evaluated, and what is no number tells nothing.
inline float bound_in_range(float bound) {
  return bound <= largest ? bound : bound > largest ? largest : -infinity;
}

inline Candidate candidate_of(FrameQuery const& query, quant::RefineEstimate const& estimate, uint32_t source,
                              uint32_t row) {
  float bound = query.factor * estimate.lower_bound + query.offset;
  // Rounding of the line above: relative to its larger term.
  bound -= 4e-7f * (std::abs(bound) + std::abs(query.offset));
  float upper = query.factor * estimate.upper_bound + query.offset;
  upper += 4e-7f * (std::abs(upper) + std::abs(query.offset));
  float score = query.factor * estimate.score + query.offset;
  return {bound_in_range(bound), upper <= largest ? upper : infinity, score <= largest ? score : largest, source, row};
}

// What the error of a first-stage code is multiplied with: the distance to its centroid, or the query's norm for inner
// products, and the rounding of the look-up tables.
inline float gain_distance(FrameQuery const& query, float distance2) {
  float noise = quant::query_table_noise(query.table);
  return std::sqrt(distance2 + noise * noise);
}

// A growing row whose bound was out of reach when its page was scanned.
template <Pager P>
Status evaluate_growing(P& pager, Search& search, uint32_t at, uint32_t row) {
  SearchSource const& source = search.sources[at];
  FrameQuery const& query = search.queries[source.query];
  uint32_t seen = 0;
  quant::RefineEstimate estimate{infinity, infinity, infinity};
  auto visit = [&](uint64_t candidate, RowView const& view, bool deleted) {
    if (candidate == row && !deleted && view.flags == 0) estimate = quant::evaluate_refine(query.refine, view.refine);
  };
  uint32_t group = row / search.shape.growing.capacity;
  Status status = visit_growing_group(pager, search.shape, *source.object, group, search.scratch, &seen, visit);
  if (status.ok() && estimate.score != infinity) push_candidate(pager, search, candidate_of(query, estimate, at, row));
  return status;
}

template <Pager P>
Status evaluate(P& pager, Search& search, uint32_t at, uint32_t row) {
  SearchSource const& source = search.sources[at];
  if (at == search.skip_source && row == search.skip_row) return {};
  if (source.growing) return evaluate_growing(pager, search, at, row);
  bool deleted;
  if (Status status = is_deleted(pager, source, row, &deleted); !status.ok() || deleted) return status;
  if (source.held != SearchSource::none && source.blockwise) {
    bool passes;
    if (Status status = passes_rest(pager, search, source, row, &passes); !status.ok() || !passes) return status;
  }
  FrameQuery const& query = search.queries[source.query];
  uint32_t size = search.shape.refine_size, gathered = 0;
  quant::RefineEstimate estimate{};
  Status status = visit_stream(pager, *source.object, source.refine, uint64_t(row) * size, size,
                               [&](std::byte const* bytes, uint32_t part) {
                                 if (part == size) {
                                   estimate = quant::evaluate_refine(query.refine, bytes);
                                   return;
                                 }
                                 std::memcpy(search.scratch + gathered, bytes, part);
                                 gathered += part;
                                 if (gathered == size) estimate = quant::evaluate_refine(query.refine, search.scratch);
                               });
  if (!status.ok()) return status;
  search.counters.refined_count++;
  push_candidate(pager, search, candidate_of(query, estimate, at, row));
  return {};
}

template <Pager P>
void prefetch_row(P& pager, Search const& search, Pending const& row) {
  ScannedRun const& run = search.runs[row.run];
  SearchSource const& source = search.sources[run.source];
  uint32_t const size = search.shape.refine_size;
  if (!source.growing) prefetch_stream(pager, *source.object, source.refine, uint64_t(run.row(row.at)) * size, size);
}

// Evaluates the rows of runs [first_run, ...) whose bound is below tau, nearest bounds first, while tau falls.
template <Pager P>
Status evaluate_nearest(P& pager, Search& search, uint32_t first_run) {
  auto nearer = [](Pending const& a, Pending const& b) { return a.bound < b.bound; };
  auto& pending = search.pending;
  pending.count = 0;
  for (uint32_t run = first_run; run < search.runs.count; run++) {
    ScannedRun const& scanned = search.runs[run];
    float const* bounds = search.bounds.items + scanned.bounds_at;
    for (uint32_t i = 0; i < scanned.row_count; i++)
      if (bounds[i] < search.tau) pending.push(pager, {bounds[i], run, i});
  }
  // Rows lie anywhere: their cache lines are asked for so many rows ahead.
  constexpr uint32_t ahead = 4;
  // Without a threshold yet, the best few give one; then most of the rest need no evaluation.
  uint32_t done = 0;
  while (done < pending.count) {
    uint32_t end = pending.count;
    if (search.tau == infinity && end - done > 4ull * search.target) {
      end = done + 2 * search.target;
      std::nth_element(pending.begin() + done, pending.begin() + end, pending.end(), nearer);
    } else {
      auto* kept = std::partition(pending.begin() + done, pending.end(),
                                  [&](Pending const& row) { return row.bound < search.tau; });
      pending.count = end = uint32_t(kept - pending.begin());
    }
    std::sort(pending.begin() + done, pending.begin() + end, nearer);
    for (uint32_t next = done; next < end && next < done + ahead; next++) prefetch_row(pager, search, pending[next]);
    for (; done < end; done++) {
      Pending const& row = pending[done];
      if (row.bound >= search.tau) return {};
      if (done + ahead < end) prefetch_row(pager, search, pending[done + ahead]);
      ScannedRun const& run = search.runs[row.run];
      search.bounds[run.bounds_at + row.at] = infinity;
      if (Status status = evaluate(pager, search, run.source, run.row(row.at)); !status.ok()) return status;
    }
    pager.check_interrupts();
  }
  return {};
}

template <Pager P>
Status evaluate_runs(P& pager, Search& search, uint32_t first_run) {
  SearchStage const before = enter_stage(pager, search.clock, SearchStage::refine);
  Status const status = evaluate_nearest(pager, search, first_run);
  enter_stage(pager, search.clock, before);
  return status;
}

}  // namespace strata::store::detail
