// The only file that knows PG_VERSION_NUM. Every shim carries the name of the newest interface, so that dropping a
// major version means deleting lines here.
#pragma once
#include "pg/postgres.hpp"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000
#error "strata supports PostgreSQL 15 to 19"
#endif
