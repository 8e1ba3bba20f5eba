// A branch is written by triggers, which do not fire under session_replication_role = replica: PostgreSQL takes the
// rows and stores them nowhere. Here such a statement ends in an error.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

void register_branch_guard();

}  // namespace strata::pg
