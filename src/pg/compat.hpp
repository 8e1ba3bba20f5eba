// The only file that knows PG_VERSION_NUM. Every shim carries the name of the newest interface, so that dropping a
// major version means deleting lines here.
#pragma once
#include "pg/postgres.hpp"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000
#error "strata supports PostgreSQL 15 to 19"
#endif

// Soft errors of input functions (16: d9f7f5d32f) let COPY ... ON_ERROR and pg_input_is_valid() go on.
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
  do {                                     \
    (void)(context);                       \
    ereport(ERROR, __VA_ARGS__);           \
    return dummy_value;                    \
  } while (0)
#endif
