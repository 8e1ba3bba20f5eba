// What a worker, or a procedure that maintains an index, is doing: kept where the server keeps the progress of its own
// commands, in the status of the backend. That needs no shared memory of ours, so it works without preload, and it
// vanishes with the process or its error. The command has a number that none of the server's views asks for. CREATE
// INDEX and REINDEX show the server's own command, and what that has no place for in parameters that it leaves free.
#pragma once
#include "pg/postgres.hpp"

#include "store/pager.hpp"

namespace strata::pg {

constexpr uint32_t progress_inputs_max = 24;

struct Progress {
  int pid;
  Oid database;
  Oid index;  // or a table; 0: a worker between two of them
  Oid table;  // of a build, whose index others may not see yet; else 0
  bool is_worker;
  store::Task task;
  store::Phase phase;
  bool counts;    // false: done and total are unknown
  uint64_t done;  // rows, total 0: unknown
  uint64_t total;
  TimestampTz task_since;  // or since when it is idle
  TimestampTz phase_since;
  uint32_t input_count;  // how many of the objects being rewritten are named: at most progress_inputs_max
  uint32_t inputs[progress_inputs_max];
};

// Tasks on tables follow those on indexes; each has one phase, of the same name.
constexpr uint32_t table_task_count = 2;
constexpr auto archive_phase = store::Phase(store::phase_count);
constexpr auto move_phase = store::Phase(store::phase_count + 1);
// CREATE INDEX and REINDEX, and the one phase that only they have.
constexpr auto build_task = store::Task(store::task_count + table_task_count);
constexpr auto sort_phase = store::Phase(store::phase_count + table_task_count);

// From now on note_task() and note_phase() of this process are shown, for `index`, which may be a table. Not for
// processes that show a command of the server, as VACUUM and CREATE INDEX do. Ends by end_progress() or an error.
void begin_progress(Oid index);
void end_progress();

// For the pager; nothing is shown unless begin_progress() was called. note_phase() is also where tests stop a process:
// it waits for advisory lock `debug_lock_key` when strata.debug_wait_at names the phase. So does a CREATE INDEX that
// has read the table and written nothing yet, at "build".
constexpr uint32 debug_lock_key = 5354;
void note_task(store::Task task, ObjectId const* inputs, uint32_t count);
void note_phase(store::Phase phase, uint64_t done, uint64_t total);
void note_build_point();
// A phase of the build of `index` begins, or ends the last one (none). Shown, and a point where tests stop it, in
// processes whose command is CREATE INDEX or REINDEX; nothing happens under another one: an import has its own display,
// VACUUM FULL that of the server. Rows of place and write are those that the command counts, set to 0 before the phase
// begins.
void note_build_phase(Oid index, store::Phase phase);
// A task on a table, by its name.
void note_table_task(char const* name);

// From now on this process is a worker: what it does is its query in pg_stat_activity, too.
void show_as_worker();

// The name, or null for none.
char const* task_name(store::Task task);
char const* phase_name(store::Phase phase);
bool is_phase_name(char const* name);

// Calls fn(context, progress) for every process of the server that shows progress. Reads a copy that is taken once in a
// transaction unless the caller clears it.
void visit_progress(void (*fn)(void* context, Progress const& progress), void* context);

}  // namespace strata::pg
