// SQL functions about gates: hashes, the advisory look-up, settings and counters, and the bond of registry and table.
#include "pg/compat.hpp"
#include "pg/dedup/gate.hpp"
#include "pg/dedup/registry.hpp"
#include "pg/entry.hpp"
#include "pg/stats/shared_counters.hpp"

namespace strata::pg {
namespace {

Datum hash_of(FunctionCallInfo fcinfo, DedupType type) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) PG_RETURN_NULL();
  unsigned char key[dedup_key_size] = {};
  if (!PG_ARGISNULL(2)) {
    bytea* const secret = PG_GETARG_BYTEA_PP(2);
    if (VARSIZE_ANY_EXHDR(secret) != dedup_key_size)
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("the secret of a hash must have %d bytes", dedup_key_size)));
    memcpy(key, VARDATA_ANY(secret), dedup_key_size);
  }
  auto* const hash = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
  dedup_hash(type, PG_GETARG_DATUM(0), PG_GETARG_BOOL(1), key, hash);
  PG_RETURN_UUID_P(hash);
}

// The table, which the current user may read, with its gate; error when it has none.
struct OpenGate {
  Relation table;
  Gate const* gate;
};

OpenGate open_gate(Oid oid) {
  if (!OidIsValid(oid) || !get_rel_name(oid))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table with OID %u does not exist", oid)));
  AclResult const allowed = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_TABLE, get_rel_name(oid));
  Relation const table = table_open(oid, AccessShareLock);
  Gate const* const gate = gate_of(table);
  if (!gate)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has no gate", RelationGetRelationName(table)),
                    errhint("strata.set_dedup makes one.")));
  return {table, gate};
}

}  // namespace
}  // namespace strata::pg

using namespace strata::pg;

STRATA_FUNCTION(dedup_vector_hash) {
  return hash_of(fcinfo, DedupType::vector);
}

STRATA_FUNCTION(dedup_halfvec_hash) {
  return hash_of(fcinfo, DedupType::halfvec);
}

STRATA_FUNCTION(dedup_is_duplicate) {
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  OpenGate const open = open_gate(PG_GETARG_OID(0));
  Oid const type = TupleDescAttr(RelationGetDescr(open.table), open.gate->column - 1)->atttypid;
  if (get_fn_expr_argtype(fcinfo->flinfo, 1) != type)
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("the column with the gate is of type %s", format_type_be(type)),
             errhint("Cast the vector.")));
  bool result = false;
  if (!PG_ARGISNULL(1)) {
    pg_uuid_t hash;
    gate_hash(open.gate, PG_GETARG_DATUM(1), &hash);
    Registry const registry = open_registry(open.gate->registry, AccessShareLock);
    result = is_claimed(registry, &hash, GetCurrentTransactionStartTimestamp());
    close_registry(registry);
    if (!result && open.gate->is_near) result = has_near_row(open.gate, open.table, PG_GETARG_DATUM(1));
  }
  table_close(open.table, NoLock);
  PG_RETURN_BOOL(result);
}

STRATA_FUNCTION(dedup_info) {
  OpenGate const open = open_gate(PG_GETARG_OID(0));
  Gate const* const gate = open.gate;
  TupleDesc columns;
  if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "return type must be a row type");
  SharedCounters* const counters = shared_counters(CounterKind::dedup, gate->registry);
  Interval ttl = {};
  ttl.time = gate->ttl;
  Datum const ttl_value = DirectFunctionCall1(interval_justify_hours, IntervalPGetDatum(&ttl));
  Datum values[] = {
      CStringGetTextDatum(gate->is_near ? "near" : "exact"),
      Float8GetDatum(gate->epsilon),
      ttl_value,
      CStringGetTextDatum(gate->is_error ? "error" : "skip"),
      BoolGetDatum(gate->refresh),
      BoolGetDatum(gate->normalize),
      Int64GetDatum(int64(read_count(counters, count_seen))),
      Int64GetDatum(int64(read_count(counters, count_stored))),
      Int64GetDatum(int64(read_count(counters, count_skipped))),
      Int64GetDatum(int64(read_count(counters, count_error))),
      Int64GetDatum(int64(read_count(counters, count_bloom_skip))),
  };
  bool nulls[lengthof(values)] = {};
  nulls[1] = !gate->is_near;
  nulls[2] = gate->ttl == 0;
  HeapTuple const row = heap_form_tuple(BlessTupleDesc(columns), values, nulls);
  table_close(open.table, NoLock);
  PG_RETURN_DATUM(HeapTupleGetDatum(row));
}

STRATA_FUNCTION(dedup_own) {
  Oid const registry = PG_GETARG_OID(0);
  Oid const table = PG_GETARG_OID(1);
  for (Oid const relation : {registry, table})
    if (!is_owner(relation, GetUserId())) aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
  ObjectAddress const dependent = {RelationRelationId, registry, 0};
  ObjectAddress const referenced = {RelationRelationId, table, 0};
  recordDependencyOn(&dependent, &referenced, DEPENDENCY_AUTO);
  PG_RETURN_VOID();
}
