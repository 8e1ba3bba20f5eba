// Rows on their way between the tiers of a table: out of one relation, into another one with the same columns. For the
// table as a whole nothing changes, so its triggers are not told; foreign keys are checked where the row arrives, since
// the row it points to may be on its way out.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct RowMove;

// Both relations are open and locked (RowExclusiveLock) until end_move(). Raises 42804 when their columns differ.
RowMove* begin_move(Relation from, Relation to);

// Moves the row version at `tid`, as `command` of this transaction. Waits for a transaction that is changing it. False
// when there is no such row any more. Whoever comes upon the old version later is told that it has moved (40001).
bool move_row(RowMove* move, ItemPointer tid, CommandId command);

// Checks foreign keys.
void end_move(RowMove* move);

}  // namespace strata::pg
