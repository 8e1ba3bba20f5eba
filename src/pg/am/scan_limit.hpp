// How many rows a scan will be asked for, where the plan says so: LIMIT is known to the planner and to the executor,
// but not to an index. Without it a search finds a few rows, returns them, and looks further when more are wanted; rows
// that turn up too late for their place in the order are then lost to a LIMIT that is larger than the first guess.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Installs a hook that looks at every plan in which an ivf scan begins. Called once, when the library is loaded.
void register_scan_limits();

// Tells that an ivf scan has begun: only then plans are looked at.
void note_scan_begun();

}  // namespace strata::pg
