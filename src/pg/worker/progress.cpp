#include "pg/worker/progress.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"

namespace strata::pg {
namespace {

// Not one of ProgressCommandType, on purpose.
constexpr auto progress_command = static_cast<ProgressCommandType>(0x5354);

enum Slot : int {
  task_slot = 0,
  phase_slot = 1,
  done_slot = 2,
  total_slot = 3,
  task_since_slot = 4,
  phase_since_slot = 5,
  worker_slot = 6,
  input_count_slot = 7,
  first_input_slot = 8,  // two ids in each
};
static_assert(first_input_slot + progress_inputs_max / 2 <= PGSTAT_NUM_PROGRESS_PARAM);

// Behind those that CREATE INDEX uses, of which the blocks of its scan are the last. All are 0 when a command starts.
enum BuildSlot : int {
  build_slot = 17,  // phase << 32 | index, in one so that nobody reads a phase of another index; 0: none
  build_since_slot = 18,
  build_phase_since_slot = 19,
};
static_assert(build_slot > PROGRESS_SCAN_BLOCKS_DONE && build_slot > PROGRESS_CREATEIDX_PARTITIONS_DONE);
static_assert(build_phase_since_slot < PGSTAT_NUM_PROGRESS_PARAM);

char const* const task_names[] = {nullptr, "reclaim",   "seal", "merge",   "compact", "carry", "discard",
                                  "train", "calibrate", "tier", "archive", "move",    "build"};
static_assert(lengthof(task_names) == uint32_t(build_task) + 1);

char const* const phase_names[] = {nullptr, "sample",  "cluster", "place",   "write", "publish",
                                   "query", "reclaim", "mark",    "archive", "move",  "sort"};
static_assert(lengthof(phase_names) == uint32_t(sort_phase) + 1);

constexpr char build_point[] = "build";

bool is_worker;

bool is_shown() {
  return MyBEEntry && MyBEEntry->st_progress_command == progress_command;
}

bool is_shown_as_build() {
  return MyBEEntry && MyBEEntry->st_progress_command == PROGRESS_COMMAND_CREATE_INDEX;
}

void show_activity(store::Task task) {
  char const* const name = task_name(task);
  Oid const index = MyBEEntry->st_progress_command_target;
  if (!name || !IsTransactionState()) return;
  char const* const relation = get_rel_name(index);
  char const* const space = relation ? get_namespace_name(get_rel_namespace(index)) : nullptr;
  // The look-ups took a catalog snapshot, which would hold back the horizon.
  InvalidateCatalogSnapshot();
  if (!space) return;
  char const* const kind = uint32_t(task) < store::task_count ? "index" : "table";
  char* const text = psprintf("%s %s %s", name, kind, quote_qualified_identifier(space, relation));
  pgstat_report_activity(STATE_RUNNING, text);
  set_ps_display(text);
  pfree(text);
}

void wait_when_asked(char const* point) {
  char const* const stop = settings.debug_wait_at;
  if (!stop || !*stop || !point || strcmp(stop, point) != 0) return;
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, debug_lock_key, 1);
  LockAcquire(&tag, ShareLock, /* sessionLock */ false, /* dontWait */ false);
  LockRelease(&tag, ShareLock, /* sessionLock */ false);
}

Progress work_of(PgBackendStatus const& status) {
  int64 const* const values = status.st_progress_param;
  Progress progress{};
  progress.index = status.st_progress_command_target;
  progress.is_worker = values[worker_slot] != 0;
  progress.task = store::Task(values[task_slot]);
  progress.phase = store::Phase(values[phase_slot]);
  progress.counts = true;
  progress.done = uint64_t(values[done_slot]);
  progress.total = uint64_t(values[total_slot]);
  progress.task_since = values[task_since_slot];
  progress.phase_since = values[phase_since_slot];
  progress.input_count = uint32_t(Min(values[input_count_slot], int64(progress_inputs_max)));
  for (uint32_t input = 0; input < progress.input_count; input++) {
    uint64_t const pair = uint64_t(values[first_input_slot + int(input / 2)]);
    progress.inputs[input] = uint32_t(input % 2 ? pair : pair >> 32);
  }
  return progress;
}

Progress build_of(PgBackendStatus const& status) {
  int64 const* const values = status.st_progress_param;
  Progress progress{};
  progress.index = Oid(values[build_slot]);
  progress.table = status.st_progress_command_target;
  progress.task = build_task;
  progress.phase = store::Phase(values[build_slot] >> 32);
  // In the others the counts are those of the phase before, which the server goes on to show.
  progress.counts = progress.phase == store::Phase::place || progress.phase == store::Phase::write;
  if (progress.counts) {
    progress.done = uint64_t(values[PROGRESS_CREATEIDX_TUPLES_DONE]);
    progress.total = uint64_t(values[PROGRESS_CREATEIDX_TUPLES_TOTAL]);
  }
  progress.task_since = values[build_since_slot];
  progress.phase_since = values[build_phase_since_slot];
  return progress;
}

}  // namespace

