// A worker's life: connect, take one of the slots that strata.max_workers allows, maintain the index it was started
// for, look after the other indexes of the database, end. Every step is a transaction of its own, without snapshot and
// without transaction id, so that nothing is held back. A session that waits for a lock that the worker holds makes it
// end.
#include "pg/worker/worker.hpp"

#include "pg/am/am_callbacks.hpp"
#include "pg/am/index_stats.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "pg/worker/maintenance.hpp"

extern "C" {
extern PGDLLEXPORT void strata_maintenance_main(Datum argument);
}

namespace strata::pg {
namespace {

struct WorkerTask {
  Oid database;
  Oid index;
  Oid access_method;
};
static_assert(sizeof(WorkerTask) <= BGW_EXTRALEN);

// Workers know of each other by locks of a class that SQL cannot name: advisory locks of users have class 1 or 2.
constexpr uint32 slot_lock_key = 0x41525453;
constexpr uint16 slot_lock_class = 0x5354;
constexpr uint16 index_lock_class = 0x5355;

LOCKTAG slot_tag(int slot) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, InvalidOid, slot_lock_key, uint32(slot), slot_lock_class);
  return tag;
}

// Held by the worker that was started for the index.
LOCKTAG index_tag(Oid index) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, index, 0, index_lock_class);
  return tag;
}

bool take_for_life(LOCKTAG const& tag) {
  return LockAcquire(&tag, ExclusiveLock, /* sessionLock */ true, /* dontWait */ true) != LOCKACQUIRE_NOT_AVAIL;
}

bool take_slot() {
  for (int slot = 0; slot < settings.max_workers; slot++)
    if (take_for_life(slot_tag(slot))) return true;
  return false;
}

bool has_worker(Oid index) {
  LOCKTAG const tag = index_tag(index);
  if (LockAcquire(&tag, ExclusiveLock, /* sessionLock */ false, /* dontWait */ true) == LOCKACQUIRE_NOT_AVAIL)
    return true;
  LockRelease(&tag, ExclusiveLock, /* sessionLock */ false);
  return false;
}

struct Opened {
  Relation heap;
  Relation index;
};

// Table before index, as everybody does. Both null when the index is gone or not for us.
Opened open_for_work(Oid index_oid) {
  Oid const heap_oid = IndexGetRelation(index_oid, true);
  Relation const heap = OidIsValid(heap_oid) ? try_relation_open(heap_oid, AccessShareLock) : nullptr;
  Relation const index = heap ? try_relation_open(index_oid, RowExclusiveLock) : nullptr;
  bool const ours = index && index->rd_rel->relkind == RELKIND_INDEX && index->rd_indam &&
                    index->rd_indam->ambuild == am_build && index->rd_index->indisvalid &&
                    index->rd_index->indrelid == heap_oid && !RELATION_IS_OTHER_TEMP(index);
  if (ours) return {heap, index};
  if (index) relation_close(index, RowExclusiveLock);
  if (heap) relation_close(heap, AccessShareLock);
  return {nullptr, nullptr};
}

struct StepResult {
  bool more;              // something was done
  bool more_soon;         // something is about to become due
  uint64_t growing_size;  // what is left in the growing part
};

constexpr int idle_rounds_max = 3;
constexpr int idle_round_max_ms = 1000;  // less than DROP DATABASE waits for others to leave

// What is left when no step was to be taken.
void look_at_rest(PgPager& pager, store::MaintainOptions const& options, StepResult* result) {
  store::Outlook outlook;
  report(store::look_ahead(pager, options, &outlook));
  IndexStats const stats = index_stats(pager.index());
  result->growing_size = stats.growing_size;
  result->more_soon = stats.waiting_count > 0 || outlook.growing_rows >= options.min_seal_rows;
  // On a quiet server nobody else moves the horizon past what was retired last.
  if (stats.waiting_count > 0 && stats.newest_retired_xid >= pager.next_xid()) GetCurrentTransactionId();
}

// One step of one index, in a transaction. `seal_any`: however small the growing part is.
StepResult run_step(Oid index_oid, bool seal_any) {
  StepResult result{};
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  Opened const open = open_for_work(index_oid);
  if (open.index) {
    // Whatever user code maintenance might ever reach runs as the owner of the table.
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(open.heap->rd_rel->relowner, context | SECURITY_RESTRICTED_OPERATION);
    pgstat_report_activity(STATE_RUNNING,
                           psprintf("maintaining index %s.%s", get_namespace_name(RelationGetNamespace(open.index)),
                                    RelationGetRelationName(open.index)));
    // The look-ups above took a catalog snapshot, which would hold back the horizon.
    InvalidateCatalogSnapshot();
    store::MaintainOptions options = maintain_options(open.index);
    if (seal_any) {
      options.min_seal_rows = 1;
      options.min_seal_age_us = 0;
    }
    PgPager pager(open.index, open.heap, maintenance_access(open.index));
    pager.give_way();
    store::MaintainResult step;
    result.more = maintain_once(pager, options, false, &step);
    if (!result.more) look_at_rest(pager, options, &result);
    SetUserIdAndSecContext(user, context);
    relation_close(open.index, RowExclusiveLock);
    relation_close(open.heap, AccessShareLock);
  }
  CommitTransactionCommand();
  pgstat_report_activity(STATE_IDLE, nullptr);
  return result;
}

