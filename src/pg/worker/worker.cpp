// A worker's life: connect, take one of the slots that strata.max_workers allows, work, end. Every step is a
// transaction of its own, without snapshot and without transaction id, so that nothing is held back. A session that
// waits for a lock that the worker holds, or for the database, makes it end.
#include "pg/worker/worker.hpp"

#include "pg/compat.hpp"
#include "pg/settings.hpp"
#include "pg/worker/background.hpp"
#include "pg/worker/database_work.hpp"
#include "pg/worker/failures.hpp"
#include "pg/worker/progress.hpp"
#include "pg/worker/schedule.hpp"

extern "C" {
extern PGDLLEXPORT void strata_maintenance_main(Datum argument);
}

namespace strata::pg {
namespace {

struct WorkerTask {
  Oid database;
  Oid index;  // to begin with; 0: none in particular
};
static_assert(sizeof(WorkerTask) <= BGW_EXTRALEN);

// Workers know of each other by locks of a class that SQL cannot name: advisory locks of users have class 1 or 2.
constexpr uint32 slot_lock_key = 0x41525453;
constexpr uint16 slot_lock_class = 0x5354;
constexpr uint16 index_lock_class = 0x5355;

// A visit that leaves no word is repeated after this time, and every visited database once in the second.
constexpr int64_t lost_visit_us = 60 * USECS_PER_SEC;
constexpr int64_t visit_at_least_us = int64_t(600) * USECS_PER_SEC;

LOCKTAG slot_tag(int slot) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, InvalidOid, slot_lock_key, uint32(slot), slot_lock_class);
  return tag;
}

// Held by the worker that was started for the index; index 0: for the whole database.
LOCKTAG index_tag(Oid index) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, index, 0, index_lock_class);
  return tag;
}

bool take_for_life(LOCKTAG const& tag) {
  return LockAcquire(&tag, ExclusiveLock, /* sessionLock */ true, /* dontWait */ true) != LOCKACQUIRE_NOT_AVAIL;
}

bool is_taken(LOCKTAG const& tag) {
  if (!take_for_life(tag)) return true;
  LockRelease(&tag, ExclusiveLock, /* sessionLock */ true);
  return false;
}

bool take_slot() {
  for (int slot = 0; slot < settings.max_workers; slot++)
    if (take_for_life(slot_tag(slot))) return true;
  return false;
}

bool start_worker(WorkerTask const& task) {
  BackgroundWorker worker = describe_worker("maintenance", &task, sizeof task);
  return RegisterDynamicBackgroundWorker(&worker, nullptr);
}

}  // namespace

bool has_free_slot() {
  for (int slot = 0; slot < settings.max_workers; slot++)
    if (!is_taken(slot_tag(slot))) return true;
  return false;
}

void request_worker(Relation index) {
  if (settings.max_workers == 0 || RecoveryInProgress() || IsBinaryUpgrade || IsParallelWorker()) return;
  Oid const index_oid = RelationGetRelid(index);
  if (is_private(index) || is_taken(index_tag(index_oid))) return;
  // VACUUM, whose snapshots hold nothing back, leaves that question to the worker.
  bool const reads_tables = !IsInParallelMode() && !(MyProc->statusFlags & PROC_IN_VACUUM);
  if (reads_tables && next_try({index_oid, maintenance_job}) > GetCurrentTimestamp()) return;
  // No place for it: the next look, VACUUM, or the inserter itself will do.
  start_worker({MyDatabaseId, index_oid});
}

bool start_visit(Oid database) {
  begin_visit(database, GetCurrentTimestamp() + lost_visit_us);
  return start_worker({database, InvalidOid});
}

}  // namespace strata::pg

void strata_maintenance_main(Datum /* argument */) {
  using namespace strata::pg;
  WorkerTask task;
  memcpy(&task, MyBgworkerEntry->bgw_extra, sizeof task);
  handle_worker_signals();
  BackgroundWorkerInitializeConnectionByOid(task.database, InvalidOid, 0);
  SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
  show_as_worker();
  if (RecoveryInProgress() || !take_for_life(index_tag(task.index))) proc_exit(0);
  TimestampTz const begun = GetCurrentTimestamp() + lost_visit_us;
  if (!take_slot()) {
    visit_no_later_than(GetCurrentTimestamp() + settings.auto_flush_interval_ms * INT64CONST(1000));
    proc_exit(0);
  }
  begin_visit(MyDatabaseId, begun);
  TimestampTz const next = work_in_database(task.index);
  end_visit(begun, Min(next, GetCurrentTimestamp() + visit_at_least_us));
  proc_exit(0);
}
