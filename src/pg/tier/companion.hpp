// The companion of an ivf index: an index of access method ivf_cold on the same table, in a tablespace of its own, that
// holds what cold segments keep outside of the main file (format/manifest.hpp). It depends on the main index like a
// part of it: it is dropped with it and not without it. To itself it is empty: inserts, vacuums and scans pass it by.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

bool is_companion(Relation relation);

// The companion that belongs to an index, or InvalidOid.
Oid companion_of(Oid index);

// The index whose companion this is, or InvalidOid.
Oid owner_of_companion(Oid companion);

// The companion that searches of an index read, as its manifest says; InvalidOid: it has no cold segments, or is no ivf
// index, or has a file that only this transaction knows.
Oid used_companion(Relation index);
// The index of the table that reads this companion, or InvalidOid.
Oid user_of_companion(Relation heap, Oid companion);

// The index is built anew, and hot: what its companion holds goes with the old file when the transaction commits.
void empty_companion(Oid index);

// The companion of an index, made when there is none, in the tablespace named; null: where it is, or the default. Runs
// commands of SQL as the current user, with SPI connected. Cold segments can be made in later transactions.
Oid make_companion(Oid index, char const* tablespace);

}  // namespace strata::pg
