#include "pg/version/branch_gate.hpp"

#include "pg/compat.hpp"
#include "pg/dedup/gate.hpp"
#include "pg/stats/shared_counters.hpp"

namespace strata::pg {
namespace {

constexpr uint16 branch_lock_class = 0x5356;
constexpr int candidate_count = 16;      // rows looked at by their hash
constexpr double same_direction = 1e-5;  // cosine distance, more than rounding makes of equal directions

// A statement of a branch that looks for rows, kept for the life of the session as long as the gate stays as it is.
struct Look {
  Oid view;
  SPIPlanPtr plan;
  char* text;
};

HTAB* looks = nullptr;

// The attribute of the view that is the gate's column; 0: the view has none.
AttrNumber column_of(Relation view, Oid table, Gate const* gate) {
  char* const name = get_attname(table, gate->column, true);
  return name ? get_attnum(RelationGetRelid(view), name) : InvalidAttrNumber;
}

// Operators lie where their type lies.
char* operator_text(char const* name, Oid type) {
  HeapTuple const tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for type %u", type);
  Oid const space = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typnamespace;
  ReleaseSysCache(tuple);
  return psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(space)), name);
}

char* look_text(Relation view, Gate const* gate, AttrNumber column) {
  Form_pg_attribute const attribute = TupleDescAttr(RelationGetDescr(view), column - 1);
  char* const name = psprintf("t.%s", quote_identifier(NameStr(attribute->attname)));
  char* const from =
      quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)), RelationGetRelationName(view));
  if (!gate->is_near && !gate->normalize)
    return psprintf("SELECT %s FROM %s t WHERE %s %s $1 LIMIT 1", name, from, name,
                    operator_text("=", attribute->atttypid));
  char* const distance =
      gate->is_near ? psprintf("OPERATOR(%s)", gate->distance) : operator_text("<=>", attribute->atttypid);
  return psprintf("SELECT %s FROM %s t WHERE %s %s $1 <= %.17g ORDER BY %s %s $1 LIMIT %d", name, from, name, distance,
                  gate->is_near ? gate->epsilon : same_direction, name, distance, gate->is_near ? 1 : candidate_count);
}

SPIPlanPtr plan_of(Relation view, Gate const* gate, AttrNumber column) {
  if (!looks) {
    HASHCTL control{};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Look);
    control.hcxt = TopMemoryContext;
    looks = hash_create("strata gates of branches", 8, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  }
  char* const text = look_text(view, gate, column);
  Oid const oid = RelationGetRelid(view);
  bool found;
  auto* const look = static_cast<Look*>(hash_search(looks, &oid, HASH_ENTER, &found));
  if (!found) *look = {oid, nullptr, nullptr};
  if (look->plan && strcmp(look->text, text) == 0) return look->plan;
  if (look->plan) SPI_freeplan(look->plan);
  look->plan = nullptr;
  Oid types[] = {TupleDescAttr(RelationGetDescr(view), column - 1)->atttypid};
  SPIPlanPtr const plan = SPI_prepare(text, 1, types);
  if (!plan || SPI_keepplan(plan) != 0) elog(ERROR, "could not prepare a statement of a branch");
  if (look->text) pfree(look->text);
  look->text = MemoryContextStrdup(TopMemoryContext, text);
  look->plan = plan;
  return plan;
}

// Whether one of the rows that a look found is the vector that is looked for.
bool has_same(Gate const* gate, Datum value) {
  if (gate->is_near || !gate->normalize) return SPI_processed > 0;
  pg_uuid_t wanted;
  gate_hash(gate, value, &wanted);
  for (uint64 i = 0; i < SPI_processed; i++) {
    bool is_null;
    pg_uuid_t hash;
    gate_hash(gate, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null), &hash);
    if (memcmp(&hash, &wanted, sizeof hash) == 0) return true;
  }
  return false;
}

bool is_held(Relation view, Gate const* gate, AttrNumber column, Datum value) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, RelationGetRelid(view), 0, branch_lock_class);
  LockAcquire(&tag, ExclusiveLock, false, false);
  // What was committed before the lock was had counts, also where the transaction's snapshot does not show it.
  Snapshot const snapshot = RegisterSnapshot(GetLatestSnapshot());
  char const no_null = ' ';
  int const result =
      SPI_execute_snapshot(plan_of(view, gate, column), &value, &no_null, snapshot, InvalidSnapshot, true, false, 0);
  UnregisterSnapshot(snapshot);
  if (result != SPI_OK_SELECT) elog(ERROR, "statement of a branch failed: %s", SPI_result_code_string(result));
  return has_same(gate, value);
}

// The gate of the table as it is now, and the attribute of the view that it watches; 0: there is none.
AttrNumber read_gate(Relation view, Oid table, Gate* gate) {
  Relation const head = table_open(table, AccessShareLock);
  Gate const* const found = gate_of(head);
  if (found) *gate = *found;
  table_close(head, NoLock);
  return found ? column_of(view, table, gate) : InvalidAttrNumber;
}

}  // namespace

bool is_duplicate_in_branch(Relation view, Oid table, Datum const* values, bool const* is_null) {
  Gate gate;
  AttrNumber const column = read_gate(view, table, &gate);
  if (column <= 0 || is_null[column - 1]) return false;
  SharedCounters* const counters = shared_counters(CounterKind::dedup, gate.registry);
  count(counters, count_seen);
  bool const found = is_held(view, &gate, column, values[column - 1]);
  count(counters, !found ? count_stored : gate.is_error ? count_error : count_skipped);
  if (found && gate.is_error)
    ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
                    errmsg("duplicate vector in column \"%s\" of branch \"%s\"", get_attname(table, gate.column, false),
                           get_namespace_name(RelationGetNamespace(view))),
                    errhint("With on_duplicate => 'skip' strata.set_dedup leaves such rows out.")));
  return found;
}

bool keeps_vector(Relation view, Oid table, Datum const* old_values, bool const* old_null, Datum const* values,
                  bool const* is_null) {
  Gate gate;
  AttrNumber const column = read_gate(view, table, &gate);
  if (column <= 0) return true;
  if (old_null[column - 1] || is_null[column - 1]) return is_null[column - 1];
  return datum_image_eq(old_values[column - 1], values[column - 1], false, -1);
}

}  // namespace strata::pg
