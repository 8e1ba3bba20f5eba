// Arguments of SQL functions of which some may be null.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Raises 22004 when it is null.
inline Datum needed_argument(FunctionCallInfo fcinfo, int number, char const* name) {
  if (PG_ARGISNULL(number))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("\"%s\" may not be null", name)));
  return PG_GETARG_DATUM(number);
}

// A copy of a text that may not be null.
inline char* text_argument(FunctionCallInfo fcinfo, int number, char const* name) {
  return text_to_cstring(reinterpret_cast<::text*>(PG_DETOAST_DATUM_PACKED(needed_argument(fcinfo, number, name))));
}

// Of type name; null when it is null.
inline char const* name_argument(FunctionCallInfo fcinfo, int number) {
  return PG_ARGISNULL(number) ? nullptr : NameStr(*PG_GETARG_NAME(number));
}

}  // namespace strata::pg
