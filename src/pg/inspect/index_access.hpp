// Opening an index that a user names in a call of a management function.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct OpenIndex {
  Relation index;  // null when it is gone and that is no error
  Relation heap;
};

enum class Missing : uint8_t { error, ignore };

// Opens table, then index, both with `lock`. Raises 42809 when it is no valid ivf index of this session's reach; with
// Missing::ignore an index that cannot be read gives {null, null} instead.
OpenIndex open_ivf_index(Oid index, LOCKMODE lock, Missing missing = Missing::error);
void close_ivf_index(OpenIndex const& open, LOCKMODE lock);

// Errors for those who may not maintain the table (42501), during recovery and in read-only transactions
// (25006). Before any lock is taken.
void require_maintain(Oid index);
// Error for those who may not read the table.
void require_select(Oid index);

// What functions that list something of the index named by their first argument begin with: prepares the set of
// results, opens table and index with AccessShareLock and requires SELECT on the table. {null, null} when the index
// cannot be read: the set is empty then.
OpenIndex open_listed_index(FunctionCallInfo fcinfo);

}  // namespace strata::pg
