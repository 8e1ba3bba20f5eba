// What a session knows about the gate of a table: the column it watches, its registry, its settings.
#pragma once
#include "pg/postgres.hpp"

#include "pg/dedup/dedup_hash.hpp"

namespace strata::pg {

// The trigger AFTER INSERT, in whose condition registry and column are kept.
constexpr char settling_trigger_name[] = "zzz_strata_dedup_settle";

// What is counted of a registry, in its SharedCounters.
enum DedupCount { count_seen, count_skipped, count_error, count_stored, count_bloom_skip };

struct Gate {
  Oid table;  // key of the cache: the table, or a partition of it
  bool is_valid;
  bool is_near, is_error, refresh, normalize;
  DedupType type;
  AttrNumber column;
  Oid registry;
  int64 ttl;  // microseconds; 0: for as long as the row exists
  double epsilon;
  char distance[2 * NAMEDATALEN + 8];  // operator of the near mode, qualified, as SQL writes it
  unsigned char key[dedup_key_size];
};

// The gate of a table with the triggers of strata.set_dedup, or null when it has none. Stays valid until the next
// command; the table must be open and locked.
Gate const* gate_of(Relation table);

// The hash of a value of the gate's column.
void gate_hash(Gate const* gate, Datum value, pg_uuid_t* hash);

// Claims, and what else this transaction does to the registry, happen under a lock of the registry that is held to its
// end. A statement that may hold several claims takes it alone, so that no two such transactions can wait for each
// other; single-row INSERTs outside of transaction blocks share it.
void lock_gate(Gate const* gate, Relation table);

// Near mode, with the gate's lock shared: locks the cells of a vector to the end of the transaction. False when there
// is no codebook, or too many cells: then only the gate's lock taken alone keeps near rows apart.
bool lock_cells(Gate const* gate, Relation table, Datum value);
bool has_cells(Gate const* gate, Relation table);

// Is a row within epsilon stored already. The caller holds the lock of the gate.
bool has_near_row(Gate const* gate, Relation table, Datum value);

}  // namespace strata::pg
