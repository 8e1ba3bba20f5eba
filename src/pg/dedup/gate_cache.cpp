#include "pg/dedup/gate.hpp"
#include "pg/dedup/registry.hpp"
#include "pg/version/as_owner.hpp"

namespace strata::pg {
namespace {

HTAB* gates = nullptr;

void forget_gate(Datum /* argument */, Oid relation) {
  HASH_SEQ_STATUS status;
  hash_seq_init(&status, gates);
  while (auto* const gate = static_cast<Gate*>(hash_seq_search(&status)))
    if (!OidIsValid(relation) || gate->table == relation || gate->registry == relation) gate->is_valid = false;
}

void open_cache() {
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(Gate);
  control.hcxt = CacheMemoryContext;
  gates = hash_create("strata gates", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  CacheRegisterRelcacheCallback(forget_gate, Datum(0));
}

// The trigger that strata.set_dedup makes: AFTER INSERT ... WHEN (strata.dedup_settle(registry, NEW.column)). Its
// condition is where registry and column are kept, since there the server follows renames, dumps and partitions.
Trigger const* settling_trigger(Relation table) {
  TriggerDesc const* const triggers = table->trigdesc;
  for (int i = 0; triggers && i < triggers->numtriggers; ++i) {
    Trigger const* const trigger = &triggers->triggers[i];
    if (strcmp(trigger->tgname, settling_trigger_name) == 0 && trigger->tgqual) return trigger;
  }
  return nullptr;
}

struct Link {
  Oid registry;
  AttrNumber column;
};

Link link_of(Trigger const* trigger) {
  auto* const call = static_cast<Node*>(stringToNode(trigger->tgqual));
  if (IsA(call, FuncExpr) && list_length(reinterpret_cast<FuncExpr*>(call)->args) == 2) {
    auto* const registry = static_cast<Node*>(linitial(reinterpret_cast<FuncExpr*>(call)->args));
    auto* const column = static_cast<Node*>(lsecond(reinterpret_cast<FuncExpr*>(call)->args));
    if (IsA(registry, Const) && IsA(column, Var) && reinterpret_cast<Const*>(registry)->consttype == REGCLASSOID)
      return {DatumGetObjectId(reinterpret_cast<Const*>(registry)->constvalue),
              reinterpret_cast<Var*>(column)->varattno};
  }
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("trigger \"%s\" is not one that strata.set_dedup made", trigger->tgname),
                  errhint("Call strata.drop_dedup and strata.set_dedup on its table.")));
}

// Or anybody could close the gate of somebody else's table with triggers on a table of his own.
void check_owner(Relation table, Oid registry) {
  Oid root = RelationGetRelid(table);
  if (table->rd_rel->relispartition) root = llast_oid(get_partition_ancestors(root));
  Oid const owner = owner_of(registry);
  if (OidIsValid(owner) && (owner == owner_of(root) || owner == table->rd_rel->relowner)) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("the registry of table \"%s\" belongs to somebody else", RelationGetRelationName(table)),
                  errhint("Give table and registry the same owner.")));
}

DedupType type_of_column(Relation table, AttrNumber column) {
  Oid const type = TupleDescAttr(RelationGetDescr(table), column - 1)->atttypid;
  HeapTuple const tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
  bool const is_half = HeapTupleIsValid(tuple) &&
                       strcmp(NameStr(reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typname), "halfvec") == 0;
  if (HeapTupleIsValid(tuple)) ReleaseSysCache(tuple);
  return is_half ? DedupType::halfvec : DedupType::vector;
}

constexpr int64 interval_us(Interval const& interval) {
  return interval.time + (int64{interval.day} + int64{interval.month} * DAYS_PER_MONTH) * USECS_PER_DAY;
}

// The columns of strata.dedup_settings.
enum SettingsColumn {
  mode_column = 1,
  epsilon_column,
  ttl_column,
  on_duplicate_column,
  refresh_column,
  normalize_column,
  distance_column,
  secret_column
};

struct SettingsReader {
  HeapTupleHeader row;
  Datum get(SettingsColumn column, bool* is_null) const { return GetAttributeByNum(row, column, is_null); }
  bool text_is(SettingsColumn column, char const* word) const {
    bool is_null;
    Datum const value = get(column, &is_null);
    return !is_null && strcmp(TextDatumGetCString(value), word) == 0;
  }
  bool flag(SettingsColumn column) const {
    bool is_null;
    Datum const value = get(column, &is_null);
    return !is_null && DatumGetBool(value);
  }
};

void apply_settings(HeapTupleHeader row, Gate* gate) {
  SettingsReader const reader = {row};
  bool is_null;
  gate->is_near = reader.text_is(mode_column, "near");
  gate->is_error = reader.text_is(on_duplicate_column, "error");
  gate->refresh = reader.flag(refresh_column);
  gate->normalize = reader.flag(normalize_column);
  Datum const epsilon = reader.get(epsilon_column, &is_null);
  gate->epsilon = is_null ? 0 : DatumGetFloat8(epsilon);
  Datum const ttl = reader.get(ttl_column, &is_null);
  gate->ttl = is_null ? 0 : interval_us(*DatumGetIntervalP(ttl));
  Datum const distance = reader.get(distance_column, &is_null);
  gate->distance[0] = '\0';
  if (!is_null) strlcpy(gate->distance, TextDatumGetCString(distance), sizeof gate->distance);
  Datum const secret = reader.get(secret_column, &is_null);
  bytea* const key = is_null ? nullptr : DatumGetByteaPP(secret);
  if (!key || VARSIZE_ANY_EXHDR(key) != dedup_key_size)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("a registry has lost its key"),
                    errhint("Call strata.drop_dedup and strata.set_dedup on the table that it guards.")));
  memcpy(gate->key, VARDATA_ANY(key), dedup_key_size);
}

void load_gate(Relation table, Trigger const* trigger, Gate* gate) {
  Link const link = link_of(trigger);
  check_owner(table, link.registry);
  Registry const registry = open_registry(link.registry, AccessShareLock);
  HeapTupleHeader const settings = read_settings(registry);
  close_registry(registry);
  gate->registry = link.registry;
  gate->column = link.column;
  gate->type = type_of_column(table, link.column);
  apply_settings(settings, gate);
}

}  // namespace

Gate const* gate_of(Relation table) {
  if (!gates) open_cache();
  Oid const oid = RelationGetRelid(table);
  bool found;
  auto* const gate = static_cast<Gate*>(hash_search(gates, &oid, HASH_ENTER, &found));
  if (!found) gate->is_valid = false;
  if (gate->is_valid) return gate;
  Trigger const* const trigger = settling_trigger(table);
  if (!trigger) return nullptr;
  // What is cached outlives this command, what the reading takes does not.
  MemoryContext const scratch = AllocSetContextCreate(CurrentMemoryContext, "strata gate", ALLOCSET_SMALL_SIZES);
  MemoryContext const caller = MemoryContextSwitchTo(scratch);
  Gate fresh = {};
  fresh.table = oid;
  load_gate(table, trigger, &fresh);
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  // Reading may have let invalidations in, and the entry may have moved.
  auto* const entry = static_cast<Gate*>(hash_search(gates, &oid, HASH_ENTER, &found));
  *entry = fresh;
  entry->is_valid = true;
  return entry;
}

void gate_hash(Gate const* gate, Datum value, pg_uuid_t* hash) {
  dedup_hash(gate->type, value, gate->normalize, gate->key, hash);
}

}  // namespace strata::pg
