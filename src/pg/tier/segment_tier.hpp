// Segments between the tiers of an index.
#pragma once
#include "pg/page/pg_pager.hpp"
#include "store/tier.hpp"

namespace strata::pg {

// Makes sure that the manifest names the companion of the index. Error when there is none that outlives the present
// transaction. Requires LockName::merge.
void bind_cold_storage(PgPager& pager);

// Error for indexes that cannot have cold segments.
void require_movable(Relation index);

// Takes LockName::merge, which must be free to wait for, moves the segment, and gives the lock back.
store::RewriteResult move_segment(PgPager& pager, ObjectId segment, store::Tier tier);

}  // namespace strata::pg
