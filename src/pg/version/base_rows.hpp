// The version that a branch was made from: rows of the table and of its history, as they were at an ordinal.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct BaseRows {
  Oid table;
  Oid history;
  int32_t ordinal;
};

// Whether the base shows a row of this key, in the state that the running command sees. `keys`: the columns of the
// primary key in its order, as positions (from 1) in `values` and `is_null`. Asks for no privileges: the answer is what
// keeps keys unique, also where policies would hide the row. Takes AccessShareLock to the end of the transaction.
bool has_base_row(BaseRows const& base, AttrNumber const* keys, int key_count, Datum const* values,
                  bool const* is_null);

}  // namespace strata::pg
