// Takes what has outlived its time out of the registries, in the background.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// The tables of this database with a gate that has a time to live, in the caller's memory context. In a transaction.
List* list_expiring_gates();

// Removes the expired claims of one of them, in a transaction of its own; nothing when the table or its gate is gone.
// No code of users runs. Returns when to come back, DT_NOEND for never.
TimestampTz expire_gate(Oid table);

}  // namespace strata::pg
