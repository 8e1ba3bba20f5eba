// Row versions of tables in place: what the server's fetch does, without slots and pruning, through recent_buffers.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// A row version on a pinned page.
struct PinnedTuple {
  HeapTupleData tuple;
  Buffer buffer;
};

// Whether rows of the table can be read here: it has the server's own table access method.
bool has_heap_tuples(Relation table);

// Pins the version of row `tid` that `snapshot` sees; false, and nothing pinned, when it sees none.
bool pin_visible(Relation table, ItemPointerData tid, Snapshot snapshot, PinnedTuple* pinned);

// Asks for the cache lines with which looking for a row begins, or, `from_disk`, for the row's page.
void prefetch_tuple(Relation table, ItemPointerData tid, bool from_disk);

// The same for row `tid` itself, not its successors. False as well when there is no such row. Requires that the page
// exists.
bool pin_exactly(Relation table, ItemPointerData tid, Snapshot snapshot, PinnedTuple* pinned);

inline void unpin(PinnedTuple const& pinned) {
  ReleaseBuffer(pinned.buffer);
}

// Leaves a page of a heap table pinned where an index fetch keeps the page it fetched from last, if it is known where
// that page is; otherwise does nothing.
void pin_for_fetch(Relation table, IndexFetchTableData* fetch, BlockNumber block);

}  // namespace strata::pg
