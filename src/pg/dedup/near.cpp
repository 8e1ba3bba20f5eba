// The near mode: a row is a duplicate when one within epsilon is stored, found by an ordered search like any other, so
// with the recall that the search has.
#include "pg/compat.hpp"
#include "pg/dedup/gate.hpp"
#include "pg/dedup/registry.hpp"

namespace strata::pg {
namespace {

constexpr int candidate_count = 32;  // rows looked at when a time to live decides which of them count

struct NearPlan {
  Oid table;  // key
  SPIPlanPtr plan;
  double epsilon;
  AttrNumber column;
  char distance[sizeof(Gate::distance)];
};

HTAB* plans = nullptr;

Oid root_of(Relation table) {
  return table->rd_rel->relispartition ? llast_oid(get_partition_ancestors(RelationGetRelid(table)))
                                       : RelationGetRelid(table);
}

SPIPlanPtr prepare(Gate const* gate, Relation table, Oid root) {
  Form_pg_attribute const column = TupleDescAttr(RelationGetDescr(table), gate->column - 1);
  char const* const name = quote_identifier(NameStr(column->attname));
  char const* const from = quote_qualified_identifier(get_namespace_name(get_rel_namespace(root)), get_rel_name(root));
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "SELECT t.%s FROM %s t WHERE t.%s OPERATOR(%s) $1 <= %.17g ", name, from, name,
                   gate->distance, gate->epsilon);
  appendStringInfo(&text, "ORDER BY t.%s OPERATOR(%s) $1 LIMIT %d", name, gate->distance, candidate_count);
  Oid types[] = {column->atttypid};
  SPIPlanPtr const plan = SPI_prepare(text.data, 1, types);
  if (!plan) elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
  SPI_keepplan(plan);
  return plan;
}

SPIPlanPtr plan_of(Gate const* gate, Relation table) {
  if (!plans) {
    HASHCTL control = {};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(NearPlan);
    control.hcxt = CacheMemoryContext;
    plans = hash_create("strata near gates", 8, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  }
  Oid const root = root_of(table);
  bool found;
  auto* const entry = static_cast<NearPlan*>(hash_search(plans, &gate->table, HASH_ENTER, &found));
  if (!found) entry->plan = nullptr;
  bool const fits = entry->plan && entry->epsilon == gate->epsilon && entry->column == gate->column &&
                    strcmp(entry->distance, gate->distance) == 0;
  if (fits) return entry->plan;
  if (entry->plan) SPI_freeplan(entry->plan);
  entry->plan = nullptr;
  entry->plan = prepare(gate, table, root);
  entry->epsilon = gate->epsilon;
  entry->column = gate->column;
  strlcpy(entry->distance, gate->distance, sizeof entry->distance);
  return entry->plan;
}

// Do the rows that a search found count, that is, were they seen within the time to live.
bool counts(Gate const* gate, SPITupleTable const* rows, uint64 row_count) {
  if (gate->ttl == 0) return row_count > 0;
  Registry const registry = open_registry(gate->registry, AccessShareLock);
  bool result = false;
  for (uint64 i = 0; i < row_count && !result; ++i) {
    bool is_null;
    Datum const value = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null);
    pg_uuid_t hash;
    gate_hash(gate, value, &hash);
    result = is_claimed(registry, &hash, GetCurrentTransactionStartTimestamp());
  }
  close_registry(registry);
  return result;
}

// Everything committed, and what this transaction did so far.
Snapshot newest_snapshot() {
  CommandCounterIncrement();
  return GetLatestSnapshot();
}

}  // namespace

bool has_near_row(Gate const* gate, Relation table, Datum value) {
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  // Rows that the inserting role may not see count too.
  SetUserIdAndSecContext(table->rd_rel->relowner, context | SECURITY_LOCAL_USERID_CHANGE);
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  SPIPlanPtr const plan = plan_of(gate, table);
  Datum arguments[] = {value};
  PushActiveSnapshot(newest_snapshot());
  int const status = SPI_execute_plan(plan, arguments, nullptr, true, 0);
  if (status != SPI_OK_SELECT) elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(status));
  bool const found = counts(gate, SPI_tuptable, SPI_processed);
  PopActiveSnapshot();
  SPI_finish();
  SetUserIdAndSecContext(user, context);
  return found;
}

}  // namespace strata::pg
