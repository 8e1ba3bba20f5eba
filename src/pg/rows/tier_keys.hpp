// The trigger strata.tier_key(), and what it needs of the executor.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

void register_tier_keys();

}  // namespace strata::pg
