// Appends row versions to the table of the past and to its indexes. A writer lives as long as the memory context it was
// opened in, which is that of a query: opening the indexes once a statement is what makes a row cheap.
#pragma once
#include "pg/postgres.hpp"

#include "core/history/retained.hpp"

namespace strata::pg {

struct HistoryWriter;

// Takes RowExclusiveLock on the history and its indexes until the end of the transaction. Raises an error when the
// history is not of the owner of `head`, or lacks a column of it.
HistoryWriter* open_history(Relation head, Oid history, MemoryContext context);

// Whether the writer is open and for these tables. Their columns cannot change under a running statement.
bool is_usable(HistoryWriter const* writer, Relation head, Oid history);

// Appends `tuple` of `head` with the ordinals of its life. Own changes become visible with the next command.
void append_history(HistoryWriter* writer, Relation head, HeapTuple tuple, history::Interval life);

void register_history_writers();

}  // namespace strata::pg
