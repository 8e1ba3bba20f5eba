// Counters that all sessions of a database share, without shared_preload_libraries: a small file in the server's
// directory for temporary statistics, mapped by every session that counts. Like the server's own statistics they are
// hints, not data: they start at zero with the server, survive no crash, and count work of transactions that roll back.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

constexpr int shared_counter_count = 6;  // of one object

// What the numbers of an object mean is up to its kind. Stays valid for the life of the session.
struct SharedCounters {
  pg_atomic_uint64 values[shared_counter_count];
};

enum class CounterKind : uint32 {
  dedup = 1,    // object: registry
  tiering = 2,  // object: table
};

// The counters of an object, made of zeros when there are none. Never null: when the file cannot be had or is full,
// a block that only this session sees. Raises nothing.
SharedCounters* shared_counters(CounterKind kind, Oid object);

inline void count(SharedCounters* counters, int which, uint64 amount = 1) {
  pg_atomic_fetch_add_u64(&counters->values[which], int64(amount));
}
inline uint64 read_count(SharedCounters* counters, int which) {
  return pg_atomic_read_u64(&counters->values[which]);
}

}  // namespace strata::pg
