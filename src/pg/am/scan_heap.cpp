#include "pg/am/scan_heap.hpp"

#include <cmath>

namespace strata::pg {

ScanHeap* open_scan_heap(Relation heap, Relation index, Snapshot snapshot, ColumnClass const& column, VectorRef query) {
  auto* scan = static_cast<ScanHeap*>(palloc0(sizeof(ScanHeap)));
  scan->heap = heap;
  scan->snapshot = snapshot;
  scan->column = column;
  scan->query = query;
  scan->fetch = begin_index_fetch(heap);
  scan->slot = table_slot_create(heap, nullptr);
  scan->attribute = index->rd_index->indkey.values[0];
  scan->row_context = AllocSetContextCreate(CurrentMemoryContext, "ivf scan row", ALLOCSET_DEFAULT_SIZES);
  if (scan->attribute == 0) {
    scan->info = BuildIndexInfo(index);
    scan->executor = CreateExecutorState();
    GetPerTupleExprContext(scan->executor)->ecxt_scantuple = scan->slot;
  }
  return scan;
}

void close_scan_heap(ScanHeap* scan) {
  table_index_fetch_end(scan->fetch);
  ExecDropSingleTupleTableSlot(scan->slot);
  if (scan->executor) FreeExecutorState(scan->executor);
  MemoryContextDelete(scan->row_context);
}

namespace {

Datum indexed_value(ScanHeap* scan, bool* is_null) {
  if (scan->attribute != 0) return slot_getattr(scan->slot, scan->attribute, is_null);
  Datum values[INDEX_MAX_KEYS];
  bool nulls[INDEX_MAX_KEYS];
  FormIndexDatum(scan->info, scan->slot, scan->executor, values, nulls);
  *is_null = nulls[0];
  return values[0];
}

}  // namespace

bool exact_distance(ScanHeap* scan, Tid tid, double* distance) {
  ItemPointerData pointer;
  ItemPointerSet(&pointer, tid.block(), tid.offset());
  bool again = false;
  scan->fetched_count++;
  if (!table_index_fetch_tuple(scan->fetch, &pointer, scan->snapshot, scan->slot, &again, nullptr)) return false;

  MemoryContext const old = MemoryContextSwitchTo(scan->row_context);
  bool is_null;
  Datum const value = indexed_value(scan, &is_null);
  *distance = get_float8_infinity();
  if (!is_null) {
    VectorRef const row = vector_ref(value, scan->column.element);
    if (row.dim != scan->query.dim)
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                      errmsg("different vector dimensions %u and %u", row.dim, scan->query.dim)));
    double const found = ordering_distance(scan->column.metric, row, scan->query);
    if (!std::isnan(found)) *distance = found;
  }
  MemoryContextSwitchTo(old);
  MemoryContextReset(scan->row_context);
  if (scan->executor) ResetPerTupleExprContext(scan->executor);
  ExecClearTuple(scan->slot);
  return true;
}

}  // namespace strata::pg
