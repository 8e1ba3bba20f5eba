// strata.at() as part of a query instead of a function.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

void register_at_rewrite();

}  // namespace strata::pg
