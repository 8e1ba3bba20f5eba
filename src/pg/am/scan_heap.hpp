// The heap side of an ordered scan: exact distances of candidates, from the row versions that the scan's snapshot sees.
#pragma once
#include "core/base/ids.hpp"
#include "pg/am/opclass.hpp"
#include "pg/am/toast_reader.hpp"
#include "pg/compat.hpp"

namespace strata::pg {

// Owned by a scan; made of memory of the context that is current in open_scan_heap(). The executor's own fetch state is
// left alone: it may hold a page between two calls.
struct ScanHeap {
  Relation heap;
  Snapshot snapshot;
  AttrNumber attribute;        // the indexed column of the heap; 0: an expression
  bool in_place;               // columns are read on their pages, what follows is for other cases
  IndexFetchTableData* fetch;  // or null
  TupleTableSlot* slot;        // or null
  IndexInfo* info;             // for expressions, else null
  EState* executor;            // for expressions, else null
  MemoryContext row_context;
  ToastReader* toast;
  ColumnClass column;
  VectorRef query;
  uint64_t fetched_count;
};

// A row whose distance is wanted.
struct Finalist {
  Tid tid;
  bool is_visible;  // whether the snapshot sees a version of it
  double distance;  // see ordering_distance(); +inf where that is not a number
  ToastPointer toast;
};

// Requires an MVCC snapshot.
ScanHeap* open_scan_heap(Relation heap, Relation index, Snapshot snapshot, ColumnClass const& column, VectorRef query);
void close_scan_heap(ScanHeap* heap);

// Fills in what is not the tid. Rows are many cache misses apart, so each step is taken for all of them; so many rows
// are asked from the disk ahead, 0: it is not asked.
void find_distances(ScanHeap* heap, Finalist* rows, uint32 count, uint32 read_ahead_count);

// The distance of a row from its elements, as find_distances() gives it.
double distance_of_elements(ScanHeap const* heap, char const* elements);

// Leaves the page of the row that the executor fetches next pinned in its own place for such a page, if it is known
// where it is: else the executor would look for it in the table of all buffers.
void hand_over_page(ScanHeap const* scan, IndexFetchTableData* fetch, Tid tid);

// Gives back what would keep others from pages that were read. To be called before the executor gets control.
void rest_scan_heap(ScanHeap* heap);

}  // namespace strata::pg
