// The catalog of versions is written by the owners of the tables it speaks of, each his own rows, so that commands need
// no rights that their caller has not. Whatever changes there, every session forgets what it knew of the table.
#include "pg/entry.hpp"
#include "pg/version/as_owner.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

Oid relation_of(Relation catalog, HeapTuple tuple, char const* column) {
  bool is_null;
  Datum const value = heap_getattr(tuple, required_attribute(catalog, column), RelationGetDescr(catalog), &is_null);
  return is_null ? InvalidOid : DatumGetObjectId(value);
}

void check(Relation catalog, HeapTuple tuple, bool is_new) {
  Oid const relation = relation_of(catalog, tuple, "relid");
  if (OidIsValid(owner_of(relation))) {
    require_owner(relation);
    CacheInvalidateRelcacheByRelid(relation);
  } else if (is_new) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation),
                    errdetail("The catalog of versions speaks of tables only.")));
  }
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(version_catalog_guard) {
  using namespace strata::pg;
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function \"%s\" can only be called as a trigger", "strata._version_catalog_guard")));
  auto* const data = reinterpret_cast<TriggerData*>(fcinfo->context);
  bool const insert = TRIGGER_FIRED_BY_INSERT(data->tg_event);
  bool const update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
  check(data->tg_relation, data->tg_trigtuple, insert);
  if (update) check(data->tg_relation, data->tg_newtuple, true);
  return PointerGetDatum(update ? data->tg_newtuple : data->tg_trigtuple);
}
