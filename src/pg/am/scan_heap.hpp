// The heap side of an ordered scan: exact distances of candidates, from the row versions that the scan's snapshot sees.
#pragma once
#include "core/base/ids.hpp"
#include "pg/am/opclass.hpp"
#include "pg/compat.hpp"

namespace strata::pg {

// Owned by a scan; made of memory of the context that is current in open_scan_heap(). The executor's own fetch state is
// left alone: it may hold a page between two calls.
struct ScanHeap {
  Relation heap;
  Snapshot snapshot;
  IndexFetchTableData* fetch;
  TupleTableSlot* slot;
  AttrNumber attribute;  // the indexed column of the heap; 0: an expression
  IndexInfo* info;       // for expressions, else null
  EState* executor;      // for expressions, else null
  MemoryContext row_context;
  ColumnClass column;
  VectorRef query;
  uint64_t fetched_count;
};

// Requires an MVCC snapshot.
ScanHeap* open_scan_heap(Relation heap, Relation index, Snapshot snapshot, ColumnClass const& column, VectorRef query);
void close_scan_heap(ScanHeap* heap);

// False when no version of the row is visible. *distance: see ordering_distance(); +inf where that is not a number.
bool exact_distance(ScanHeap* heap, Tid tid, double* distance);

}  // namespace strata::pg
