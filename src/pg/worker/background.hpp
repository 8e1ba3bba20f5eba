// What the background workers of strata have in common.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Named "strata KIND", begun by strata_KIND_main() when the server takes writes, connected to a database and not
// started again when it ends. `extra`, at most BGW_EXTRALEN bytes, is found at MyBgworkerEntry->bgw_extra.
BackgroundWorker describe_worker(char const* kind, void const* extra, size_t extra_size);

// The first call of a worker: it rereads the settings on SIGHUP and ends on SIGTERM.
void handle_worker_signals();

}  // namespace strata::pg
