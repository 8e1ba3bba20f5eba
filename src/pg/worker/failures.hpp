// What background workers could not do: one row an index in strata.worker_failures, written after the failed
// transaction, gone with the next success. A table, so that it needs no shared memory, survives restarts and is seen on
// standbys. A failed index is left alone for a time that doubles with each failure.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct Failure {
  int sqlstate;
  char message[512];
};

// All need a transaction. An extension whose table is not there has no failures and records none.

// When the index may be tried again; 0 when nothing has failed.
TimestampTz next_try(Oid index);
void record_failure(Oid index, Failure const& failure);
void forget_failure(Oid index);
// Forgets indexes that are gone. Returns the earliest time at which one may be tried again, TIMESTAMP infinity if none.
TimestampTz sweep_failures();

// Runs job(argument), which starts and commits transactions of its own. False after an error, which is then in the log
// and in *failure; its transaction is aborted, session locks are kept.
bool run_guarded(void (*job)(void*), void* argument, Failure* failure);

}  // namespace strata::pg
