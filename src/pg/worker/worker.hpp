// Background workers that maintain indexes: dynamic, started by the sessions that insert, or by the launcher when the
// library is preloaded; gone when nothing is left to do.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Starts a worker for the database, beginning with `index`. Does nothing when one is at this index already, when no
// worker can be had, when the index failed and waits for its next try, or when other sessions cannot see it.
void request_worker(Relation index);

// For the launcher: starts a worker that looks after a whole database. False when the server has no free place.
bool start_visit(Oid database);

// Whether fewer workers than strata.max_workers are at work, in all databases.
bool has_free_slot();

}  // namespace strata::pg
