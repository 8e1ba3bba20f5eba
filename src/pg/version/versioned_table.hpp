// What a session knows of a versioned table: the ordinal that changes carry now, the versions that are retained, and
// where the past is kept. Read from the catalog (strata.versioned_table, strata.version), then kept until the relation
// cache is told that the table changed: the guard of the catalog tells it so with every change.
//
// Why the kept state is right. A new version takes a lock (SHARE) that waits for everybody who writes. So whoever holds
// RowExclusiveLock sees all versions that can matter to his changes, if he looks after he got the lock: getting it
// delivers the invalidation. The catalog is read with the latest committed state, never with the snapshot of a
// REPEATABLE READ transaction, which may be older than the version.
#pragma once
#include "pg/postgres.hpp"

#include "core/history/retained.hpp"

namespace strata::pg {

// Columns that strata adds. Their names are part of the interface.
constexpr char born_column[] = "strata_born";
constexpr char died_column[] = "strata_died";

struct VersionedTable {
  Oid relation;  // key of the cache
  bool valid;
  bool known;         // false: the table has no row in the catalog
  AttrNumber born;    // attribute strata_born of the table
  int32_t ordinal;    // that changes carry now
  Oid history;        // table of the past, of the same owner
  int32_t* ordinals;  // of the retained versions, ascending
  size_t ordinal_count;
  history::Retained retained() const { return {ordinals, ordinal_count}; }
};

// The state of the table, which the caller has locked at least with RowExclusiveLock (AccessShareLock when he can live
// with versions appearing meanwhile). Valid until the next call of the server that may process invalidations. Raises
// 55000 when the table is not versioned.
VersionedTable const* versioned_table(Relation table);

// The retained ordinals as of now, palloc'd.
history::Retained read_retained(Oid relation);

// Namespace of the extension's own objects.
Oid strata_namespace();

// The attribute of that name, or an error that names the table.
AttrNumber required_attribute(Relation relation, char const* name);

void register_versioned_tables();

}  // namespace strata::pg
