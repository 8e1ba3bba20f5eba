// How workers notice that they are in the way, and how they sleep.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Whether somebody waits for (or has) a lock on table or index that lets nobody else in, or wants the database. Asked
// from within long computations, too: an error is not raised but counts as true. Whoever gets true ends the process.
bool is_in_the_way(Relation heap, Relation index);

// Whether somebody wants the database of this process for himself: DROP DATABASE, ALTER DATABASE ... SET TABLESPACE,
// and CREATE DATABASE that takes it for its template. Needs no transaction.
bool is_database_wanted();

// Sleeps until a signal, at most wait_ms, under a wait event of this name where the server has such.
enum class Sleep : uint8_t { worker_idle, io_limit, launcher_idle };
void sleep_ms(Sleep why, long wait_ms);

}  // namespace strata::pg
