// The background worker that gives back the space of dropped versions and counts new ones: started when a transaction
// that dropped or made one commits, gone when nothing is due.
#include "pg/version/collector.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "pg/worker/background.hpp"

extern "C" {
extern PGDLLEXPORT void strata_collector_main(Datum argument);
}

namespace strata::pg {
namespace {

constexpr long collection_delay_ms = 500;
constexpr TimestampTz retry_us = 60 * USECS_PER_SEC;  // what could not be collected is tried again after that

bool requested = false;  // by the running transaction

void start_collector() {
  if (settings.max_workers == 0 || RecoveryInProgress() || IsBinaryUpgrade) return;
  BackgroundWorker worker = describe_worker("collector", &MyDatabaseId, sizeof MyDatabaseId);
  // No slot free: whoever drops or makes the next version, or maintains an index, will see to it.
  RegisterDynamicBackgroundWorker(&worker, nullptr);
}

void at_transaction_end(XactEvent event, void*) {
  if (event == XACT_EVENT_COMMIT && requested) start_collector();
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) requested = false;
}

bool has_catalog() {
  Oid const space = get_namespace_oid("strata", true);
  return OidIsValid(space) && OidIsValid(get_relname_relid("versioned_table", space));
}

}  // namespace

namespace {

// The last column of the row that `query` returns, DT_NOEND for null; a transaction of its own.
TimestampTz run_alone(char const* query, char const* activity) {
  TimestampTz result = DT_NOEND;
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  if (has_catalog()) {
    pgstat_report_activity(STATE_RUNNING, activity);
    if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
    if (SPI_execute(query, false, 0) != SPI_OK_SELECT) elog(ERROR, "%s failed", activity);
    bool is_null;
    Datum const value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null);
    if (!is_null) result = DatumGetTimestampTz(value);
    SPI_finish();
  }
  PopActiveSnapshot();
  CommitTransactionCommand();
  pgstat_report_activity(STATE_IDLE, nullptr);
  return result;
}

}  // namespace

TimestampTz collect_versions() {
  TimestampTz const due =
      run_alone("SELECT strata._collect_all(), strata._next_collection()", "collecting dropped versions");
  if (settings.count_versions)
    run_alone("SELECT strata._record_all(), NULL::pg_catalog.timestamptz", "counting new versions");
  return due == DT_NOEND ? due : Max(due, GetCurrentTimestamp() + retry_us);
}

void register_collector() {
  RegisterXactCallback(at_transaction_end, nullptr);
}

}  // namespace strata::pg

STRATA_FUNCTION(request_collection) {
  strata::pg::requested = true;
  PG_RETURN_VOID();
}

void strata_collector_main(Datum /* argument */) {
  Oid database;
  memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof database);
  strata::pg::handle_worker_signals();
  BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
  // Several versions made one after the other are counted together.
  WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, strata::pg::collection_delay_ms, PG_WAIT_EXTENSION);
  CHECK_FOR_INTERRUPTS();
  if (!RecoveryInProgress()) strata::pg::collect_versions();
  proc_exit(0);
}
