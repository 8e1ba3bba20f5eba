// Loading of the library: the order of registrations, nothing else.
#include "pg/postgres.hpp"

#include "pg/compat.hpp"

extern "C" {
PG_MODULE_MAGIC;
extern PGDLLEXPORT void _PG_init(void);
}

void _PG_init(void) {}
