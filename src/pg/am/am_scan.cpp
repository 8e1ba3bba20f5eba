// Ordered scans. The search of store hands out candidates by a lower bound of their distance; here they get their exact
// distance from the heap and leave in its order, as soon as neither a candidate nor anything the search has not looked
// at can be nearer. The executor stops asking when it has enough: a scan that is never stopped returns every row.
#include "pg/postgres.hpp"

#include <algorithm>
#include <cmath>

#include "pg/am/am_callbacks.hpp"
#include "pg/am/bulk_insert.hpp"
#include "pg/am/scan_access.hpp"
#include "pg/am/scan_copies.hpp"
#include "pg/am/scan_merge.hpp"
#include "pg/am/scan_report.hpp"
#include "pg/am/scan_state.hpp"
#include "pg/am/scan_tiers.hpp"
#include "pg/inspect/query_sample.hpp"
#include "pg/settings.hpp"

namespace strata::pg {

ScanReport last_scan;

namespace {

constexpr uint32_t wanted_rows_default = 10;  // when the plan does not say how many rows will be taken

ScanState* state_of(IndexScanDesc scan) {
  return static_cast<ScanState*>(scan->opaque);
}

void keep_report(IndexScanDesc scan) {
  ScanState const* const state = state_of(scan);
  if (state->phase == ScanPhase::start || !state->search) return;
  last_scan.any = true;
  last_scan.scan_count = 1;
  last_scan.timed = state->search->clock.running;
  memcpy(last_scan.stage_ns, state->search->clock.spent_ns, sizeof last_scan.stage_ns);
  last_scan.index = RelationGetRelid(scan->indexRelation);
  last_scan.counters = state->search->counters;
  last_scan.page_count = state->pager.read_count();
  last_scan.prefetched_count = state->pager.asked_count();
  last_scan.heap_count = state->heap ? state->heap->fetched_count : 0;
  last_scan.returned_count = state->returned_count;
  note_for_explain(last_scan);
}

void forget(IndexScanDesc scan) {
  ScanState* const state = state_of(scan);
  keep_report(scan);
  end_access(scan);
  if (state->heap) close_scan_heap(state->heap);
  MemoryContext const context = state->context;
  RowShape const shape = state->shape;
  MemoryContextReset(context);
  *state = ScanState{};
  state->context = context;
  state->shape = shape;
}

void check_scan(IndexScanDesc scan) {
  if (scan->numberOfOrderBys > 1) elog(ERROR, "ivf index scans know one order");
  // Row versions are trusted to be what was indexed, which only snapshots older than any reuse of their place allow.
  if (!IsMVCCSnapshot(scan->xs_snapshot))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("ivf index scans need an MVCC snapshot"),
                    errhint("Exclusion constraints cannot use an ivf index.")));
}

void read_filter(IndexScanDesc scan) {
  ScanState* const state = state_of(scan);
  state->filter = read_scan_keys(state->shape, scan->keyData, scan->numberOfKeys);
  if (!state->plan.node) return;
  auto const* const plan = reinterpret_cast<Scan const*>(state->plan.node->plan);
  read_plan_quals(scan->indexRelation, state->shape, plan->scanrelid, plan->plan.qual, state->filter);
}

// Rows of the index that pass its filter, as far as is known; growing rows are not looked at yet.
double known_rows(store::Search const& search) {
  double rows = 0;
  for (store::SearchSource const& source : search.sources)
    rows += search.filter && !source.growing ? source.pass_count : source.row_count - source.deleted_count;
  return rows;
}

// A radius in the space of scores.
double end_of_radius(Metric metric, double radius) {
  return std::isnan(radius) ? get_float8_infinity() : score_of_distance(metric, radius);
}

// The vector whose neighbours are wanted: that of ORDER BY, or the center of a radius. *query = null: none.
Row read_query(IndexScanDesc scan, Datum* query) {
  ScanState* const state = state_of(scan);
  ScanFilter const& filter = *state->filter;
  RowShape const& shape = state->shape;
  bool const ordered = scan->numberOfOrderBys == 1;
  if (ordered ? (scan->orderByData->sk_flags & SK_ISNULL) != 0 : !filter.has_within)
    return {format::row_is_null, 0, nullptr};
  *query = ordered ? scan->orderByData->sk_argument : filter.center;
  VectorRef const ref = vector_ref(*query, shape.column.element);
  if (ref.dim != shape.dim)
    ereport(ERROR,
            (errcode(ERRCODE_DATA_EXCEPTION), errmsg("different vector dimensions %u and %u", shape.dim, ref.dim)));
  state->query = static_cast<float*>(state->pager.allocate(shape.dim * sizeof(float)));
  Row const row = make_query(shape, *query, state->query);
  // Beside another order a radius is left to the executor.
  bool radius = filter.has_within;
  if (radius && ordered) {
    VectorRef const center = vector_ref(filter.center, shape.column.element);
    size_t const size = shape.dim * (shape.column.element == Element::float32 ? sizeof(float) : sizeof(uint16_t));
    radius = center.dim == ref.dim && memcmp(center.elements, ref.elements, size) == 0;
  }
  if (radius) state->distance_end = end_of_radius(shape.column.metric, filter.radius);
  return row;
}

