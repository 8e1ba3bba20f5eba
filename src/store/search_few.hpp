// Sources whose rows have no scan codes, or too few for those to pay (has_few_rows): each row's refine code is
// evaluated, page by page. Rows out of reach keep their bound for later.
#pragma once
#include "store/search_evaluate.hpp"
#include "store/search_open.hpp"

namespace strata::store::detail {

// Appends the run of all rows of a source, none of which has a bound yet.
template <Pager P>
float* begin_whole_run(P& pager, Search& search, uint32_t at, uint32_t row_count) {
  search.bounds.reserve(pager, search.bounds.count + row_count);
  float* const bounds = search.bounds.items + search.bounds.count;
  std::fill(bounds, bounds + row_count, infinity);
  search.runs.push(pager, {at, 0, row_count, search.bounds.count, nullptr});
  search.bounds.count += row_count;
  search.counters.run_count++;
  return bounds;
}

// Room for the candidates that rows may become: then pushing them calls nothing of the pager.
template <Pager P>
void reserve_candidates(P& pager, Search& search, uint32_t row_count) {
  search.candidates.reserve(pager, search.candidates.count + row_count);
  search.scores.reserve(pager, search.scores.count + row_count);
  uint32_t const rows_max = search.top.count + row_count;
  search.top.reserve(pager, search.target < rows_max ? search.target : rows_max);
  search.near.reserve(pager, search.target < rows_max ? search.target : rows_max);
}

// *bound = that of the row when it is out of reach.
template <Pager P>
void take_row(P& pager, Search& search, FrameQuery const& query, std::byte const* code, uint32_t at, uint32_t row,
              float* bound) {
  float const rounding = 1e-6f * (std::abs(search.tau) + std::abs(query.offset));
  float const reach = (search.tau + rounding - query.offset) / query.factor;
  quant::RefineEstimate estimate;
  if (!quant::evaluate_refine_within(query.refine, code, reach, &estimate)) {
    *bound = search.tau;
    return;
  }
  Candidate const candidate = candidate_of(query, estimate, at, row);
  if (candidate.lower_bound < search.tau)
    push_candidate(pager, search, candidate);
  else
    *bound = candidate.lower_bound;
}

// All ranked rows of a sealed source with few of them. Rows straddle pages.
template <Pager P>
Status scan_few(P& pager, Search& search, uint32_t at) {
  SearchSource const& source = search.sources[at];
  FrameQuery const& query = search.queries[source.query];
  uint32_t const row_count = source.ranked_count;
  if (row_count == 0) return {};
  uint8_t deleted[few_rows_max / 8] = {};
  if (source.has_deleted)
    if (Status status = read_stream(pager, *source.object, source.bitmap, 0, (row_count + 7) / 8, deleted);
        !status.ok())
      return status;
  float* const bounds = begin_whole_run(pager, search, at, row_count);
  reserve_candidates(pager, search, row_count);
  uint32_t const row_size = search.shape.refine_size, code_size = search.shape.code_size;
  uint32_t row = 0, done = 0;  // the row in progress, and its bytes that were read
  auto evaluate_row = [&](std::byte const* code) {
    if (sets::bitmap_test(deleted, row) || (at == search.skip_source && row == search.skip_row)) return;
    search.counters.refined_count++;
    take_row(pager, search, query, code, at, row, &bounds[row]);
  };
  return visit_stream(pager, *source.object, source.refine, 0, uint64_t(row_count) * row_size,
                      [&](std::byte const* bytes, uint32_t size) {
                        while (size > 0) {
                          uint32_t const part = size < row_size - done ? size : row_size - done;
                          if (done == 0 && part >= code_size) {
                            evaluate_row(bytes);
                          } else if (done < code_size) {
                            uint32_t const take = part < code_size - done ? part : code_size - done;
                            std::memcpy(search.scratch + done, bytes, take);
                            if (done + take == code_size) evaluate_row(search.scratch);
                          }
                          bytes += part;
                          size -= part;
                          done = done + part == row_size ? 0 : done + part;
                          row += done == 0;
                        }
                      });
}

// Rows of the growing segment have refine codes only.
template <Pager P>
Status scan_growing(P& pager, Search& search, uint32_t at) {
  SearchSource const& source = search.sources[at];
  FrameQuery const& query = search.queries[source.query];
  uint32_t const capacity = search.shape.growing.capacity;
  float* const bounds = begin_whole_run(pager, search, at, source.row_count);
  for (uint32_t group = 0; group * capacity < source.row_count; group++) {
    uint32_t seen = 0;
    reserve_candidates(pager, search, capacity);
    Status status = visit_growing_group(pager, search.shape, *source.object, group, search.scratch, &seen,
                                        [&](uint64_t row, RowView const& view, bool deleted) {
                                          if (row >= source.row_count || deleted || view.flags != 0) return;
                                          if (!growing_passes(search, view.columns, view.hash)) return;
                                          search.counters.growing_count++;
                                          take_row(pager, search, query, view.refine, at, uint32_t(row), &bounds[row]);
                                        });
    if (!status.ok()) return status;
    if ((group & 63) == 0) pager.check_interrupts();
  }
  return {};
}

}  // namespace strata::store::detail
