// Second stage of a search: rows whose first-stage bound is below the threshold get their refine code evaluated,
// nearest bounds first.
#pragma once
#include <algorithm>
#include <cmath>

#include "store/search_filter.hpp"
#include "store/search_found.hpp"
#include "store/search_rows.hpp"

namespace strata::store::detail {

constexpr float largest = std::numeric_limits<float>::max();

// A bound that left the floats: +inf stands for rows that were evaluated, and what is no number tells nothing.
inline float bound_in_range(float bound) {
  float const capped = bound > largest ? largest : bound;
  return capped == capped ? capped : -infinity;
}

inline Candidate candidate_of(FrameQuery const& query, quant::RefineEstimate const& estimate, uint32_t source,
                              uint32_t row) {
  float bound = query.factor * estimate.lower_bound + query.offset;
  // Rounding of the line above: relative to its larger term.
  bound -= 4e-7f * (std::abs(bound) + std::abs(query.offset));
  float upper = query.factor * estimate.upper_bound + query.offset;
  upper += 4e-7f * (std::abs(upper) + std::abs(query.offset));
  float score = query.factor * estimate.score + query.offset;
  return {
      bound_in_range(bound), upper <= largest ? upper : infinity, score <= largest ? score : largest, row, source, 0};
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
  if (source.spills() && !add_row(pager, search.evaluated, at, row)) return {};
  bool deleted;
  if (Status status = is_deleted(pager, source, row, &deleted); !status.ok() || deleted) return status;
  // Where rows are scanned in another order than their own, these conditions were not asked of their blocks.
  if (source.blockwise && (source.held != SearchSource::none || source.spills())) {
    bool passes;
    if (Status status = passes_rest(pager, search, source, row, &passes); !status.ok() || !passes) return status;
  }
  FrameQuery const& query = search.queries[source.query];
  uint32_t size = search.shape.code_size, gathered = 0;
  quant::RefineEstimate estimate{};
  Status status = visit_stream(pager, *source.object, source.refine, uint64_t(row) * search.shape.refine_size, size,
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
void prefetch_row(P& pager, Search const& search, Pending const& row, bool from_disk) {
  ScannedRun const& run = search.runs[row.run];
  SearchSource const& source = search.sources[run.source];
  if (source.growing) return;
  uint64_t const offset = uint64_t(run.row(row.at)) * search.shape.refine_size;
  if (from_disk)
    prefetch_stream_pages(pager, *source.object, source.refine, offset, search.shape.code_size);
  else
    prefetch_stream(pager, *source.object, source.refine, offset, search.shape.code_size);
}

// Appends the rows of runs [first_run, ...) with a bound below `cut` to search.pending.
template <Pager P>
void collect_pending(P& pager, Search& search, uint32_t first_run, float cut) {
  auto& pending = search.pending;
  pending.count = 0;
  for (uint32_t run = first_run; run < search.runs.count; run++) {
    ScannedRun const& scanned = search.runs[run];
    float const* bounds = search.bounds.items + scanned.bounds_at;
    constexpr uint32_t chunk_rows = 1024;
    uint32_t rows[chunk_rows];
    for (uint32_t first = 0; first < scanned.row_count; first += chunk_rows) {
      uint32_t const left = scanned.row_count - first;
      uint32_t const found = quant::find_below(bounds + first, left < chunk_rows ? left : chunk_rows, cut, rows);
      for (uint32_t i = 0; i < found; i++) pending.push(pager, {bounds[first + rows[i]], run, first + rows[i]});
    }
  }
}

// A bound that about `wanted` rows of runs [first_run, ...) stay below, from a sample of them; +inf when there are not
// many more.
inline float sampled_cut(Search const& search, uint32_t first_run, uint64_t wanted) {
  constexpr uint32_t sample_max = 256;
  uint64_t rows = 0;
  for (uint32_t run = first_run; run < search.runs.count; run++) rows += search.runs[run].row_count;
  if (rows < 2 * wanted) return infinity;
  float sample[sample_max];
  uint32_t count = 0;
  uint64_t const stride = (rows + sample_max - 1) / sample_max;
  uint64_t next = stride / 2, before = 0;
  for (uint32_t run = first_run; run < search.runs.count; run++) {
    ScannedRun const& scanned = search.runs[run];
    float const* bounds = search.bounds.items + scanned.bounds_at;
    for (; next < before + scanned.row_count && count < sample_max; next += stride)
      sample[count++] = bounds[next - before];
    before += scanned.row_count;
  }
  // Of a sample twice the share, and at least a few: what it says of so few rows is uncertain.
  uint64_t const place = stride == 1 ? wanted : 2 * wanted * count / rows + 2;
  if (place + 1 >= count) return infinity;
  std::nth_element(sample, sample + place, sample + count);
  return sample[place];
}

// Evaluates the rows of runs [first_run, ...) whose bound is below tau, nearest bounds first, while tau falls.
template <Pager P>
Status evaluate_nearest(P& pager, Search& search, uint32_t first_run) {
  auto nearer = [](Pending const& a, Pending const& b) { return a.bound < b.bound; };
  auto& pending = search.pending;
  // Rows lie anywhere: they are asked for so many rows ahead.
  constexpr uint32_t ahead_in_memory = 4;
  // Without a threshold yet, the best few give one; then most of the rest need no evaluation.
  for (uint64_t wanted = 2ull * search.target;; wanted *= 8) {
    bool const open = search.tau == infinity;
    float const cut = open ? sampled_cut(search, first_run, wanted) : search.tau;
    collect_pending(pager, search, first_run, cut);
    std::sort(pending.begin(), pending.end(), nearer);
    uint32_t const places = pager.read_ahead_count(), ahead = places > ahead_in_memory ? places : ahead_in_memory;
    uint32_t asked = 0;
    for (uint32_t done = 0; done < pending.count; done++) {
      Pending const& row = pending[done];
      if (row.bound >= search.tau) return {};
      while (asked < pending.count && asked <= done + ahead && pending[asked].bound < search.tau)
        prefetch_row(pager, search, pending[asked++], places != 0);
      ScannedRun const& run = search.runs[row.run];
      search.bounds[run.bounds_at + row.at] = infinity;
      if (Status status = evaluate(pager, search, run.source, run.row(row.at)); !status.ok()) return status;
    }
    pager.check_interrupts();
    if (!open || cut >= search.tau) return {};
  }
}

template <Pager P>
Status evaluate_runs(P& pager, Search& search, uint32_t first_run) {
  SearchStage const before = enter_stage(pager, search.clock, SearchStage::refine);
  Status const status = evaluate_nearest(pager, search, first_run);
  enter_stage(pager, search.clock, before);
  return status;
}

}  // namespace strata::store::detail
