// When each database wants to be visited by a worker, and how large its growing segments are: known to all processes
// when the library is preloaded, for then there is shared memory, and a launcher that reads it. Without, nobody asks
// and nothing is kept.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

constexpr int scheduled_databases_max = 256;

// In shared_preload_libraries only: asks for shared memory.
void request_schedule();

// Whether there is a launcher, or will be one after recovery.
bool has_schedule();

// Makes the next visit of this database no later than `at`. Cheap: called by inserting sessions.
void visit_no_later_than(TimestampTz at);

// For whoever is about to visit: the next visit is at `at` unless somebody asks for a sooner one meanwhile.
void begin_visit(Oid database, TimestampTz at);
// For whoever visited, and gave `begun` to begin_visit(): the next one is at `at`, or sooner when asked for meanwhile.
void end_visit(TimestampTz begun, TimestampTz at);

// Growing segments, in bytes, as of a database's last visit.
struct GrowingSizes {
  uint64_t total;
  uint64_t largest;  // of one index
};
// Makes those of this database known.
void note_growing(GrowingSizes const& sizes);
// Those of the other databases together; none without shared memory. *owner: the database of the largest.
GrowingSizes growing_elsewhere(Oid* owner);
// Asks for a visit of another database now.
void visit_now(Oid database);

// For the launcher. DT_NOBEGIN for a database that nobody has visited.
TimestampTz next_visit(Oid database);
// Forgets all databases but these.
void keep_visits(Oid const* databases, int count);
// It is woken when a visit is asked for that comes sooner than `at`.
void launcher_sleeps_until(TimestampTz at);

}  // namespace strata::pg
