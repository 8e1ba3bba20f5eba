#include "pg/worker/table_jobs.hpp"

#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "pg/worker/give_way.hpp"
#include "pg/worker/progress.hpp"
#include "pg/worker/worker.hpp"

namespace strata::pg {
namespace {

constexpr int64_t turn_us = 10 * USECS_PER_SEC;

bool visit_requested = false;  // by the running transaction

void at_transaction_end(XactEvent event, void*) {
  bool const wanted = visit_requested && event == XACT_EVENT_COMMIT;
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) visit_requested = false;
  // No place for it: the launcher, VACUUM or the next insert will bring one.
  if (wanted && settings.max_workers > 0 && !RecoveryInProgress() && !IsBinaryUpgrade) start_visit(MyDatabaseId);
}

// One row of a query that a worker runs as what it is; its search_path is fixed.
void run_query(char const* query) {
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  if (SPI_execute(query, false, 0) != SPI_OK_SELECT) elog(ERROR, "not a query: %s", query);
}

// False when nothing is left to do; else how long to wait before the next step.
bool run_step(TableJob const& job, int* pause_ms) {
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  bool more = false;
  if (get_rel_name(job.table)) {
    note_table_task(job.name);
    run_query(psprintf("SELECT strata.%s(%u)", quote_identifier(psprintf("_%s_for_owner", job.name)), job.table));
    bool is_null = true;
    if (SPI_processed == 1)
      *pause_ms = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
    more = !is_null;
    SPI_finish();
  }
  PopActiveSnapshot();
  CommitTransactionCommand();
  pgstat_report_stat(false);
  return more;
}

}  // namespace

List* list_table_jobs(MemoryContext context) {
  List* jobs = NIL;
  Oid const space = get_namespace_oid("strata", true);
  if (!OidIsValid(space) || !OidIsValid(get_relname_relid("archive_policy", space))) return NIL;
  SetCurrentStatementStartTimestamp();
  PushActiveSnapshot(GetTransactionSnapshot());
  run_query("SELECT relation, job, due FROM strata._table_jobs()");
  for (uint64 i = 0; i < SPI_processed; i++) {
    HeapTuple const row = SPI_tuptable->vals[i];
    TupleDesc const columns = SPI_tuptable->tupdesc;
    bool no_relation, no_name, no_time;
    Datum const relation = SPI_getbinval(row, columns, 1, &no_relation);
    Datum const name = SPI_getbinval(row, columns, 2, &no_name);
    Datum const due = SPI_getbinval(row, columns, 3, &no_time);
    if (no_relation || no_name || no_time) continue;
    auto* const job = static_cast<TableJob*>(MemoryContextAllocZero(context, sizeof(TableJob)));
    job->table = DatumGetObjectId(relation);
    job->due = DatumGetTimestampTz(due);
    strlcpy(job->name, NameStr(*DatumGetName(name)), sizeof job->name);
    MemoryContext const inner = MemoryContextSwitchTo(context);
    jobs = lappend(jobs, job);
    MemoryContextSwitchTo(inner);
  }
  SPI_finish();
  PopActiveSnapshot();
  return jobs;
}

void run_table_turn(void* argument) {
  auto* const turn = static_cast<TableTurn*>(argument);
  TimestampTz const until = GetCurrentTimestamp() + turn_us;
  int pause_ms = 0;
  while (run_step(*turn->job, &pause_ms)) {
    turn->more = GetCurrentTimestamp() >= until;
    if (turn->more) return;
    if (pause_ms > 0) sleep_ms(Sleep::io_limit, pause_ms);
    CHECK_FOR_INTERRUPTS();
    if (is_database_wanted()) proc_exit(0);
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
  }
}

void request_visit() {
  visit_requested = true;
}

void register_visit_requests() {
  RegisterXactCallback(at_transaction_end, nullptr);
}

}  // namespace strata::pg

STRATA_FUNCTION(request_visit) {
  strata::pg::request_visit();
  PG_RETURN_VOID();
}