// Leaves the query for strata.measure_recall(), whose own scans no plan asks for.
void sample_scan(IndexScanDesc scan, Datum query) {
  struct varlena* const original = reinterpret_cast<struct varlena*>(DatumGetPointer(query));
  struct varlena* const plain = pg_detoast_datum(original);
  sample_query(scan->indexRelation, plain);
  if (plain != original) pfree(plain);
}

// Reads conditions and query and starts the search; leaves the phase set.
void start(IndexScanDesc scan) {
  ScanState* const state = state_of(scan);
  check_scan(scan);
  count_index_search(scan);
  state->pager = PgPager(scan->indexRelation, scan->heapRelation, PageAccess::random, MAIN_FORKNUM, state->context);
  state->pager.rely_on_snapshot();
  read_filter(scan);
  ScanFilter const& filter = *state->filter;
  state->distance_end = get_float8_infinity();
  Datum query = Datum(0);
  Row const row = read_query(scan, &query);
  if (row.vector && settings.sample_queries && scan->numberOfOrderBys == 1) sample_scan(scan, query);
  // A table without pages shows nobody anything: the history of a table that did not change since its last version.
  if (RelationGetNumberOfBlocks(scan->heapRelation) == 0) {
    state->phase = ScanPhase::done;
    return;
  }
  if (row.vector)
    state->heap = open_scan_heap(scan->heapRelation, scan->indexRelation, scan->xs_snapshot, state->shape.column,
                                 vector_ref(query, state->shape.column.element));
  store::SearchOptions options;
  options.probes = uint32_t(settings.probes);
  options.recall_target = settings.recall_target;
  options.filter = &filter.filter;
  options.timed = times_scans();
  options.reach = reach_of_siblings(state->plan, state->shape.column.metric);
  choose_tiers(scan, &options);
  // Without an order only a radius ranks; rows without a vector are in no radius.
  bool const in_radius = filter.has_within && scan->numberOfOrderBys == 0;
  float const* const vector = filter.null_only ? nullptr : row.vector;
  report(store::start_search(state->pager, vector, options, &state->search));
  begin_access(scan);
  tell_left_out(scan);
  state->wanted_rows = rows_wanted(state->plan, known_rows(*state->search));
  state->last_distance = -get_float8_infinity();
  state->rows = {filter.null_only ? store::RowPass::null : store::RowPass::ranked, 0, 0};
  state->phase = vector ? ScanPhase::ordered : ScanPhase::unordered;
  if (filter.never || (filter.null_only && filter.not_null) || (in_radius && !vector)) state->phase = ScanPhase::done;
}

FoundRow take_candidate(ScanState* state, double distance) {
  store::Candidate candidate{};
  store::next_candidate(*state->search, &candidate);
  FoundRow row{distance, {}, candidate.source};
  report(store::tid_of(state->pager, *state->search, candidate.source, candidate.row, &row.tid));
  return row;
}

// How many of the nearest candidates will need an exact distance, as far as can be told.
uint32_t finalists_wanted(ScanState const* state) {
  uint64_t const asked = state->target > store::search_margin ? state->target - store::search_margin : 1;
  uint64_t const known = state->returned_count + state->found.count;
  uint64_t const wanted = asked > known ? asked - known : 1;
  return uint32_t(Min(Min(wanted, uint64_t(state->search->candidates.count)), uint64_t(finalists_max)));
}

// Candidates that need an exact distance move to the front of nearest[0, count), which is sorted by lower bounds;
// those whose bounds keep them apart from all others go back. Returns how many need one. `beyond`: no bound of others
// is less.
uint32_t sift_candidates(ScanState* state, store::Candidate* nearest, uint32_t count, double beyond) {
  uint32_t kept = 0;
  double reach = -get_float8_infinity();  // the largest upper bound so far
  for (uint32_t i = 0; i < count; i++) {
    store::Candidate const row = nearest[i];
    double const next = i + 1 < count ? double(nearest[i + 1].lower_bound) : beyond;
    // The first one stays: a row with an exact distance may lie between its bounds.
    bool const apart = i > 0 && reach <= row.lower_bound && row.upper_bound <= next;
    reach = Max(reach, double(row.upper_bound));
    if (apart)
      store::put_candidate_back(state->pager, *state->search, row);
    else
      nearest[kept++] = row;
  }
  return kept;
}

