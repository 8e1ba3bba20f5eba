#include "pg/worker/schedule.hpp"

namespace strata::pg {
namespace {

struct Visit {
  Oid database;
  TimestampTz at;
  GrowingSizes growing;
};

struct Schedule {
  slock_t lock;
  Latch* launcher;  // null: none runs
  TimestampTz launcher_wakes_at;
  int visit_count;
  Visit visits[scheduled_databases_max];
};

Schedule* schedule;
shmem_request_hook_type next_request_hook;
shmem_startup_hook_type next_startup_hook;

void request_memory() {
  if (next_request_hook) next_request_hook();
  RequestAddinShmemSpace(MAXALIGN(sizeof(Schedule)));
}

void start_memory() {
  if (next_startup_hook) next_startup_hook();
  bool found;
  schedule = static_cast<Schedule*>(ShmemInitStruct("strata schedule", sizeof(Schedule), &found));
  if (found) return;
  memset(schedule, 0, sizeof *schedule);
  SpinLockInit(&schedule->lock);
}

// Under the lock. Null when there is no room: the launcher then visits the database as if nobody had.
Visit* visit_of(Oid database, bool make) {
  for (int i = 0; i < schedule->visit_count; i++)
    if (schedule->visits[i].database == database) return &schedule->visits[i];
  if (!make || schedule->visit_count == scheduled_databases_max) return nullptr;
  Visit* const fresh = &schedule->visits[schedule->visit_count++];
  *fresh = {database, DT_NOEND, {0, 0}};
  return fresh;
}

}  // namespace

void request_schedule() {
  next_request_hook = shmem_request_hook;
  shmem_request_hook = request_memory;
  next_startup_hook = shmem_startup_hook;
  shmem_startup_hook = start_memory;
}

bool has_schedule() {
  return schedule != nullptr;
}

namespace {

// change(TimestampTz at) -> the new time of the next visit. Wakes the launcher when that is sooner than it expects.
template <class Change>
void change_visit(Oid database, Change&& change) {
  if (!schedule) return;
  TimestampTz at = DT_NOEND;
  SpinLockAcquire(&schedule->lock);
  if (Visit* const visit = visit_of(database, true)) at = visit->at = change(visit->at);
  Latch* const launcher = at < schedule->launcher_wakes_at ? schedule->launcher : nullptr;
  SpinLockRelease(&schedule->lock);
  if (launcher && launcher != MyLatch) SetLatch(launcher);
}

}  // namespace

void visit_no_later_than(TimestampTz at) {
  change_visit(MyDatabaseId, [at](TimestampTz old) { return Min(old, at); });
}

void begin_visit(Oid database, TimestampTz at) {
  change_visit(database, [at](TimestampTz) { return at; });
}

void end_visit(TimestampTz begun, TimestampTz at) {
  change_visit(MyDatabaseId, [begun, at](TimestampTz old) { return old == begun ? at : Min(old, at); });
}

void note_growing(GrowingSizes const& sizes) {
  if (!schedule) return;
  SpinLockAcquire(&schedule->lock);
  if (Visit* const visit = visit_of(MyDatabaseId, true)) visit->growing = sizes;
  SpinLockRelease(&schedule->lock);
}

GrowingSizes growing_elsewhere(Oid* owner) {
  GrowingSizes sizes{0, 0};
  *owner = InvalidOid;
  if (!schedule) return sizes;
  SpinLockAcquire(&schedule->lock);
  for (int i = 0; i < schedule->visit_count; i++) {
    Visit const& visit = schedule->visits[i];
    if (visit.database == MyDatabaseId) continue;
    sizes.total += visit.growing.total;
    if (visit.growing.largest <= sizes.largest) continue;
    sizes.largest = visit.growing.largest;
    *owner = visit.database;
  }
  SpinLockRelease(&schedule->lock);
  return sizes;
}

void visit_now(Oid database) {
  TimestampTz const now = GetCurrentTimestamp();
  change_visit(database, [now](TimestampTz old) { return Min(old, now); });
}

TimestampTz next_visit(Oid database) {
  SpinLockAcquire(&schedule->lock);
  Visit const* const visit = visit_of(database, false);
  TimestampTz const at = visit ? visit->at : DT_NOBEGIN;
  SpinLockRelease(&schedule->lock);
  return at;
}

void keep_visits(Oid const* databases, int count) {
  SpinLockAcquire(&schedule->lock);
  int kept = 0;
  for (int i = 0; i < schedule->visit_count; i++) {
    bool exists = false;
    for (int j = 0; j < count && !exists; j++) exists = databases[j] == schedule->visits[i].database;
    if (exists) schedule->visits[kept++] = schedule->visits[i];
  }
  schedule->visit_count = kept;
  SpinLockRelease(&schedule->lock);
}

void launcher_sleeps_until(TimestampTz at) {
  SpinLockAcquire(&schedule->lock);
  schedule->launcher = MyLatch;
  schedule->launcher_wakes_at = at;
  SpinLockRelease(&schedule->lock);
}

}  // namespace strata::pg
