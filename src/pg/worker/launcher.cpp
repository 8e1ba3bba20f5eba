#include "pg/worker/launcher.hpp"

#include "pg/settings.hpp"
#include "pg/worker/background.hpp"
#include "pg/worker/give_way.hpp"
#include "pg/worker/schedule.hpp"
#include "pg/worker/worker.hpp"

extern "C" {
extern PGDLLEXPORT void strata_launcher_main(Datum argument);
}

namespace strata::pg {
namespace {

constexpr int restart_s = 10;
constexpr int64_t list_databases_us = 60 * USECS_PER_SEC;
constexpr long sleep_least_ms = 20;

struct Databases {
  Oid* oids;
  int count;
};

// Databases that can be connected to, templates left out. In memory of `context`.
Databases list_databases(MemoryContext context) {
  Databases found{nullptr, 0};
  int room = 0;
  StartTransactionCommand();
  GetTransactionSnapshot();
  Relation const table = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc const scan = table_beginscan_catalog(table, 0, nullptr);
  for (HeapTuple tuple; (tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr;) {
    Form_pg_database const form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    // A database whose DROP was interrupted has a limit of -2.
    if (!form->datallowconn || form->datistemplate || form->datconnlimit < -1) continue;
    if (found.count == room) {
      room = Max(16, room * 2);
      Oid* const more = static_cast<Oid*>(MemoryContextAlloc(context, sizeof(Oid) * size_t(room)));
      if (found.count > 0) memcpy(more, found.oids, sizeof(Oid) * size_t(found.count));
      found.oids = more;
    }
    found.oids[found.count++] = form->oid;
  }
  table_endscan(scan);
  table_close(table, AccessShareLock);
  CommitTransactionCommand();
  return found;
}

// Starts visits that are due while there are slots. Returns when the next one is due, at the latest in a minute: a
// database may be new.
TimestampTz start_due_visits(Databases const& databases) {
  TimestampTz const now = GetCurrentTimestamp();
  TimestampTz const retry = now + Max(settings.auto_flush_interval_ms, 100) * INT64CONST(1000);
  TimestampTz wake_at = now + list_databases_us;
  keep_visits(databases.oids, databases.count);
  int started = 0;
  for (int i = 0; i < databases.count; i++) {
    TimestampTz const at = next_visit(databases.oids[i]);
    if (at > now) {
      wake_at = Min(wake_at, at);
      continue;
    }
    // Workers take their slots after they have started: until then each is counted here.
    if (started < settings.max_workers && has_free_slot() && start_visit(databases.oids[i]))
      started++;
    else
      wake_at = Min(wake_at, retry);
  }
  return wake_at;
}

void run_launcher() {
  MemoryContext const context = AllocSetContextCreate(TopMemoryContext, "strata launcher", ALLOCSET_SMALL_SIZES);
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    TimestampTz wake_at = GetCurrentTimestamp() + list_databases_us;
    bool const works = settings.auto_flush_interval_ms > 0 && settings.max_workers > 0;
    launcher_sleeps_until(DT_NOEND);  // from here on whoever asks for a visit wakes us
    if (works) wake_at = start_due_visits(list_databases(context));
    MemoryContextReset(context);
    pgstat_report_activity(STATE_IDLE, nullptr);
    launcher_sleeps_until(works ? wake_at : DT_NOBEGIN);
    long const wait_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), wake_at);
    sleep_ms(Sleep::launcher_idle, Max(wait_ms, sleep_least_ms));
  }
}

}  // namespace

void register_launcher() {
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  request_schedule();
  BackgroundWorker launcher = describe_worker("launcher", nullptr, 0);
  launcher.bgw_restart_time = restart_s;
  RegisterBackgroundWorker(&launcher);
}

}  // namespace strata::pg

void strata_launcher_main(Datum /* argument */) {
  using namespace strata::pg;
  handle_worker_signals();
  // Shared catalogs only: connected to no database, it is in nobody's way.
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  run_launcher();
}
