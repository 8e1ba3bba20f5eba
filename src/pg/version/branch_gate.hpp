// De-duplication within a branch of a versioned table. The gate of the table (strata.set_dedup) keeps its registry for
// the table alone; what a branch holds is looked for in the branch itself.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Whether the branch must not take a row with these values: the table of the branch has a gate, and the branch holds
// the vector, or one as near as the gate allows. With on_duplicate => 'error' raises 23505 then. Waits for other
// sessions that store vectors in the branch, to the end of their transactions, and lets none past until that of this
// one: so nobody misses what another one is about to store. `values` and `is_null` are those of the view's columns.
// Inside SPI.
bool is_duplicate_in_branch(Relation view, Oid table, Datum const* values, bool const* is_null);

// Whether `old_values` and `values` hold the same vector in the gate's column, or the table has no gate.
bool keeps_vector(Relation view, Oid table, Datum const* old_values, bool const* old_null, Datum const* values,
                  bool const* is_null);

}  // namespace strata::pg