// Gives the nearest candidates their exact distances, or narrower bounds where the index has them. Requires that the
// nearest one needs it.
void fetch_candidates(ScanState* state, double unseen) {
  store::Search& search = *state->search;
  store::Candidate nearest[finalists_max];
  uint32_t const wanted = finalists_wanted(state);
  uint32_t count = 0;
  while (count < wanted && (count == 0 || search.candidates[0].lower_bound <= unseen))
    store::next_candidate(search, &nearest[count++]);
  if (count > 1) {
    double const beyond = search.candidates.count ? double(search.candidates[0].lower_bound) : unseen;
    count = sift_candidates(state, nearest, count, Min(beyond, unseen));
  }
  enter_stage(state->pager, search.clock, store::SearchStage::heap);
  if (store::has_rounded_copies(search.shape) && narrow_bounds(state, nearest, count)) {
    enter_stage(state->pager, search.clock, store::SearchStage::elsewhere);
    return;
  }
  if (!state->finalists)
    state->finalists = static_cast<Finalist*>(state->pager.allocate(sizeof(Finalist) * finalists_max));
  for (uint32_t i = 0; i < count; i++) store::prefetch_tid(state->pager, search, nearest[i].source, nearest[i].row);
  for (uint32_t i = 0; i < count; i++)
    report(store::tid_of(state->pager, search, nearest[i].source, nearest[i].row, &state->finalists[i].tid));
  if (search.shape.copy_size && !store::has_rounded_copies(search.shape))
    find_distances_in_index(state, nearest, count);
  else
    find_distances(state->heap, state->finalists, count, state->pager.read_ahead_count());
  double const scale = score_scale(state->shape.column.metric);
  for (uint32_t i = 0; i < count; i++) {
    Finalist const& row = state->finalists[i];
    if (row.is_visible) push_found(state, {row.distance * scale, row.tid, nearest[i].source});
  }
  enter_stage(state->pager, search.clock, store::SearchStage::elsewhere);
}

// Whether all that the search was to look at is known, and the rest was left out since siblings hold nearer rows.
bool lies_beyond_reach(ScanState const* state) {
  return state->target && state->search->reach < std::numeric_limits<float>::infinity();
}

void look_further(ScanState* state) {
  uint32_t const doubled = state->target < UINT32_MAX / 2 ? state->target * 2 : UINT32_MAX;
  uint32_t const wanted = state->wanted_rows ? state->wanted_rows : wanted_rows_default;
  // What lies beyond the reach was not looked at yet: the target is the same.
  bool const lifts = lies_beyond_reach(state);
  state->target = state->target == 0 ? wanted + store::search_margin : lifts ? state->target : doubled;
  report(store::advance_search(state->pager, *state->search, state->target));
}

// Hands a row out, unless rows farther than it were handed out before.
bool emit(ScanState* state, FoundRow const& row, double distance_max, Tid* tid) {
  if (row.distance < state->last_distance && settings.iterative_scan == int(IterativeScan::strict)) {
    state->late.push(state->pager, row);
    return false;
  }
  state->last_distance = distance_max;
  note_access(state, row.source, row.tid);
  *tid = row.tid;
  return true;
}

// The nearest candidate leaves without its exact distance when its bounds keep it apart from all that can follow.
bool stands_apart(ScanState const* state, double unseen, double nearest) {
  store::Search const& search = *state->search;
  double const most = search.candidates[0].upper_bound;
  return most <= unseen && most <= nearest && most <= store::second_lower_bound(search);
}

// Whether the scan ends for now: what it has not looked at yet is for nobody, as it seems.
bool pauses(ScanState* state, double unseen) {
  if (state->pause != Pause::none || !lies_beyond_reach(state) || !may_pause(state, unseen)) return false;
  state->pause = Pause::paused;
  state->frontier = unseen;
  return true;
}

bool next_ordered(ScanState* state, Tid* tid) {
  store::Search& search = *state->search;
  for (;;) {
    bool const exhausted = store::search_exhausted(search);
    double const unseen = state->target ? store::search_unseen(search) : -get_float8_infinity();
    double const candidate = search.candidates.count ? search.candidates[0].lower_bound : get_float8_infinity();
    double const nearest = state->found.count ? state->found[0].distance : get_float8_infinity();
    if (state->found.count && nearest <= unseen && nearest <= candidate) {
      FoundRow const row = state->found[0];
      std::pop_heap(state->found.begin(), state->found.end(), farther);
      state->found.count--;
      if (emit(state, row, row.distance, tid)) return true;
    } else if (search.candidates.count && (candidate <= nearest || exhausted)) {
      if (stands_apart(state, unseen, nearest)) {
        double const most = search.candidates[0].upper_bound;
        if (emit(state, take_candidate(state, candidate), most, tid)) return true;
      } else {
        fetch_candidates(state, unseen);
      }
    } else if (!exhausted) {
      if (pauses(state, unseen)) return false;
      look_further(state);
    } else {
      return false;
    }
    CHECK_FOR_INTERRUPTS();
  }
}

