// Soft drop: tables that were put out of sight and can be brought back for a while.
//
// A dropped table moves, with its indexes, owned sequences and types, into a schema of its own, strata_trash_N: so all
// names stay as they were. The schema belongs to the owner of the table and grants nothing to others, so nobody else
// reaches the table by name, and its own privileges need not be touched. One row in strata.dropped_tables says where it
// came from; pg_dump keeps it. Whoever moves or removes the table holds it AccessExclusive and reads the row under that
// lock, which decides all races.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// For workers, in a transaction. Tables in the trash whose time has come, in TopMemoryContext; *next = when the next
// one's comes (DT_NOEND: never). Forgets tables that are gone.
List* list_expired_trash(TimestampTz* next);

// For workers, in a transaction: removes the table for good, as its owner, unless somebody uses it. False when it has
// to be tried again. Waits for nobody.
bool remove_dropped_table(Oid table);

}  // namespace strata::pg
