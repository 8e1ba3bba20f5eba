// COPY ... FROM with bytes that we make: all of COPY's checks, defaults, triggers, constraints and routing to
// partitions come with it.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Where the bytes of a binary COPY come from. Embedded in what the reader needs to know.
struct CopySource {
  // Writes between `least` and `most` bytes, fewer only at the end, and returns how many. May raise errors.
  int (*read)(CopySource* source, void* out, int least, int most);
  uint64 byte_count;  // in all, for pg_stat_progress_copy; 0: not known
  // Kept by copy_into().
  CopySource* outer;
  MemoryContextCallback callback;
};

// Inserts what the source gives into columns of a table, opened with RowExclusiveLock, and returns the number of rows.
// `columns` is a list of String, NIL for all. Checks the privileges of the current user as COPY does.
uint64 copy_into(Relation table, List* columns, CopySource* source);

}  // namespace strata::pg