StepResult run_index(Oid index, bool seal_any) {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    StepResult const result = run_step(index, seal_any);
    if (!result.more) return result;
  }
}

// All ivf indexes of the database but `first`, in a list that outlives the transaction.
List* list_other_indexes(Oid access_method, Oid first) {
  List* indexes = NIL;
  StartTransactionCommand();
  Relation const classes = table_open(RelationRelationId, AccessShareLock);
  TableScanDesc const scan = table_beginscan_catalog(classes, 0, nullptr);
  for (HeapTuple tuple; (tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr;) {
    Form_pg_class const form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    if (form->relkind != RELKIND_INDEX || form->relam != access_method || form->oid == first) continue;
    if (form->relpersistence == RELPERSISTENCE_TEMP) continue;
    MemoryContext const old = MemoryContextSwitchTo(TopMemoryContext);
    indexes = lappend_oid(indexes, form->oid);
    MemoryContextSwitchTo(old);
  }
  table_endscan(scan);
  table_close(classes, AccessShareLock);
  CommitTransactionCommand();
  return indexes;
}

// Seals the largest growing parts until all together keep to strata.insert_buffer_size.
void keep_to_buffer_size(List* indexes, uint64_t* sizes, uint64_t total) {
  uint64_t const limit = uint64_t(settings.insert_buffer_size_mb) << 20;
  while (total > limit) {
    int largest = 0;
    for (int i = 1; i < list_length(indexes); i++)
      if (sizes[i] > sizes[largest]) largest = i;
    if (sizes[largest] == 0) break;
    run_index(list_nth_oid(indexes, largest), true);
    total -= sizes[largest];
    sizes[largest] = 0;
  }
}

// Serves all indexes once. True when something is about to become due.
bool run_database(List* indexes) {
  bool more_soon = false;
  int const count = list_length(indexes);
  auto* sizes = static_cast<uint64_t*>(MemoryContextAllocZero(TopMemoryContext, sizeof(uint64_t) * size_t(count)));
  uint64_t total = 0;
  for (int i = 0; i < count; i++) {
    StepResult const rest = run_index(list_nth_oid(indexes, i), false);
    more_soon = more_soon || rest.more_soon;
    total += sizes[i] = rest.growing_size;
  }
  keep_to_buffer_size(indexes, sizes, total);
  pfree(sizes);
  return more_soon;
}

void run_worker(WorkerTask const& task) {
  List* const indexes = lcons_oid(task.index, list_other_indexes(task.access_method, task.index));
  for (int round = 0; round < idle_rounds_max && run_database(indexes); round++) {
    int const wait_ms = Min(Max(settings.auto_flush_interval_ms, 1), idle_round_max_ms);
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

}  // namespace

void request_worker(Relation index) {
  if (settings.max_workers == 0 || RecoveryInProgress() || IsBinaryUpgrade || IsParallelWorker()) return;
  if (is_private(index)) return;
  if (has_worker(RelationGetRelid(index))) return;

  BackgroundWorker worker;
  memset(&worker, 0, sizeof worker);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION | interruptible_worker_flag();
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  strlcpy(worker.bgw_library_name, "strata", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "strata_maintenance_main", sizeof worker.bgw_function_name);
  strlcpy(worker.bgw_name, "strata maintenance", sizeof worker.bgw_name);
  strlcpy(worker.bgw_type, "strata maintenance", sizeof worker.bgw_type);
  WorkerTask const task{MyDatabaseId, RelationGetRelid(index), index->rd_rel->relam};
  memcpy(worker.bgw_extra, &task, sizeof task);
  // No slot free: the next look, VACUUM, or the inserter itself will do.
  RegisterDynamicBackgroundWorker(&worker, nullptr);
}

}  // namespace strata::pg

void strata_maintenance_main(Datum /* argument */) {
  using namespace strata::pg;
  WorkerTask task;
  memcpy(&task, MyBgworkerEntry->bgw_extra, sizeof task);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnectionByOid(task.database, InvalidOid, 0);
  if (!RecoveryInProgress() && take_for_life(index_tag(task.index)) && take_slot()) run_worker(task);
  proc_exit(0);
}
