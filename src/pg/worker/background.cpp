#include "pg/worker/background.hpp"

#include "pg/compat.hpp"

namespace strata::pg {

BackgroundWorker describe_worker(char const* kind, void const* extra, size_t extra_size) {
  Assert(extra_size <= BGW_EXTRALEN);
  BackgroundWorker worker;
  memset(&worker, 0, sizeof worker);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION | interruptible_worker_flag();
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  strlcpy(worker.bgw_library_name, "strata", sizeof worker.bgw_library_name);
  snprintf(worker.bgw_function_name, sizeof worker.bgw_function_name, "strata_%s_main", kind);
  snprintf(worker.bgw_name, sizeof worker.bgw_name, "strata %s", kind);
  snprintf(worker.bgw_type, sizeof worker.bgw_type, "strata %s", kind);
  if (extra_size) memcpy(worker.bgw_extra, extra, extra_size);
  return worker;
}

void handle_worker_signals() {
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
}

}  // namespace strata::pg
