// What a worker does in its database: every index its due, then the chores that belong to no index.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Serves all ivf indexes and chores, `first` (if valid) before the others, until nothing is due, with a few short waits
// for what is about to become due. Returns when the database wants to be looked at again, DT_NOEND for never. A
// database without the extension is none of its business.
TimestampTz work_in_database(Oid first);

}  // namespace strata::pg
