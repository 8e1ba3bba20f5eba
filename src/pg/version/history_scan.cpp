#include "pg/version/history_scan.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/version/as_owner.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {

HistoryScan begin_history_scan(Oid history, LOCKMODE lock) {
  HistoryScan scan;
  scan.history = table_open(history, lock);
  scan.snapshot = RegisterSnapshot(GetLatestSnapshot());
  scan.born = required_attribute(scan.history, born_column);
  scan.died = required_attribute(scan.history, died_column);
  scan.slot = table_slot_create(scan.history, nullptr);
  scan.scan = begin_table_scan(scan.history, scan.snapshot);
  return scan;
}

bool next_history_row(HistoryScan const& scan, history::Interval* life) {
  CHECK_FOR_INTERRUPTS();
  if (!table_scan_getnextslot(scan.scan, ForwardScanDirection, scan.slot)) return false;
  bool is_null;
  life->born = DatumGetInt32(slot_getattr(scan.slot, scan.born, &is_null));
  life->died = DatumGetInt32(slot_getattr(scan.slot, scan.died, &is_null));
  return true;
}

void end_history_scan(HistoryScan const& scan) {
  table_endscan(scan.scan);
  ExecDropSingleTupleTableSlot(scan.slot);
  UnregisterSnapshot(scan.snapshot);
  table_close(scan.history, NoLock);
}

namespace {

// Whether the snapshot of the transaction is older than something that was committed to the table.
bool has_newer_rows(Relation table, Snapshot snapshot) {
  Snapshot const latest = RegisterSnapshot(GetLatestSnapshot());
  TupleTableSlot* const slot = table_slot_create(table, nullptr);
  TableScanDesc const scan = begin_table_scan(table, latest);
  bool newer = false;
  while (!newer && table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    CHECK_FOR_INTERRUPTS();
    bool is_null;
    TransactionId const writer =
        DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null));
    newer = TransactionIdIsNormal(writer) && !TransactionIdIsCurrentTransactionId(writer) &&
            XidInMVCCSnapshot(writer, snapshot);
  }
  table_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  UnregisterSnapshot(latest);
  return newer;
}

int64 size_with_indexes(Relation relation) {
  return DatumGetInt64(DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(RelationGetRelid(relation))));
}

Tuplestorestate* result_store(FunctionCallInfo fcinfo) {
  InitMaterializedSRF(fcinfo, 0);
  return reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)->setResult;
}

}  // namespace
}  // namespace strata::pg

// _collect_history(relation): deletes the rows of the past that no retained version shows, and returns their number.
// The rows are seen first, the versions read afterwards: a version made in between is younger than all those rows, so
// that it needs none of them.
STRATA_FUNCTION(collect_history) {
  using namespace strata::pg;
  Oid const relation = PG_GETARG_OID(0);
  require_owner(relation);
  Relation const head = table_open(relation, AccessShareLock);
  Oid const history = versioned_table(head)->history;
  require_owner(history);
  // Two collectors would delete the same rows.
  HistoryScan const scan = begin_history_scan(history, ShareUpdateExclusiveLock);
  strata::history::Retained const retained = read_retained(relation);
  int64 count = 0;
  for (strata::history::Interval life; next_history_row(scan, &life);) {
    if (strata::history::is_needed(retained, life)) continue;
    simple_heap_delete(scan.history, &scan.slot->tts_tid);
    count++;
  }
  end_history_scan(scan);
  table_close(head, NoLock);
  PG_RETURN_INT64(count);
}

// _version_usage(relation): of each retained ordinal, the rows of the past that only it shows, and all that it shows.
STRATA_FUNCTION(version_usage) {
  using namespace strata::pg;
  Tuplestorestate* const store = result_store(fcinfo);
  TupleDesc const shape = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo)->setDesc;
  Relation const head = table_open(PG_GETARG_OID(0), AccessShareLock);
  HistoryScan const scan = begin_history_scan(versioned_table(head)->history, AccessShareLock);
  strata::history::Retained const retained = read_retained(RelationGetRelid(head));
  auto* own = static_cast<uint64_t*>(palloc0((retained.count + 1) * sizeof(uint64_t)));
  auto* seen = static_cast<uint64_t*>(palloc0((retained.count + 1) * sizeof(uint64_t)));
  uint64_t total = 0;
  for (strata::history::Interval life; next_history_row(scan, &life); total++) {
    strata::history::count_own_row(retained, life, own);
    strata::history::Viewers const viewers = strata::history::viewers_of(retained, life);
    for (size_t i = 0; i < viewers.count; i++) seen[viewers.first + i]++;
  }
  double const row_size = double(size_with_indexes(scan.history)) / double(Max(total, 1));
  for (size_t i = 0; i < retained.count; i++) {
    Datum values[4] = {Int32GetDatum(retained.ordinals[i]), Int64GetDatum(int64(own[i])), Int64GetDatum(int64(seen[i])),
                       Float8GetDatum(total ? row_size : 0)};
    bool is_null[4] = {false, false, false, false};
    tuplestore_putvalues(store, shape, values, is_null);
  }
  end_history_scan(scan);
  table_close(head, NoLock);
  return Datum(0);
}

// _require_current(table): a REPEATABLE READ transaction that does not see the newest rows of the table cannot rewrite
// it. The caller holds a lock that keeps writers out.
STRATA_FUNCTION(require_current) {
  using namespace strata::pg;
  if (!IsolationUsesXactSnapshot()) PG_RETURN_VOID();
  Oid const relation = PG_GETARG_OID(0);
  Relation const table = table_open(relation, AccessShareLock);
  Snapshot const snapshot = GetTransactionSnapshot();
  if (has_newer_rows(table, snapshot))
    ereport(ERROR,
            (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("could not serialize access due to concurrent update"),
             errdetail("Table \"%s\" was changed after the transaction began.", RelationGetRelationName(table)),
             errhint("The transaction might succeed if retried.")));
  table_close(table, AccessShareLock);
  PG_RETURN_VOID();
}
