#include "pg/am/scan_heap.hpp"

#include <cmath>

#include "pg/page/heap_tuple.hpp"

namespace strata::pg {

ScanHeap* open_scan_heap(Relation heap, Relation index, Snapshot snapshot, ColumnClass const& column, VectorRef query) {
  auto* scan = static_cast<ScanHeap*>(palloc0(sizeof(ScanHeap)));
  scan->heap = heap;
  scan->snapshot = snapshot;
  scan->column = column;
  scan->query = query;
  scan->attribute = index->rd_index->indkey.values[0];
  scan->in_place = scan->attribute != 0 && has_heap_tuples(heap);
  scan->row_context = AllocSetContextCreate(CurrentMemoryContext, "ivf scan row", ALLOCSET_DEFAULT_SIZES);
  scan->toast = open_toast_reader();
  if (scan->in_place) return scan;
  scan->fetch = begin_index_fetch(heap);
  scan->slot = table_slot_create(heap, nullptr);
  if (scan->attribute == 0) {
    scan->info = BuildIndexInfo(index);
    scan->executor = CreateExecutorState();
    GetPerTupleExprContext(scan->executor)->ecxt_scantuple = scan->slot;
  }
  return scan;
}

void close_scan_heap(ScanHeap* scan) {
  close_toast_reader(scan->toast);
  if (scan->fetch) table_index_fetch_end(scan->fetch);
  if (scan->slot) ExecDropSingleTupleTableSlot(scan->slot);
  if (scan->executor) FreeExecutorState(scan->executor);
  MemoryContextDelete(scan->row_context);
}

namespace {

double distance_of(ScanHeap const* scan, VectorRef row) {
  double const found = ordering_distance(scan->column.metric, row, scan->query);
  return std::isnan(found) ? get_float8_infinity() : found;
}

double distance_of(ScanHeap* scan, Datum value) {
  VectorRef const row = vector_ref(value, scan->column.element);
  if (row.dim != scan->query.dim)
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("different vector dimensions %u and %u", row.dim, scan->query.dim)));
  return distance_of(scan, row);
}

ItemPointerData pointer_to(Tid tid) {
  ItemPointerData pointer;
  ItemPointerSet(&pointer, tid.block(), tid.offset());
  return pointer;
}

// Reads the column where it lies. What is in a TOAST table is left for later.
void look_in_place(ScanHeap* scan, Finalist* row) {
  PinnedTuple pinned;
  row->is_visible = pin_visible(scan->heap, pointer_to(row->tid), scan->snapshot, &pinned);
  if (!row->is_visible) return;
  bool is_null;
  Datum const value = heap_getattr(&pinned.tuple, scan->attribute, RelationGetDescr(scan->heap), &is_null);
  row->distance = get_float8_infinity();
  if (!is_null && !plain_toast_pointer(value, &row->toast)) row->distance = distance_of(scan, value);
  unpin(pinned);
}

void look_by_slot(ScanHeap* scan, Finalist* row) {
  bool again = false;
  ItemPointerData tid = pointer_to(row->tid);
  row->is_visible = table_index_fetch_tuple(scan->fetch, &tid, scan->snapshot, scan->slot, &again, nullptr);
  if (!row->is_visible) return;
  bool is_null;
  Datum value;
  if (scan->attribute != 0) {
    value = slot_getattr(scan->slot, scan->attribute, &is_null);
  } else {
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    FormIndexDatum(scan->info, scan->slot, scan->executor, values, nulls);
    value = values[0];
    is_null = nulls[0];
  }
  row->distance = is_null ? get_float8_infinity() : distance_of(scan, value);
  ExecClearTuple(scan->slot);
  if (scan->executor) ResetPerTupleExprContext(scan->executor);
}

}  // namespace

void find_distances(ScanHeap* scan, Finalist* rows, uint32 count, uint32 read_ahead_count) {
  constexpr uint32 ahead_in_memory = 4;
  uint32 const ahead = Max(ahead_in_memory, read_ahead_count);
  uint32 asked = 0;
  scan->fetched_count += count;
  MemoryContext const old = MemoryContextSwitchTo(scan->row_context);
  for (uint32 i = 0; i < count; i++) {
    rows[i].toast = {};
    if (scan->in_place) {
      for (; asked < count && asked <= i + ahead; asked++)
        prefetch_tuple(scan->heap, pointer_to(rows[asked].tid), read_ahead_count != 0);
      look_in_place(scan, &rows[i]);
    } else {
      look_by_slot(scan, &rows[i]);
    }
  }
  asked = 0;
  for (uint32 i = 0; i < count; i++) {
    for (; read_ahead_count != 0 && asked < count && asked <= i + ahead; asked++)
      if (rows[asked].toast.size) ask_for_toast(scan->toast, rows[asked].toast);
    if (rows[i].toast.size) find_toast(scan->toast, rows[i].toast);
  }
  for (uint32 i = 0; i < count; i++) {
    if (rows[i].toast.size) rows[i].distance = distance_of(scan, read_toast(scan->toast, rows[i].toast));
    MemoryContextReset(scan->row_context);
  }
  MemoryContextSwitchTo(old);
}

double distance_of_elements(ScanHeap const* scan, char const* elements) {
  return distance_of(scan, VectorRef{scan->query.dim, scan->column.element, elements});
}

void hand_over_page(ScanHeap const* scan, IndexFetchTableData* fetch, Tid tid) {
  if (scan->in_place && fetch) pin_for_fetch(scan->heap, fetch, tid.block());
}

void rest_scan_heap(ScanHeap* scan) {
  rest_toast_reader(scan->toast);
  if (scan->fetch) table_index_fetch_reset(scan->fetch);
}

}  // namespace strata::pg