char const* task_name(store::Task task) {
  return uint32_t(task) < lengthof(task_names) ? task_names[uint32_t(task)] : nullptr;
}

char const* phase_name(store::Phase phase) {
  return uint32_t(phase) < lengthof(phase_names) ? phase_names[uint32_t(phase)] : nullptr;
}

bool is_phase_name(char const* name) {
  for (char const* known : phase_names)
    if (known && strcmp(known, name) == 0) return true;
  return strcmp(build_point, name) == 0;
}

void show_as_worker() {
  is_worker = true;
}

void begin_progress(Oid index) {
  pgstat_progress_start_command(progress_command, index);
  pgstat_progress_update_param(worker_slot, is_worker);
  pgstat_progress_update_param(task_since_slot, GetCurrentTimestamp());
}

void end_progress() {
  if (is_shown()) pgstat_progress_end_command();
}

void note_task(store::Task task, ObjectId const* inputs, uint32_t count) {
  if (!is_shown()) return;
  int slots[PGSTAT_NUM_PROGRESS_PARAM];
  int64 values[PGSTAT_NUM_PROGRESS_PARAM];
  int used = 0;
  auto put = [&](int slot, int64 value) {
    slots[used] = slot;
    values[used++] = value;
  };
  TimestampTz const now = GetCurrentTimestamp();
  put(task_slot, int64(task));
  put(phase_slot, 0);
  put(done_slot, 0);
  put(total_slot, 0);
  put(task_since_slot, now);
  put(phase_since_slot, now);
  count = Min(count, progress_inputs_max);
  put(input_count_slot, count);
  for (uint32_t i = 0; i < count; i += 2)
    put(first_input_slot + int(i / 2),
        int64(uint64_t(raw(inputs[i])) << 32 | (i + 1 < count ? raw(inputs[i + 1]) : 0)));
  pgstat_progress_update_multi_param(used, slots, values);
  if (is_worker) show_activity(task);
}

void note_phase(store::Phase phase, uint64_t done, uint64_t total) {
  if (!is_shown()) return wait_when_asked(phase_name(phase));
  bool const is_new = MyBEEntry->st_progress_param[phase_slot] != int64(phase);
  int const slots[] = {phase_slot, done_slot, total_slot, phase_since_slot};
  int64 const values[] = {int64(phase), int64(done), int64(total),
                          is_new ? GetCurrentTimestamp() : MyBEEntry->st_progress_param[phase_since_slot]};
  pgstat_progress_update_multi_param(lengthof(slots), slots, values);
  if (is_new) wait_when_asked(phase_name(phase));
}

void note_build_point() {
  wait_when_asked(build_point);
}

void note_build_phase(Oid index, store::Phase phase) {
  if (!is_shown_as_build()) return;
  TimestampTz const now = GetCurrentTimestamp();
  bool const goes_on = MyBEEntry->st_progress_param[build_slot] != 0;
  int const slots[] = {build_slot, build_since_slot, build_phase_since_slot};
  int64 const values[] = {phase == store::Phase::none ? 0 : int64(uint64_t(phase) << 32 | index),
                          goes_on ? MyBEEntry->st_progress_param[build_since_slot] : now, now};
  pgstat_progress_update_multi_param(lengthof(slots), slots, values);
  wait_when_asked(phase_name(phase));
}

void note_table_task(char const* name) {
  for (uint32_t task = store::task_count; task < store::task_count + table_task_count; task++)
    if (strcmp(task_names[task], name) == 0) note_task(store::Task(task), nullptr, 0);
}

void visit_progress(void (*fn)(void* context, Progress const& progress), void* context) {
  int const count = pgstat_fetch_stat_numbackends();
  for (int i = 1; i <= count; i++) {
    PgBackendStatus const* const status = backend_status(i);
    if (!status || status->st_procpid == 0) continue;
    bool const is_build =
        status->st_progress_command == PROGRESS_COMMAND_CREATE_INDEX && status->st_progress_param[build_slot] != 0;
    if (!is_build && status->st_progress_command != progress_command) continue;
    Progress progress = is_build ? build_of(*status) : work_of(*status);
    progress.pid = status->st_procpid;
    progress.database = status->st_databaseid;
    fn(context, progress);
  }
}

}  // namespace strata::pg

// (table, task), or nulls for its end
STRATA_FUNCTION(show_task) {
  using namespace strata::pg;
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) {
    end_progress();
    PG_RETURN_VOID();
  }
  begin_progress(PG_GETARG_OID(0));
  note_table_task(text_to_cstring(PG_GETARG_TEXT_PP(1)));
  PG_RETURN_VOID();
}
