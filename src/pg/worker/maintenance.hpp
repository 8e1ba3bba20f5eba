// When an index is maintained, and by whom: the triggers in INSERT and VACUUM, and the work that is done right there.
#pragma once
#include "pg/page/pg_pager.hpp"
#include "pg/stats/access_counters.hpp"
#include "store/maintain.hpp"

namespace strata::pg {

// Thresholds from the options of the index and the settings of the session.
store::MaintainOptions maintain_options(Relation index);

// Outside of strata.maintenance_window nothing is trained, merged or compacted: for whoever was not asked by name.
void keep_to_window(store::MaintainOptions* options);

// When the growing part wants to be sealed if nothing is inserted any more; DT_NOEND when it is empty.
TimestampTz next_seal(store::Outlook const& outlook, store::MaintainOptions const& options);

// Large indexes are rewritten through a small ring of buffers, so that maintenance does not empty the cache.
PageAccess maintenance_access(Relation index);

// Called by an inserter without locks of store. Looks at most once in strata.auto_flush_interval, unless the growing
// part got more pages (`first_row` is false). Asks for a background worker when something is due; when the growing part
// has reached twice its limit, seals it here.
void maintain_after_insert(Relation index, Relation heap, bool first_row);

// Called after many rows were inserted into tables (OIDs) at once: seals what went into growing segments and is large
// enough, in each of their ivf indexes, unless somebody else is at it. Training is left to the background worker.
void seal_after_import(List* tables);

// Called at the end of VACUUM: does what is due, but not so much that VACUUM is kept from its next index for long.
// Leaves it to a worker that is at it already.
void maintain_in_vacuum(Relation index, Relation heap);

// Adds the hits that scans counted to the manifest, when that was last done at least `interval_us` ago.
void flush_access(PgPager& pager, int64_t interval_us);

// Called by a scan at its end: where nothing but searches happens, somebody has to be asked to do that.
void call_for_flush(Relation index, AccessSlot* slot);

// One step of maintenance under LockName::merge. False when there was nothing to do, or, with `wait` false, somebody
// else does it. Requires a transaction; reads no user data and needs no snapshot.
bool maintain_once(PgPager& pager, store::MaintainOptions const& options, bool wait, store::MaintainResult* result);

}  // namespace strata::pg
