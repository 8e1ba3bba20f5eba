#include "pg/files/vector_column.hpp"

extern "C" {
PGDLLEXPORT Datum strata_vector_send(FunctionCallInfo fcinfo);
PGDLLEXPORT Datum strata_halfvec_send(FunctionCallInfo fcinfo);
}

namespace strata::pg {

bool is_vector_type(Oid type, files::Number* number) {
  Oid const base = getBaseType(type);
  if (base < FirstNormalObjectId || get_typtype(base) != TYPTYPE_BASE) return false;
  Oid send;
  bool is_varlena;
  getTypeBinaryOutputInfo(base, &send, &is_varlena);
  FmgrInfo function;
  fmgr_info(send, &function);
  *number = function.fn_addr == strata_halfvec_send ? files::Number::f16 : files::Number::f32;
  return function.fn_addr == strata_vector_send || function.fn_addr == strata_halfvec_send;
}

int find_vector_column(TupleDesc columns, char const* name, char const* what, files::Number* number) {
  int found = -1;
  for (int i = 0; i < columns->natts; i++) {
    Form_pg_attribute const column = TupleDescAttr(columns, i);
    if (column->attisdropped || (name && strcmp(NameStr(column->attname), name) != 0)) continue;
    files::Number kind;
    if (!is_vector_type(column->atttypid, &kind)) {
      if (!name) continue;
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("column \"%s\" is neither a vector nor a halfvec", NameStr(column->attname))));
    }
    if (found >= 0) {
      ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN), errmsg("%s has several columns with vectors", what),
                      errhint("Name one of them with \"column\" =>.")));
    }
    found = i;
    *number = kind;
  }
  if (found >= 0) return found;
  if (name) ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("%s has no column \"%s\"", what, name)));
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("%s has no column of type vector or halfvec", what)));
  pg_unreachable();
}

}  // namespace strata::pg
