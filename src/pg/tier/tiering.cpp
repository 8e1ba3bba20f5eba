#include "pg/tier/tiering.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/stats/shared_counters.hpp"
#include "pg/tier/segment_tier.hpp"
#include "pg/worker/maintenance.hpp"

namespace strata::pg {
namespace {

constexpr int64 interval_us = 600 * USECS_PER_SEC;  // between two looks at a policy

bool is_due(Oid table) {
  SharedCounters* const counters = shared_counters(CounterKind::tiering, table);
  return GetCurrentTimestamp() - TimestampTz(read_count(counters, 0)) >= interval_us;
}

// The tables that policies name.
List* list_tables(Relation policies) {
  List* tables = NIL;
  TableScanDesc const scan = begin_table_scan(policies, GetActiveSnapshot());
  for (HeapTuple tuple; (tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr;) {
    bool is_null;
    Datum const table = heap_getattr(tuple, 1, RelationGetDescr(policies), &is_null);
    if (!is_null) tables = lappend_oid(tables, DatumGetObjectId(table));
  }
  table_endscan(scan);
  return tables;
}

struct Move {
  bool any;    // something was done or is to be done
  bool moves;  // this
  Oid index;
  ObjectId segment;
  store::Tier tier;
};

// Asks for the next move of a table's policy; makes places for cold segments where they are missing.
Move next_move(Oid table) {
  Oid types[] = {REGCLASSOID};
  Datum values[] = {ObjectIdGetDatum(table)};
  PushActiveSnapshot(GetTransactionSnapshot());
  if (SPI_execute_with_args("SELECT n.index, n.segment, n.tier FROM strata._next_tier_move($1) n", 1, types, values,
                            nullptr, false, 1) < 0)
    elog(ERROR, "could not ask for the next move between tiers");
  PopActiveSnapshot();
  Move move{};
  if (SPI_processed == 0) return move;
  HeapTuple const row = SPI_tuptable->vals[0];
  bool is_null;
  move.index = DatumGetObjectId(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
  move.any = !is_null;
  Datum const segment = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null);
  move.moves = move.any && !is_null;
  if (!move.moves) return move;
  move.segment = ObjectId(uint32_t(DatumGetInt64(segment)));
  char const* const tier = SPI_getvalue(row, SPI_tuptable->tupdesc, 3);
  move.tier = tier && strcmp(tier, "cold") == 0 ? store::Tier::cold : store::Tier::hot;
  return move;
}

// One move, or one place made for later moves. Requires SPI. While pages are written no snapshot is held. `gives_way`:
// ends the process when somebody waits for the table.
bool take_step(Oid table, bool gives_way) {
  Move const move = next_move(table);
  if (!move.moves) return move.any;
  OpenIndex const open = open_ivf_index(move.index, RowExclusiveLock, Missing::ignore);
  if (!open.index) return true;
  begin_progress(move.index);
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf tiering", ALLOCSET_DEFAULT_SIZES);
  PgPager pager(open.index, open.heap, maintenance_access(open.index), MAIN_FORKNUM, context);
  if (gives_way) pager.give_way();
  InvalidateCatalogSnapshot();
  move_segment(pager, move.segment, move.tier);
  MemoryContextDelete(context);
  end_progress();
  close_ivf_index(open, NoLock);
  return true;
}

}  // namespace

List* list_tiering_due() {
  List* due = NIL;
  Oid const space = get_namespace_oid("strata", true);
  Oid const catalog = OidIsValid(space) ? get_relname_relid("tier_policy", space) : InvalidOid;
  if (!OidIsValid(catalog)) return NIL;
  PushActiveSnapshot(GetTransactionSnapshot());
  Relation const policies = table_open(catalog, AccessShareLock);
  List* const tables = list_tables(policies);
  table_close(policies, AccessShareLock);
  PopActiveSnapshot();
  ListCell* cell;
  foreach (cell, tables) {
    Oid const table = lfirst_oid(cell);
    if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)) && is_due(table)) due = lappend_oid(due, table);
  }
  list_free(tables);
  return due;
}

void note_tiering(Oid table) {
  pg_atomic_write_u64(&shared_counters(CounterKind::tiering, table)->values[0], uint64(GetCurrentTimestamp()));
}

bool run_tiering_step(Oid table) {
  bool more = false;
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table))) {
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(get_rel_owner(table), context | SECURITY_RESTRICTED_OPERATION);
    if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
    more = take_step(table, true);
    SPI_finish();
    SetUserIdAndSecContext(user, context);
  }
  CommitTransactionCommand();
  return more;
}

}  // namespace strata::pg

// strata.run_tiering(table): commits after every move, unless it is called inside of a transaction block.
STRATA_FUNCTION(run_tiering) {
  using namespace strata::pg;
  if (PG_ARGISNULL(0)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("table must not be null")));
  Oid const table = PG_GETARG_OID(0);
  PreventCommandDuringRecovery("maintenance of an ivf index");
  if (!is_owner(table, GetUserId())) aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
  bool const atomic =
      !fcinfo->context || !IsA(fcinfo->context, CallContext) || reinterpret_cast<CallContext*>(fcinfo->context)->atomic;
  if (SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  while (take_step(table, false)) {
    if (!atomic) SPI_commit();
    CHECK_FOR_INTERRUPTS();
  }
  SPI_finish();
  PG_RETURN_VOID();
}
