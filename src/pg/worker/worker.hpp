// Background workers that maintain indexes: started on demand, one index at a time, gone when nothing is left to do.
// Without shared_preload_libraries.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Starts a worker for the database, beginning with `index`. Does nothing when one is at this index already, when no
// worker can be had, or when other sessions cannot see the index.
void request_worker(Relation index);

}  // namespace strata::pg
