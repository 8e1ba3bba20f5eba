// Reading a table of the past, row by row, in the state that is committed now.
#pragma once
#include "pg/postgres.hpp"

#include "core/history/retained.hpp"

namespace strata::pg {

struct HistoryScan {
  Relation history;
  Snapshot snapshot;
  TableScanDesc scan;
  TupleTableSlot* slot;
  AttrNumber born;
  AttrNumber died;
};

HistoryScan begin_history_scan(Oid history, LOCKMODE lock);
bool next_history_row(HistoryScan const& scan, history::Interval* life);
void end_history_scan(HistoryScan const& scan);  // keeps the lock

}  // namespace strata::pg
