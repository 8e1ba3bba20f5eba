// Keeps a process to strata.maintenance_io_limit, as VACUUM keeps to its cost limit: pages are paid for in sleep.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Says that `page_count` pages were read or written since the last call, and returns for how long to sleep, in ms: 0
// without a limit or with time in hand. What is slept, and any time spent otherwise, pays.
long charge_pages(uint64_t page_count);

}  // namespace strata::pg
