// When an index is maintained, and by whom: the triggers in INSERT and VACUUM, and the bounded work done there.
#pragma once
#include "pg/page/pg_pager.hpp"

namespace strata::pg {

// Called by an inserter that holds no lock, when its lane got more room. Starts a background worker when there is something
// to do; seals in the foreground when the growing part has reached twice its limit and nobody else does it.
void maintain_after_insert(Relation index, Relation heap);

// Called at the end of VACUUM: as much as may be done without keeping VACUUM from the next index for long.
void maintain_in_vacuum(Relation index, Relation heap);

}  // namespace strata::pg
