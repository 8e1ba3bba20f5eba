#include "pg/worker/maintenance.hpp"

#include "pg/am/am_options.hpp"
#include "pg/am/index_stats.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/settings.hpp"
#include "pg/worker/failures.hpp"
#include "pg/worker/schedule.hpp"
#include "pg/worker/window.hpp"
#include "pg/worker/worker.hpp"
#include "store/outlook.hpp"

namespace strata::pg {
namespace {

constexpr uint32_t vacuum_steps_max = 16;
constexpr uint64_t vacuum_rows_max = 2000000;            // rewritten in one VACUUM of one index
constexpr int64_t look_again_us = 10 * USECS_PER_SEC;    // rows that come later may make a seal due sooner
constexpr int64_t flush_us = 60 * USECS_PER_SEC;         // hits are added to the manifest no more often
constexpr int64_t flush_asked_us = 600 * USECS_PER_SEC;  // and, where nothing but searches happens, not less often
constexpr int look_at_all_ms = 60000;
constexpr uint64_t overflow_factor = 2;  // times insert_buffer: nobody seals, so the inserter does

// The last look of this backend. One index is remembered: sessions that write to many look more often.
struct LastLook {
  Oid index;
  TimestampTz at;
  TimestampTz at_all;  // also at what is due beside sealing
};
LastLook last_look;

bool is_time_to_look(Relation index) {
  TimestampTz const now = GetCurrentTimestamp();
  bool const same = last_look.index == RelationGetRelid(index);
  if (same && !TimestampDifferenceExceeds(last_look.at, now, settings.auto_flush_interval_ms)) return false;
  last_look = {RelationGetRelid(index), now, same ? last_look.at_all : 0};
  return true;
}

// More rarely: what is due may be impossible, and a worker called for it in vain.
bool is_time_to_look_at_all() {
  TimestampTz const now = GetCurrentTimestamp();
  if (!TimestampDifferenceExceeds(last_look.at_all, now, look_at_all_ms)) return false;
  last_look.at_all = now;
  return true;
}

void seal_here(Relation index, Relation heap, store::MaintainOptions options) {
  options.train = options.merge = false;
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf seal", ALLOCSET_DEFAULT_SIZES);
  PgPager pager(index, heap, PageAccess::random, MAIN_FORKNUM, context);
  pager.lock(store::LockName::merge);
  // Whoever held the lock may have done it.
  store::Outlook outlook;
  report(store::look_ahead(pager, options, &outlook));
  if (outlook.growing_bytes >= options.insert_buffer_bytes) {
    store::RewriteResult sealed;
    report(store::flush(pager, &sealed));
  }
  pager.unlock(store::LockName::merge);
  MemoryContextDelete(context);
}

}  // namespace

void flush_access(PgPager& pager, int64_t interval_us) {
  AccessSlot* const slot = access_slot(pager.index(), false);
  TimestampTz const now = GetCurrentTimestamp();
  if (!slot || !take_turn(slot, now, interval_us)) return;
  auto* const counts = static_cast<store::HitCount*>(pager.allocate(sizeof(store::HitCount) * access_segments_max));
  uint32_t const count = take_hits(slot, now, counts);
  if (count > 0) report(store::record_hits(pager, counts, count));
  pager.release(counts);
}

void call_for_flush(Relation index, AccessSlot* slot) {
  if (settings.auto_flush_interval_ms == 0 || RecoveryInProgress() || is_private(index)) return;
  TimestampTz const now = GetCurrentStatementStartTimestamp();
  if (!ask_turn(slot, now, flush_asked_us)) return;
  if (has_schedule())
    visit_no_later_than(now);
  else
    request_worker(index);
}

PageAccess maintenance_access(Relation index) {
  return RelationGetNumberOfBlocks(index) > BlockNumber(NBuffers) / 4 ? PageAccess::bulk_write : PageAccess::random;
}

store::MaintainOptions maintain_options(Relation index) {
  IndexOptions const from = index_options(index);
  store::MaintainOptions options;
  options.insert_buffer_bytes = uint64_t(from.insert_buffer_mb) << 20;
  options.min_seal_rows = uint64_t(from.min_seal_rows);
  options.min_seal_age_us = int64_t(settings.auto_flush_interval_ms) * 1000;
  options.max_growing_age_us = int64_t(from.max_growing_age_s) * USECS_PER_SEC;
  options.segment_bytes = uint64_t(from.segment_size_mb) << 20;
  options.compact_threshold = from.compact_threshold;
  options.spill = store::Spill(from.spill);
  options.memory_max_bytes = size_t(maintenance_work_mem) * 1024;
  return options;
}

void keep_to_window(store::MaintainOptions* options) {
  if (!window_is_open()) options->train = options->merge = false;
}

TimestampTz next_seal(store::Outlook const& outlook, store::MaintainOptions const& options) {
  if (outlook.growing_rows == 0) return DT_NOEND;
  bool const enough = outlook.growing_rows >= options.min_seal_rows;
  return outlook.growing_since + (enough ? options.min_seal_age_us : options.max_growing_age_us);
}

bool maintain_once(PgPager& pager, store::MaintainOptions const& options, bool wait, store::MaintainResult* result) {
  *result = store::MaintainResult{};
  if (wait)
    pager.lock(store::LockName::merge);
  else if (!pager.try_lock(store::LockName::merge))
    return false;
  report(store::drop_unfinished(pager));
  flush_access(pager, flush_us);
  report(store::maintain(pager, options, result));
  pager.unlock(store::LockName::merge);
  return result->step != store::Step::nothing;
}

void maintain_after_insert(Relation index, Relation heap, bool first_row) {
  if (settings.auto_flush_interval_ms == 0) return;
  if (!is_time_to_look(index) && first_row) return;
  store::MaintainOptions const options = maintain_options(index);
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf look", ALLOCSET_SMALL_SIZES);
  PgPager pager(index, heap, PageAccess::random, MAIN_FORKNUM, context);
  store::Outlook outlook;
  store::RestOutlook rewriting{};
  report(store::look_ahead(pager, options, &outlook));
  if (!outlook.seal_due && !has_schedule() && is_time_to_look_at_all()) {
    // What a worker had to leave, as somebody wanted the table or it was ended: no launcher comes back for it.
    store::MaintainOptions open_options = options;
    keep_to_window(&open_options);
    report(store::look_at_rest(pager, open_options, &rewriting));
  }
  MemoryContextDelete(context);
  if (!outlook.seal_due && !rewriting.due_now) {
    // Should this be the last insert for long, the launcher sees to it.
    TimestampTz const look_at = GetCurrentTimestamp() + Max(options.min_seal_age_us, look_again_us);
    if (has_schedule() && !is_private(index)) visit_no_later_than(Min(next_seal(outlook, options), look_at));
    return;
  }
  request_worker(index);
  // An apply worker that stops to seal would hold up replication.
  if (outlook.growing_bytes >= overflow_factor * options.insert_buffer_bytes && !IsLogicalWorker())
    seal_here(index, heap, options);
}

namespace {

void seal_indexes(Relation heap) {
  ListCell* cell;
  List* const indexes = RelationGetIndexList(heap);
  foreach (cell, indexes) {
    OpenIndex const open = open_ivf_index(lfirst_oid(cell), RowExclusiveLock, Missing::ignore);
    if (!open.index) continue;
    store::MaintainOptions options = maintain_options(open.index);
    // Not later, when they are older: nothing more is about to come.
    options.min_seal_age_us = 0;
    options.train = options.merge = false;
    MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf seal", ALLOCSET_DEFAULT_SIZES);
    PgPager pager(open.index, open.heap, maintenance_access(open.index), MAIN_FORKNUM, context);
    store::Outlook outlook;
    report(store::look_ahead(pager, options, &outlook));
    if (outlook.seal_due) {
      store::MaintainResult result;
      maintain_once(pager, options, false, &result);
      request_worker(open.index);
    }
    MemoryContextDelete(context);
    close_ivf_index(open, RowExclusiveLock);
  }
  list_free(indexes);
}

}  // namespace

void seal_after_import(List* tables) {
  ListCell* cell;
  foreach (cell, tables) {
    Relation const table = try_relation_open(lfirst_oid(cell), RowExclusiveLock);
    if (!table) continue;
    seal_indexes(table);
    relation_close(table, NoLock);
  }
}

namespace {

bool can_call_worker(Relation index) {
  return settings.auto_flush_interval_ms > 0 && settings.max_workers > 0 && !is_private(index);
}

// What VACUUM leaves undone, because it is much, too young, or still to be read by somebody, is a worker's: after the
// last insert nobody else looks for long.
void call_for_the_rest(Relation index, Relation heap, store::MaintainOptions const& options, MemoryContext context) {
  if (!can_call_worker(index)) return;
  PgPager pager(index, heap, PageAccess::random, MAIN_FORKNUM, context);
  store::RestOutlook at_rest;
  report(store::look_at_rest(pager, options, &at_rest));
  store::Outlook outlook;
  report(store::look_ahead(pager, options, &outlook));
  if (!at_rest.due && outlook.growing_rows < options.min_seal_rows && index_stats(index).waiting_count == 0) return;
  if (has_schedule())
    visit_no_later_than(GetCurrentTimestamp());
  else
    request_worker(index);
}

// Maintenance within VACUUM.
struct VacuumTurn {
  Relation index;
  Relation heap;
  store::MaintainOptions options;
  MemoryContext context;
};

void run_vacuum_steps(VacuumTurn const& turn) {
  PgPager hits_pager(turn.index, turn.heap, PageAccess::random, MAIN_FORKNUM, turn.context);
  flush_access(hits_pager, 0);
  uint64_t rows = 0;
  for (uint32_t step = 0; step < vacuum_steps_max && rows < vacuum_rows_max; step++) {
    PgPager pager(turn.index, turn.heap, maintenance_access(turn.index), MAIN_FORKNUM, turn.context);
    store::MaintainResult result;
    if (!maintain_once(pager, turn.options, false, &result)) break;
    bool const counts_pages = result.step == store::Step::reclaimed || result.step == store::Step::moved ||
                              result.step == store::Step::truncated;
    if (!counts_pages) rows += result.row_count;
    MemoryContextReset(turn.context);
    vacuum_delay(false);
  }
}

void run_vacuum_turn(void* turn) {
  run_vacuum_steps(*static_cast<VacuumTurn const*>(turn));
}

}  // namespace

void maintain_in_vacuum(Relation index, Relation heap) {
  if (IsParallelWorker()) return;
  store::MaintainOptions options = maintain_options(index);
  keep_to_window(&options);
  options.settle = true;
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf maintenance", ALLOCSET_DEFAULT_SIZES);
  VacuumTurn turn{index, heap, options, context};
  // VACUUM is what makes room on a full disk, and must not fail because there is none for a new segment. In parallel
  // mode there are no subtransactions, and no truncation either.
  if (!IsInParallelMode()) {
    Failure failure;
    if (!run_while_room(run_vacuum_turn, &turn, &failure))
      ereport(WARNING, (errcode(failure.sqlstate), errmsg("maintenance of index \"%s\" is left for later: %s",
                                                          RelationGetRelationName(index), failure.message)));
    // Nor can the file be cut off from within a subtransaction.
    turn.options.seal = turn.options.train = turn.options.merge = false;
    run_vacuum_steps(turn);
  } else if (!can_call_worker(index)) {
    run_vacuum_steps(turn);
  }
  call_for_the_rest(index, heap, options, context);
  MemoryContextDelete(context);
}

}  // namespace strata::pg
