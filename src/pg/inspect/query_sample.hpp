// Recent queries of an index, for strata.measure_recall(): with strata.sample_queries on, an ordered scan now and then
// leaves its query in a file of the server's directory for temporary statistics. A file per index, a ring of bounded
// size; it is not logged, not in backups, and not on a standby, which keeps its own. Lost or damaged slots cost nothing
// but a sample, so nothing here raises an error for want of space or permission, and writers do not wait for each
// other: a slot that two of them wrote at once fails its checksum.
#pragma once
#include "pg/am/opclass.hpp"

namespace strata::pg {

// Called by a scan that has a query. `value`: the detoasted vector or halfvec, VARSIZE bytes.
void sample_query(Relation index, struct varlena const* value);

// Copies of the queries that are kept for the index and are `value_size` bytes long, at most `count_max`, newest first,
// into `values`. Returns their number. Nobody's business but the table owner's: the caller checks.
uint32_t read_sampled_queries(Oid index, size_t value_size, struct varlena** values, uint32_t count_max);

}  // namespace strata::pg