void begin_late(ScanState* state) {
  std::sort(state->late.begin(), state->late.end(), [](FoundRow const& a, FoundRow const& b) { return farther(b, a); });
  state->phase = ScanPhase::late;
}

// All rows without a place in the order, pass after pass.
bool next_unordered(ScanState* state, Tid* tid) {
  for (;;) {
    bool found;
    report(store::next_row(state->pager, *state->search, state->rows, tid, &found));
    if (found) {
      note_access(state, state->rows.source, *tid);
      return true;
    }
    bool const last = state->rows.pass == (state->filter->not_null ? store::RowPass::zero : store::RowPass::null);
    if (last) return false;
    state->rows = {state->rows.pass == store::RowPass::ranked ? store::RowPass::zero : store::RowPass::null, 0, 0};
  }
}

bool next_tid(ScanState* state, Tid* tid) {
  switch (state->phase) {
    case ScanPhase::start:
    case ScanPhase::done:
      return false;
    case ScanPhase::ordered:
      if (state->last_distance < state->distance_end && next_ordered(state, tid)) return true;
      if (state->pause == Pause::paused) return false;
      begin_late(state);
      [[fallthrough]];
    case ScanPhase::late:
      if (state->late_at < state->late.count) {
        FoundRow const& row = state->late[state->late_at++];
        note_access(state, row.source, row.tid);
        *tid = row.tid;
        return true;
      }
      if (state->distance_end < get_float8_infinity()) {
        state->phase = ScanPhase::done;
        return false;
      }
      state->rows = {store::RowPass::zero, 0, 0};
      state->phase = ScanPhase::unordered;
      [[fallthrough]];
    case ScanPhase::unordered:
      if (next_unordered(state, tid)) return true;
      state->phase = ScanPhase::done;
  }
  return false;
}

}  // namespace

IndexScanDesc am_begin_scan(Relation index, int key_count, int order_by_count) {
  IndexScanDesc const scan = RelationGetIndexScan(index, key_count, order_by_count);
  auto* state = static_cast<ScanState*>(palloc0(sizeof(ScanState)));
  state->context = AllocSetContextCreate(CurrentMemoryContext, "ivf scan", ALLOCSET_DEFAULT_SIZES);
  state->shape = row_shape(index);
  scan->opaque = state;
  return scan;
}

void am_rescan(IndexScanDesc scan, ScanKey keys, int /* key_count */, ScanKey order_bys, int /* order_by_count */) {
  forget(scan);
  if (keys && scan->numberOfKeys > 0) memmove(scan->keyData, keys, size_t(scan->numberOfKeys) * sizeof(ScanKeyData));
  if (order_bys && scan->numberOfOrderBys > 0)
    memmove(scan->orderByData, order_bys, size_t(scan->numberOfOrderBys) * sizeof(ScanKeyData));
  state_of(scan)->plan = scan_plan(scan->indexRelation, order_bys);
}

bool am_get_tuple(IndexScanDesc scan, ScanDirection direction) {
  ScanState* const state = state_of(scan);
  if (!ScanDirectionIsForward(direction)) elog(ERROR, "ivf index scans only go forward");
  MemoryContext const old = MemoryContextSwitchTo(state->context);
  if (state->phase == ScanPhase::start) {
    settle_bulk_insert();
    start(scan);
  }
  if (state->pause == Pause::paused) state->pause = Pause::over;
  Tid tid;
  bool const enough = settings.max_scan_tuples > 0 && state->returned_count >= uint64_t(settings.max_scan_tuples);
  bool const found = !enough && next_tid(state, &tid);
  if (state->heap) rest_scan_heap(state->heap);
  MemoryContextSwitchTo(old);
  if (!found) return false;
  state->returned_count++;
  if (state->heap) hand_over_page(state->heap, scan->xs_heapfetch, tid);
  set_item_pointer(&scan->xs_heaptid, tid);
  scan->xs_recheck = state->filter->recheck;
  scan->xs_recheckorderby = false;
  return true;
}

void am_end_scan(IndexScanDesc scan) {
  ScanState* const state = state_of(scan);
  forget(scan);
  MemoryContextDelete(state->context);
  pfree(state);
}

}  // namespace strata::pg
