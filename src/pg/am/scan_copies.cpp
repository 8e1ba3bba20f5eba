#include "pg/am/scan_copies.hpp"

#include "pg/entry.hpp"

namespace strata::pg {
namespace {

// The copies of nearest[0, count), fn(number, copy) each, fetched ahead.
template <class Fn>
void for_each_copy(ScanState* state, store::Candidate const* nearest, uint32 count, Fn&& fn) {
  constexpr uint32 ahead_in_memory = 2;
  uint32 const ahead = Max(ahead_in_memory, state->pager.read_ahead_count());
  store::Search& search = *state->search;
  if (!state->copy) state->copy = static_cast<std::byte*>(state->pager.allocate(search.shape.copy_size));
  for (uint32 i = 0; i < count && i < ahead; i++)
    store::prefetch_copy(state->pager, search, nearest[i].source, nearest[i].row);
  for (uint32 i = 0; i < count; i++) {
    if (i + ahead < count)
      store::prefetch_copy(state->pager, search, nearest[i + ahead].source, nearest[i + ahead].row);
    report(store::copy_of(state->pager, search, nearest[i].source, nearest[i].row, state->copy));
    fn(i, state->copy);
  }
}

void prepare_bounds(ScanState* state) {
  RowShape const& shape = state->shape;
  state->restored = static_cast<float*>(state->pager.allocate(shape.dim * sizeof(float)));
  state->copy_query = quant::copy_query(shape.column.metric, shape.dim, state->heap->query.elements);
}

void look_at_copy(ScanState* state, store::Candidate row, std::byte const* copy) {
  store::Search& search = *state->search;
  double error;
  report(quant::decode_rounded(state->shape.dim, copy, state->restored, &error));
  double const distance = distance_of_elements(state->heap, reinterpret_cast<char const*>(state->restored));
  double const score = distance * score_scale(state->shape.column.metric);
  if (error == 0) {
    Tid tid;
    report(store::tid_of(state->pager, search, row.source, row.row, &tid));
    push_found(state, {score, tid, row.source});
    return;
  }
  quant::ScoreRange const range = quant::score_range(state->copy_query, state->restored, score, error);
  row.lower_bound = Max(row.lower_bound, range.least);
  row.upper_bound = Min(row.upper_bound, range.most);
  row.is_narrow = 1;
  store::put_candidate_back(state->pager, search, row);
}

}  // namespace

void find_distances_in_index(ScanState* state, store::Candidate const* nearest, uint32 count) {
  for_each_copy(state, nearest, count, [&](uint32 i, std::byte const* copy) {
    state->finalists[i].is_visible = true;
    state->finalists[i].distance = distance_of_elements(state->heap, reinterpret_cast<char const*>(copy));
  });
}

bool narrow_bounds(ScanState* state, store::Candidate const* nearest, uint32 count) {
  store::Candidate wide[finalists_max];
  uint32 wide_count = 0;
  for (uint32 i = 0; i < count; i++)
    if (!nearest[i].is_narrow) wide[wide_count++] = nearest[i];
  if (wide_count == 0) return false;
  for (uint32 i = 0; i < count; i++)
    if (nearest[i].is_narrow) store::put_candidate_back(state->pager, *state->search, nearest[i]);
  if (!state->restored) prepare_bounds(state);
  for_each_copy(state, wide, wide_count, [&](uint32 i, std::byte const* copy) { look_at_copy(state, wide[i], copy); });
  return true;
}

}  // namespace strata::pg
