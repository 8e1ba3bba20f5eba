#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

void register_bulk_copy();

}  // namespace strata::pg
