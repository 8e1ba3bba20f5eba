#include "pg/worker/failures.hpp"

namespace strata::pg {
namespace {

enum Column : int {
  relation_column,
  failures_column,
  first_column,
  last_column,
  next_column,
  state_column,
  text_column,
  job_column
};
constexpr int column_count = 8;
constexpr int64_t wait_least_us = 2 * USECS_PER_SEC;
constexpr int64_t wait_most_us = int64_t(3600) * USECS_PER_SEC;

Relation open_table(LOCKMODE lock) {
  Oid const space = get_namespace_oid("strata", true);
  Oid const table = OidIsValid(space) ? get_relname_relid("worker_failures", space) : InvalidOid;
  Relation const relation = OidIsValid(table) ? try_relation_open(table, lock) : nullptr;
  if (!relation) return nullptr;
  if (relation->rd_rel->relkind == RELKIND_RELATION && RelationGetDescr(relation)->natts == column_count)
    return relation;
  relation_close(relation, lock);
  return nullptr;
}

Datum column_of(Relation table, HeapTuple row, Column column) {
  bool is_null;
  return heap_getattr(row, column + 1, RelationGetDescr(table), &is_null);
}

// fn(row) -> bool, true to go on, for every row; `table` stays open to the end of the transaction.
template <class Fn>
void scan_table(Relation table, Fn&& fn) {
  Snapshot const snapshot = RegisterSnapshot(GetLatestSnapshot());
  SysScanDesc const scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, nullptr);
  for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));)
    if (!fn(row)) break;
  systable_endscan(scan);
  UnregisterSnapshot(snapshot);
}

template <class Fn>
void find_row(Relation table, Job const& job, Fn&& fn) {
  scan_table(table, [&](HeapTuple row) {
    if (DatumGetObjectId(column_of(table, row, relation_column)) != job.relation) return true;
    if (strcmp(NameStr(*DatumGetName(column_of(table, row, job_column))), job.name) != 0) return true;
    fn(row);
    return false;
  });
}

void keep(ErrorData* error, Failure* failure) {
  failure->sqlstate = error->sqlerrcode;
  strlcpy(failure->message, error->message ? error->message : "", sizeof failure->message);
  FreeErrorData(error);
}

int64_t wait_after(int failures) {
  return failures > 11 ? wait_most_us : Min(wait_least_us << (failures - 1), wait_most_us);
}

}  // namespace

TimestampTz next_try(Job const& job) {
  TimestampTz at = 0;
  Relation const table = open_table(AccessShareLock);
  if (!table) return 0;
  find_row(table, job, [&](HeapTuple row) { at = DatumGetTimestampTz(column_of(table, row, next_column)); });
  relation_close(table, AccessShareLock);
  return at;
}

void record_failure(Job const& job, Failure const& failure) {
  Relation const table = open_table(ShareRowExclusiveLock);
  if (!table) return;
  TimestampTz const now = GetCurrentTimestamp();
  Datum values[column_count];
  bool nulls[column_count] = {};
  int failures = 1;
  TimestampTz first = now;
  bool known = false;
  ItemPointerData old;
  find_row(table, job, [&](HeapTuple row) {
    known = true;
    old = row->t_self;
    failures = DatumGetInt32(column_of(table, row, failures_column)) + 1;
    first = DatumGetTimestampTz(column_of(table, row, first_column));
  });
  NameData job_name;
  namestrcpy(&job_name, job.name);
  values[job_column] = NameGetDatum(&job_name);
  values[relation_column] = ObjectIdGetDatum(job.relation);
  values[failures_column] = Int32GetDatum(failures);
  values[first_column] = TimestampTzGetDatum(first);
  values[last_column] = TimestampTzGetDatum(now);
  values[next_column] = TimestampTzGetDatum(now + wait_after(failures));
  values[state_column] = CStringGetTextDatum(unpack_sql_state(failure.sqlstate));
  values[text_column] = CStringGetTextDatum(failure.message);
  HeapTuple const row = heap_form_tuple(RelationGetDescr(table), values, nulls);
  if (known)
    CatalogTupleUpdate(table, &old, row);
  else
    CatalogTupleInsert(table, row);
  relation_close(table, NoLock);
}

void forget_failure(Job const& job) {
  Relation const table = open_table(ShareRowExclusiveLock);
  if (!table) return;
  find_row(table, job, [&](HeapTuple row) { CatalogTupleDelete(table, &row->t_self); });
  relation_close(table, NoLock);
}

TimestampTz sweep_failures() {
  TimestampTz earliest = DT_NOEND;
  bool gone = false;
  Relation table = open_table(AccessShareLock);
  if (!table) return earliest;
  scan_table(table, [&](HeapTuple row) {
    bool const exists = SearchSysCacheExists1(RELOID, column_of(table, row, relation_column));
    gone = gone || !exists;
    if (exists) earliest = Min(earliest, DatumGetTimestampTz(column_of(table, row, next_column)));
    return true;
  });
  relation_close(table, AccessShareLock);
  if (!gone || !(table = open_table(ShareRowExclusiveLock))) return earliest;
  scan_table(table, [&](HeapTuple row) {
    if (!SearchSysCacheExists1(RELOID, column_of(table, row, relation_column))) CatalogTupleDelete(table, &row->t_self);
    return true;
  });
  relation_close(table, NoLock);
  return earliest;
}

// The server's macros count in a volatile, which C++20 frowns upon.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wvolatile"
bool run_guarded(void (*job)(void*), void* argument, Failure* failure) {
  MemoryContext const context = CurrentMemoryContext;
  bool volatile ok = true;
  // tidy: allow(banned-names): a worker outlives the errors of its steps, as the server's own do; nothing is rethrown
  PG_TRY();
  { job(argument); }
  // tidy: allow(banned-names): see above
  PG_CATCH();
  {
    ok = false;
    HOLD_INTERRUPTS();
    MemoryContextSwitchTo(context);
    ErrorData* const error = CopyErrorData();
    EmitErrorReport();
    AbortOutOfAnyTransaction();
    FlushErrorState();
    MemoryContextSwitchTo(context);
    keep(error, failure);
    RESUME_INTERRUPTS();
  }
  PG_END_TRY();
  return ok;
}

bool run_while_room(void (*job)(void*), void* argument, Failure* failure) {
  MemoryContext const context = CurrentMemoryContext;
  ResourceOwner const owner = CurrentResourceOwner;
  bool volatile ok = true;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  // tidy: allow(banned-names): a subtransaction is rolled back here; what it was not made for is rethrown
  PG_TRY();
  {
    job(argument);
    ReleaseCurrentSubTransaction();
  }
  // tidy: allow(banned-names): see above
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    ErrorData* const error = CopyErrorData();
    if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INSUFFICIENT_RESOURCES) PG_RE_THROW();
    ok = false;
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    keep(error, failure);
  }
  PG_END_TRY();
  MemoryContextSwitchTo(context);
  CurrentResourceOwner = owner;
  return ok;
}
#pragma GCC diagnostic pop

}  // namespace strata::pg
