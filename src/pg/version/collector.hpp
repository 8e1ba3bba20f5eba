// Gives back the space of dropped versions in the background.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Everything of this database that is due, in a transaction of its own. For background workers. Returns when the next
// version is due, DT_NOEND for none.
TimestampTz collect_versions();

void register_collector();

}  // namespace strata::pg
