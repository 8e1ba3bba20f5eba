// What background workers could not do: one row for an index or table and a job in strata.worker_failures, written
// after the failed transaction, gone with the next success. A table, so that it needs no shared memory, survives
// restarts and is seen on standbys. What failed is left alone for a time that doubles with each failure.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// What is done for an index or a table, by a name of less than NAMEDATALEN bytes.
struct Job {
  Oid relation;
  char const* name;
};
constexpr char maintenance_job[] = "maintain";

struct Failure {
  int sqlstate;
  char message[512];
};

// All need a transaction. An extension whose table is not there has no failures and records none.

// When the job may be tried again; 0 when it has not failed.
TimestampTz next_try(Job const& job);
void record_failure(Job const& job, Failure const& failure);
void forget_failure(Job const& job);
// Forgets relations that are gone. Returns the earliest time at which one may be tried again, TIMESTAMP infinity if
// none.
TimestampTz sweep_failures();

// Runs job(argument), which starts and commits transactions of its own. False after an error, which is then in the log
// and in *failure; its transaction is aborted, session locks are kept.
bool run_guarded(void (*job)(void*), void* argument, Failure* failure);

// Runs job(argument) within the caller's transaction, which must not be in parallel mode. False when it ran out of
// disk, memory or the like: what it did is rolled back, its locks are given back, and *failure says why. Other errors
// are raised.
bool run_while_room(void (*job)(void*), void* argument, Failure* failure);

}  // namespace strata::pg
