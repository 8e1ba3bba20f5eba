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

// Whether searches of the index read its companion.
bool has_cold_segments(Relation index);

// The index is built anew, and hot: what its companion holds goes with the old file when the transaction commits.
void empty_companion(Oid index);

// The companion of an index, made when there is none, in the tablespace named; null: where it is, or the default. Runs
// commands of SQL as the current user, with SPI connected. Cold segments can be made in later transactions.
Oid make_companion(Oid index, char const* tablespace);

}  // namespace strata::pg
