#include "pg/postgres.hpp"

#include "pg/am/scan_merge.hpp"

#include "pg/am/am_callbacks.hpp"
#include "pg/am/scan_state.hpp"

namespace strata::pg {
namespace {

// What the server runs a merge with: the same function for all of them.
ExecProcNodeMtd run_merge = nullptr;

bool has_row(MergeAppendState const* merge, int child) {
  TupleTableSlot const* const slot = merge->ms_slots[child];
  return slot && !TTS_EMPTY(slot);
}

// Whether the row that a child holds comes before all that score `frontier` or more.
bool is_nearer(MergeAppendState const* merge, int child, Metric metric, double frontier) {
  bool is_null;
  Datum const distance = slot_getattr(merge->ms_slots[child], merge->ms_sortkeys[0].ssup_attno, &is_null);
  return !is_null && score_of_distance(metric, DatumGetFloat8(distance)) <= frontier;
}

// Asks the paused children that may hold the next row, and puts their rows among those of the others.
void resume_children(MergeAppendState* merge) {
  for (int child = 0; child < merge->ms_nplans; child++) {
    IndexScanState* const scan = index_scan_of(merge->mergeplans[child]);
    if (!scan) continue;
    auto const* const state = static_cast<ScanState const*>(scan->iss_ScanDesc->opaque);
    if (state->pause != Pause::paused) continue;
    if (!binaryheap_empty(merge->ms_heap)) {
      int const first = DatumGetInt32(binaryheap_first(merge->ms_heap));
      if (is_nearer(merge, first, state->shape.column.metric, state->frontier)) continue;
    }
    scan->iss_ReachedEnd = false;
    merge->ms_slots[child] = ExecProcNode(merge->mergeplans[child]);
    if (has_row(merge, child)) binaryheap_add(merge->ms_heap, Int32GetDatum(child));
  }
}

// The next row of a merge. The first one of each turn is the server's business: a scan that paused meanwhile made sure
// that it was not its own.
TupleTableSlot* next_of_merge(PlanState* node) {
  CHECK_FOR_INTERRUPTS();
  MergeAppendState* const merge = castNode(MergeAppendState, node);
  if (!merge->ms_initialized) return run_merge(node);
  if (!binaryheap_empty(merge->ms_heap)) {
    int const child = DatumGetInt32(binaryheap_first(merge->ms_heap));
    merge->ms_slots[child] = ExecProcNode(merge->mergeplans[child]);
    if (has_row(merge, child))
      binaryheap_replace_first(merge->ms_heap, Int32GetDatum(child));
    else
      binaryheap_remove_first(merge->ms_heap);
  }
  resume_children(merge);
  if (binaryheap_empty(merge->ms_heap)) return ExecClearTuple(merge->ps.ps_ResultTupleSlot);
  return merge->ms_slots[DatumGetInt32(binaryheap_first(merge->ms_heap))];
}

void take_over(MergeAppendState* merge) {
  PlanState* const node = &merge->ps;
  if (node->ExecProcNodeReal == next_of_merge) return;
  run_merge = node->ExecProcNodeReal;
  // With instruments the server's own function stands before it.
  if (node->ExecProcNode == run_merge) node->ExecProcNode = next_of_merge;
  node->ExecProcNodeReal = next_of_merge;
}

}  // namespace

IndexScanState* index_scan_of(PlanState* node) {
  while (node && (IsA(node, ResultState) || IsA(node, SubqueryScanState)))
    node = IsA(node, ResultState) ? outerPlanState(node) : reinterpret_cast<SubqueryScanState*>(node)->subplan;
  if (!node || !IsA(node, IndexScanState)) return nullptr;
  auto* const scan = reinterpret_cast<IndexScanState*>(node);
  if (!scan->iss_ScanDesc || scan->iss_RelationDesc->rd_indam->ambeginscan != am_begin_scan) return nullptr;
  return scan;
}

double score_of_distance(Metric metric, double distance) {
  if (metric == Metric::l2) return distance > 0 ? distance * distance : -1;
  return metric == Metric::cosine ? 2 * distance : distance;
}

bool may_pause(ScanState const* state, double frontier) {
  MergeAppendState* const merge = state->plan.merge;
  if (!merge || merge->ms_nkeys != 1 || merge->ms_sortkeys[0].ssup_reverse || merge->ms_prune_state) return false;
  int const child = state->plan.merge_child;
  IndexScanState const* const scan = index_scan_of(merge->mergeplans[child]);
  if (!scan || scan->iss_ScanDesc->opaque != state) return false;
  Metric const metric = state->shape.column.metric;
  // While the merge takes the first row of each, those of later children are of its last turn.
  int const known = merge->ms_initialized ? merge->ms_nplans : child;
  for (int other = 0; other < known; other++) {
    if (other == child || !has_row(merge, other) || !is_nearer(merge, other, metric, frontier)) continue;
    take_over(merge);
    return true;
  }
  return false;
}

}  // namespace strata::pg
