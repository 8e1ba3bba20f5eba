// Tier policies, as the background worker follows them.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Tables with a policy that nobody looked at for a while, in the current memory context. Requires a transaction.
List* list_tiering_due();

// Somebody looked: nothing is left to do for a while.
void note_tiering(Oid table);

// Makes one move that the policy of the table wants, as the owner of the table, in a transaction of its own. False when
// there is none left to make.
bool run_tiering_step(Oid table);

}  // namespace strata::pg
