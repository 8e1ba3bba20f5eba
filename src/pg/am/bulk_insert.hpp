// Rows of an import on their way into sealed segments. Until it ends, or until anything may look for them, they wait in
// a tuplestore for each index; then they become segments in the same steps as those of a CREATE INDEX. Few rows, which
// a segment would not be worth, go into the growing segment.
//
// Rows that wait are in no index yet. That is sound because
// - their rows in the table were written by the subtransaction that collects, so no VACUUM takes them, and their TIDs
//   stay theirs, before it ends: rows of other subtransactions, which may end earlier, are never collected;
// - collecting ends for good when a query starts, whose scans may want them and whose inserts may be speculative: rows
//   of a table whose triggers run queries row by row take the way of an INSERT;
// - an error ends the subtransaction, and the memory, the files and the rows with it. One that is caught by a trigger
//   while rows were being written makes the import fail.
#pragma once
#include "pg/am/build_state.hpp"

namespace strata::pg {

struct BulkInsert;

// From now on rows of the tables (OIDs) are collected. Null when rows of another import are: then nothing is done.
BulkInsert* begin_bulk_insert(List* tables);

// Writes what waits. Nothing waits afterwards.
void end_bulk_insert(BulkInsert* bulk);

// Takes a row of aminsert; false when it has to be inserted.
bool bulk_insert(Relation index, Relation heap, store::IndexShape const& shape, LoadedRow const& row);

// Called ahead of whatever may read an index: writes what waits, and ends collecting.
void settle_bulk_insert();

void register_bulk_insert();

}  // namespace strata::pg
