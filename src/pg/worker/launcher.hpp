// The launcher: one process that starts workers by the clock, and again after a restart of the server. Only with
// shared_preload_libraries; without it the sessions that insert start workers.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Called when the library is loaded: registers the launcher if that happens in the postmaster.
void register_launcher();

}  // namespace strata::pg
