#include "pg/worker/database_work.hpp"

#include <algorithm>

#include "pg/am/am_callbacks.hpp"
#include "pg/am/index_stats.hpp"
#include "pg/dedup/expire.hpp"
#include "pg/inspect/trash.hpp"
#include "pg/settings.hpp"
#include "pg/tier/tiering.hpp"
#include "pg/version/collector.hpp"
#include "pg/worker/failures.hpp"
#include "pg/worker/give_way.hpp"
#include "pg/worker/maintenance.hpp"
#include "pg/worker/schedule.hpp"
#include "pg/worker/table_jobs.hpp"
#include "pg/worker/window.hpp"
#include "store/outlook.hpp"

namespace strata::pg {
namespace {

constexpr int64_t no_extension_us = int64_t(300) * USECS_PER_SEC;
constexpr int64_t growing_us = 10 * USECS_PER_SEC;  // rows may come that nobody reports
constexpr int64_t retired_us = 30 * USECS_PER_SEC;  // old snapshots end when they end
constexpr int64_t in_use_us = 5 * USECS_PER_SEC;
constexpr int64_t closed_window_us = 60 * USECS_PER_SEC;
constexpr int idle_rounds_max = 3;
constexpr int idle_round_max_ms = 1000;  // less than DROP DATABASE waits for others to leave
constexpr int quiet_rounds = 5;          // without new rows: the index is at rest
constexpr int rest_rounds_max = 30;      // of quiet: work that old snapshots still hold up is left for later
constexpr int64_t unrested_us = 60 * USECS_PER_SEC;
constexpr int64_t unnoted_us = 60 * USECS_PER_SEC;  // after a failure that could not even be written down

// Indexes are at rest each for itself, whatever goes on in others or in other databases: what a worker does for one at
// rest is bounded, by the bytes it wrote first as by the settings for workers, and must not wait for a busy neighbour.
struct IndexWatch {
  uint64_t rows_come;
  bool due;   // there is work for times of rest
  int quiet;  // rounds without new rows
};

// What is left when no step was to be taken.
struct Rest {
  bool more_soon;  // something is about to become due
  uint64_t growing_size;
  TimestampTz next_look;
  store::RestOutlook at_rest;
};

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

void look_at_what_is_left(PgPager& pager, store::MaintainOptions const& options, Rest* rest) {
  store::Outlook outlook;
  report(store::look_ahead(pager, options, &outlook));
  IndexStats const stats = index_stats(pager.index());
  TimestampTz const now = GetCurrentTimestamp();
  report(store::look_at_rest(pager, options, &rest->at_rest));
  rest->growing_size = stats.growing_size;
  rest->more_soon = stats.waiting_count > 0 || outlook.growing_rows >= options.min_seal_rows;
  rest->next_look = next_seal(outlook, options);
  if (outlook.growing_rows > 0) rest->next_look = std::min(rest->next_look, now + growing_us);
  if (stats.waiting_count > 0) rest->next_look = std::min(rest->next_look, now + retired_us);
  if (!window_is_open()) rest->next_look = std::min(rest->next_look, now + closed_window_us);
  // On a quiet server nobody else moves the horizon past what was retired last.
  if (stats.waiting_count > 0 && stats.newest_retired_xid >= pager.next_xid()) GetCurrentTransactionId();
}

// One index's turn.
struct Turn {
  Oid index;
  bool seal_any;  // however small the growing part is
  bool at_rest;   // no rows come
  Rest rest;
};

void name_index(void* name) {
  errcontext("maintenance of index \"%s\"", static_cast<char const*>(name));
}

// One step, in a transaction. True when something was done.
bool run_step(Turn& turn) {
  bool more = false;
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  Opened const open = open_for_work(turn.index);
  if (open.index) {
    ErrorContextCallback context_of_errors{error_context_stack, name_index, RelationGetRelationName(open.index)};
    error_context_stack = &context_of_errors;
    // Whatever user code maintenance might ever reach runs as the owner of the table.
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(open.heap->rd_rel->relowner, context | SECURITY_RESTRICTED_OPERATION);
    // The look-ups above took a catalog snapshot, which would hold back the horizon.
    InvalidateCatalogSnapshot();
    store::MaintainOptions options = maintain_options(open.index);
    keep_to_window(&options);
    options.at_rest = turn.at_rest;
    if (turn.seal_any) {
      options.min_seal_rows = 1;
      options.min_seal_age_us = 0;
    }
    PgPager pager(open.index, open.heap, maintenance_access(open.index));
    pager.give_way();
    store::MaintainResult step;
    more = maintain_once(pager, options, false, &step);
    if (!more) look_at_what_is_left(pager, options, &turn.rest);
    SetUserIdAndSecContext(user, context);
    error_context_stack = context_of_errors.previous;
    relation_close(open.index, RowExclusiveLock);
    relation_close(open.heap, AccessShareLock);
  }
  CommitTransactionCommand();
  pgstat_report_stat(false);
  return more;
}

void run_turn(void* argument) {
  auto* const turn = static_cast<Turn*>(argument);
  do {
    CHECK_FOR_INTERRUPTS();
    if (is_database_wanted()) proc_exit(0);
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    note_task(store::Task::none, nullptr, 0);
  } while (run_step(*turn));
}

void idle() {
  begin_progress(InvalidOid);
  pgstat_report_activity(STATE_IDLE, nullptr);
  set_ps_display("idle");
}

struct Outcome {
  Job job;
  bool ok;
  Failure failure;
};

void run_note(void* argument) {
  auto const* const outcome = static_cast<Outcome const*>(argument);
  StartTransactionCommand();
  if (outcome->ok)
    forget_failure(outcome->job);
  else
    record_failure(outcome->job, outcome->failure);
  CommitTransactionCommand();
}

// run(argument), unless the last failure of the job was not long ago.
bool try_job(Job const& job, void (*run)(void*), void* argument, TimestampTz* again_at) {
  StartTransactionCommand();
  TimestampTz const known = next_try(job);
  CommitTransactionCommand();
  if (known > GetCurrentTimestamp()) {
    *again_at = known;
    return false;
  }
  Outcome outcome{job, false, {}};
  begin_progress(job.relation);
  outcome.ok = run_guarded(run, argument, &outcome.failure);
  // What made the job fail may keep the note from being written; others get their turn all the same.
  Failure why_not;
  bool const noted = (outcome.ok && known == 0) || run_guarded(run_note, &outcome, &why_not);
  idle();
  if (!outcome.ok) *again_at = GetCurrentTimestamp() + (noted ? USECS_PER_SEC : unnoted_us);
  return outcome.ok;
}

Rest serve_index(Oid index, bool seal_any, bool at_rest) {
  Turn turn{index, seal_any, at_rest, {false, 0, DT_NOEND, {}}};
  TimestampTz again_at = DT_NOEND;
  if (!try_job({index, maintenance_job}, run_turn, &turn, &again_at)) return {false, 0, again_at, {}};
  return turn.rest;
}

// What is due when nothing else is: tables in the trash whose time is over, one transaction each.
struct Removal {
  Oid table;
  bool done;
};

void run_removal(void* argument) {
  auto* const removal = static_cast<Removal*>(argument);
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  removal->done = remove_dropped_table(removal->table);
  PopActiveSnapshot();
  CommitTransactionCommand();
}

// Returns when to come back.
TimestampTz empty_trash() {
  TimestampTz next;
  StartTransactionCommand();
  List* const expired = list_expired_trash(&next);
  CommitTransactionCommand();
  for (int i = 0; i < list_length(expired); i++) {
    Removal removal{list_nth_oid(expired, i), false};
    TimestampTz again_at = DT_NOEND;
    if (try_job({removal.table, "remove"}, run_removal, &removal, &again_at) && !removal.done)
      again_at = GetCurrentTimestamp() + in_use_us;
    next = std::min(next, again_at);
  }
  list_free(expired);
  return next;
}

void run_collection(void* next) {
  *static_cast<TimestampTz*>(next) = collect_versions();
}

// Versions of tables whose time is over. Returns when to come back: for the next version, or after a failure, which is
// shown under the catalog of versioned tables.
TimestampTz collect_versions_due() {
  StartTransactionCommand();
  Oid const space = get_namespace_oid("strata", true);
  Oid const catalog = OidIsValid(space) ? get_relname_relid("versioned_table", space) : InvalidOid;
  CommitTransactionCommand();
  TimestampTz next = DT_NOEND;
  TimestampTz again_at = DT_NOEND;
  if (OidIsValid(catalog)) try_job({catalog, "collect"}, run_collection, &next, &again_at);
  return std::min(next, again_at);
}

struct Expiry {
  Oid table;
  TimestampTz next;
};

void run_expiry(void* argument) {
  auto* const expiry = static_cast<Expiry*>(argument);
  expiry->next = expire_gate(expiry->table);
}

// Claims of gates whose time is over, one transaction a table. Returns when to come back.
TimestampTz expire_claims_due() {
  TimestampTz next = DT_NOEND;
  StartTransactionCommand();
  MemoryContext const old = MemoryContextSwitchTo(TopMemoryContext);
  List* const tables = list_expiring_gates();
  MemoryContextSwitchTo(old);
  CommitTransactionCommand();
  for (int i = 0; i < list_length(tables); i++) {
    Expiry expiry{list_nth_oid(tables, i), DT_NOEND};
    TimestampTz again_at = DT_NOEND;
    try_job({expiry.table, "expire"}, run_expiry, &expiry, &again_at);
    next = std::min(next, std::min(expiry.next, again_at));
  }
  list_free(tables);
  return next;
}

void run_tiering(void* table) {
  while (run_tiering_step(*static_cast<Oid*>(table))) {
    CHECK_FOR_INTERRUPTS();
    if (is_database_wanted()) proc_exit(0);
  }
  note_tiering(*static_cast<Oid*>(table));
}

// Moves between tiers that policies want. Returns when to come back.
TimestampTz move_tiers_due() {
  TimestampTz next = DT_NOEND;
  if (!window_is_open()) return next;
  StartTransactionCommand();
  MemoryContext const old = MemoryContextSwitchTo(TopMemoryContext);
  List* const tables = list_tiering_due();
  MemoryContextSwitchTo(old);
  CommitTransactionCommand();
  for (int i = 0; i < list_length(tables); i++) {
    Oid table = list_nth_oid(tables, i);
    TimestampTz again_at = DT_NOEND;
    try_job({table, "tier"}, run_tiering, &table, &again_at);
    next = std::min(next, again_at);
  }
  list_free(tables);
  return next;
}

// What SQL functions do to tables, step by step, for a while. Returns when to come back, and in *more whether something
// that is due was interrupted.
TimestampTz run_table_jobs_due(bool* more) {
  StartTransactionCommand();
  List* const jobs = list_table_jobs(TopMemoryContext);
  CommitTransactionCommand();
  TimestampTz next = DT_NOEND;
  bool const is_open = window_is_open();
  for (int i = 0; i < list_length(jobs); i++) {
    auto* const job = static_cast<TableJob*>(list_nth(jobs, i));
    TimestampTz const now = GetCurrentTimestamp();
    if (job->due > now) {
      next = std::min(next, job->due);
    } else if (!is_open) {
      next = std::min(next, now + closed_window_us);
    } else {
      TimestampTz again_at = DT_NOEND;
      TableTurn turn{job, false};
      if (try_job({job->table, job->name}, run_table_turn, &turn, &again_at) && turn.more) *more = true;
      next = std::min(next, again_at);
    }
  }
  list_free_deep(jobs);
  return next;
}

// All ivf indexes, `first` before the others, in a list that outlives the transaction; NIL without the extension.
List* list_indexes(Oid first, bool* has_extension) {
  List* indexes = NIL;
  StartTransactionCommand();
  Oid const access_method = get_index_am_oid("ivf", true);
  *has_extension = OidIsValid(get_extension_oid("strata", true)) && OidIsValid(access_method);
  if (*has_extension) {
    Relation const classes = table_open(RelationRelationId, AccessShareLock);
    TableScanDesc const scan = table_beginscan_catalog(classes, 0, nullptr);
    for (HeapTuple tuple; (tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr;) {
      Form_pg_class const form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
      if (form->relkind != RELKIND_INDEX || form->relam != access_method) continue;
      if (form->relpersistence == RELPERSISTENCE_TEMP) continue;
      MemoryContext const old = MemoryContextSwitchTo(TopMemoryContext);
      indexes = form->oid == first ? lcons_oid(form->oid, indexes) : lappend_oid(indexes, form->oid);
      MemoryContextSwitchTo(old);
    }
    table_endscan(scan);
    table_close(classes, AccessShareLock);
  }
  CommitTransactionCommand();
  return indexes;
}

// Seals the largest growing parts until all together keep to strata.insert_buffer_size. When the largest of the server
// is in another database, that is its worker's work.
void keep_to_buffer_size(List* indexes, uint64_t* sizes) {
  uint64_t const limit = uint64_t(settings.insert_buffer_size_mb) << 20;
  Oid other;
  GrowingSizes const elsewhere = growing_elsewhere(&other);
  uint64_t total = 0;
  for (int i = 0; i < list_length(indexes); i++) total += sizes[i];
  for (;;) {
    int largest = 0;
    for (int i = 1; i < list_length(indexes); i++)
      if (sizes[i] > sizes[largest]) largest = i;
    note_growing({total, indexes ? sizes[largest] : 0});
    if (total + elsewhere.total <= limit) break;
    if (elsewhere.largest > sizes[largest]) {
      visit_now(other);
      break;
    }
    if (sizes[largest] == 0) break;
    serve_index(list_nth_oid(indexes, largest), true, false);
    total -= sizes[largest];
    sizes[largest] = 0;
  }
}

// Serves everything once. Returns what is left, of all indexes together.
Rest serve_once(List* indexes, IndexWatch* watches) {
  Rest left{false, 0, DT_NOEND, {}};
  int const count = list_length(indexes);
  auto* sizes = static_cast<uint64_t*>(MemoryContextAllocZero(TopMemoryContext, sizeof(uint64_t) * size_t(count + 1)));
  for (int i = 0; i < count; i++) {
    IndexWatch& watch = watches[i];
    Rest const rest = serve_index(list_nth_oid(indexes, i), false, watch.quiet >= quiet_rounds);
    left.more_soon = left.more_soon || rest.more_soon;
    left.next_look = std::min(left.next_look, rest.next_look);
    watch = {rest.at_rest.rows_come, rest.at_rest.due, rest.at_rest.rows_come == watch.rows_come ? watch.quiet + 1 : 0};
    sizes[i] = rest.growing_size;
  }
  keep_to_buffer_size(indexes, sizes);
  pfree(sizes);
  left.next_look = std::min(left.next_look, empty_trash());
  return left;
}

void sleep_a_round(int wait_ms) {
  sleep_ms(Sleep::worker_idle, std::min(wait_ms, idle_round_max_ms));
  CHECK_FOR_INTERRUPTS();
  if (is_database_wanted()) proc_exit(0);
}

// Stays while there is work for times of rest, until no rows have come to an index for a while, and does it then.
// Returns when to come back; *more: at once, rows still come.
TimestampTz serve_at_rest(List* indexes, IndexWatch* watches, Rest left, bool* more) {
  int const wait_ms = settings.auto_flush_interval_ms > 0 ? settings.auto_flush_interval_ms : idle_round_max_ms;
  int const count = list_length(indexes);
  bool due = false;
  for (int i = 0; i < count; i++) watches[i].quiet = 0;
  for (int round = 0; round < 2 * rest_rounds_max; round++) {
    int least_quiet = rest_rounds_max;
    due = *more = false;
    for (int i = 0; i < count; i++) {
      least_quiet = std::min(least_quiet, watches[i].quiet);
      if (!watches[i].due) continue;
      due = true;
      *more = *more || watches[i].quiet < rest_rounds_max;
    }
    bool const replaced_waits = left.more_soon && least_quiet >= quiet_rounds && least_quiet < rest_rounds_max;
    if (due ? !*more : !replaced_waits) break;
    sleep_a_round(wait_ms);
    left = serve_once(indexes, watches);
  }
  return due ? GetCurrentTimestamp() + unrested_us : left.next_look;
}

TimestampTz work_once(Oid first, bool* more) {
  bool has_extension;
  List* const indexes = list_indexes(first, &has_extension);
  if (!has_extension) return GetCurrentTimestamp() + no_extension_us;
  idle();
  auto* watches = static_cast<IndexWatch*>(
      MemoryContextAllocZero(TopMemoryContext, sizeof(IndexWatch) * size_t(list_length(indexes) + 1)));
  Rest left = serve_once(indexes, watches);
  for (int round = 0; left.more_soon && round < idle_rounds_max; round++) {
    sleep_a_round(std::max(settings.auto_flush_interval_ms, 1));
    left = serve_once(indexes, watches);
  }
  TimestampTz next_look = collect_versions_due();
  next_look = std::min(next_look, expire_claims_due());
  next_look = std::min(next_look, move_tiers_due());
  next_look = std::min(next_look, run_table_jobs_due(more));
  StartTransactionCommand();
  next_look = std::min(next_look, sweep_failures());
  CommitTransactionCommand();
  next_look = std::min(next_look, *more ? left.next_look : serve_at_rest(indexes, watches, left, more));
  pfree(watches);
  list_free(indexes);
  return next_look;
}

}  // namespace

TimestampTz work_in_database(Oid first) {
  for (;;) {
    bool more = false;
    TimestampTz const next_look = work_once(first, &more);
    if (!more) return next_look;
  }
}

}  // namespace strata::pg
