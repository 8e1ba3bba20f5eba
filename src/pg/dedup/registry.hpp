// The registry of a gate: an ordinary table beside the one it guards, with a row for every vector that counts as seen.
//
//   hash        uuid PRIMARY KEY    dedup_hash(); all zero in the row that holds the settings
//   expires_at  timestamptz         from then on the row means nothing; null: never
//   settings    dedup_settings      of the row of settings only
//
// A claim is a row inserted by the transaction that stores the vector, so an abort gives the vector back. Two sessions
// that claim one vector meet at the primary key: the second waits for the first, as INSERT ... ON CONFLICT does
// (src/backend/executor/execIndexing.c: speculative insertion).
//
// Every function here works on an open registry and leaves its locks to the end of the transaction.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct Registry {
  Relation table;
  Relation index;  // unique, on hash alone
  TupleTableSlot* slot;
};

// fresh_unseen: fresh, and a bloom filter saved the look-up.
enum class Claim { fresh, fresh_unseen, duplicate };

struct ClaimTerms {
  TimestampTz now;
  TimestampTz expires_at;     // DT_NOEND: never
  TimestampTz refresh_below;  // a duplicate that expires before this gets expires_at; DT_NOBEGIN: never
};

// Error 55000 when the table is no registry any more: its key dropped, other indexes than on hash.
Registry open_registry(Oid table, LOCKMODE lock = RowExclusiveLock);
void close_registry(Registry const& registry);

// Makes the vector with this hash the current transaction's, or finds that it is someone's already. Waits for a
// transaction in progress that holds it. Error 40001 when the holder is not visible to a transaction whose snapshot is
// fixed.
Claim claim(Registry const& registry, pg_uuid_t const* hash, ClaimTerms const& terms);

// Takes the row of a hash away; nothing happens when there is none.
void give_back(Registry const& registry, pg_uuid_t const* hash);

// Takes every row but that of the settings away.
void give_back_all(Registry const& registry);

// Takes the rows away that expired before `now`. Returns how many.
uint64 remove_expired(Registry const& registry, TimestampTz now);

// Is there a row for it that has not expired, for the active snapshot. Takes no row lock and waits for nobody.
bool is_claimed(Registry const& registry, pg_uuid_t const* hash, TimestampTz now);

// The row of settings as a composite datum, in the current memory context. Error 55000 when there is none.
HeapTupleHeader read_settings(Registry const& registry);

}  // namespace strata::pg
