// Work on whole tables that functions in SQL do: archives of versions that a policy asks for, rows on their way between
// tiers. strata._table_jobs() lists it; a step of job X of a table is strata._X_for_owner(table), one transaction that
// runs as the owner of the table.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct TableJob {
  Oid table;
  TimestampTz due;
  char name[NAMEDATALEN];
};

// All jobs of this database, a list of TableJob in `context`. Needs a transaction.
List* list_table_jobs(MemoryContext context);

// Runs steps of a job, each in a transaction of its own, with the pauses that they ask for. `more`: it was interrupted
// because others wait for their turn.
struct TableTurn {
  TableJob const* job;
  bool more;
};
void run_table_turn(void* turn);

// At the commit of this transaction, a worker visits this database.
void request_visit();
void register_visit_requests();

}  // namespace strata::pg
