// strata.dedup_gate() and strata.dedup_settle(): the triggers of a table with a gate.
//
//   BEFORE statement                 lock the gate, before the statement locks any row
//   BEFORE row INSERT, UPDATE OF col claim the vector; a duplicate is left out, or an error
//   BEFORE row DELETE, UPDATE        without ttl: give the old vector's claim back
//   AFTER row INSERT                 its WHEN clause calls dedup_settle(): the row was stored. It never fires, so no
//                                    event is queued
//   AFTER statement INSERT           a claim that was not settled belongs to a row that ON CONFLICT did not store
//   AFTER statement TRUNCATE         without ttl: give all claims back
//
// The names of the triggers sort last, so other BEFORE triggers have had their say when a vector is claimed.
#include "pg/dedup/gate.hpp"

#include "pg/compat.hpp"
#include "pg/dedup/registry.hpp"
#include "pg/entry.hpp"
#include "pg/stats/shared_counters.hpp"

namespace strata::pg {
namespace {

constexpr uint16 gate_lock_class = 0x5344;  // advisory locks are told apart by it; the server uses 1 and 2
constexpr int64 refresh_parts = 16;         // a claim is refreshed when this part of its time is over

// What is remembered of the row that a statement works on. One a depth of triggers suffices: between the first and the
// last trigger of a row only triggers of a deeper level run.
enum class RowState {
  none,
  claimed,  // by an INSERT, and not known to be stored yet
  updated,  // with a vector that the UPDATE has claimed
  deleted,  // an UPDATE may be moving it to another partition, where it is inserted
  moving,   // deleted after it was updated
};
struct Pending {
  RowState state;
  Oid registry;
  SubTransactionId subtransaction;
  pg_uuid_t hash;
};
constexpr int depth_max = 16;  // deeper ones are not settled: their claims stand even if no row is stored
Pending pending[depth_max];
bool has_pending = false;

// Statements on a partition itself have no statement triggers: what they leave behind is found here.
void give_back_leftovers() {
  for (Pending& p : pending) {
    if (p.state != RowState::claimed) continue;
    p.state = RowState::none;
    PushActiveSnapshot(GetTransactionSnapshot());
    Registry const registry = open_registry(p.registry);
    give_back(registry, &p.hash);
    close_registry(registry);
    PopActiveSnapshot();
  }
}

void at_transaction_end(XactEvent event, void* /* argument */) {
  if (!has_pending || event == XACT_EVENT_PARALLEL_PRE_COMMIT) return;
  if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) give_back_leftovers();
  memset(pending, 0, sizeof pending);
  has_pending = false;
}

void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void* /* argument */) {
  if (!has_pending || (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)) return;
  for (Pending& p : pending) {
    if (p.state == RowState::none || p.subtransaction != mine) continue;
    if (event == SUBXACT_EVENT_ABORT_SUB)
      p.state = RowState::none;
    else
      p.subtransaction = parent;
  }
}

int trigger_depth() {
  return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, Datum(0)));
}

Pending* pending_at(int depth) {
  static bool is_registered = false;
  if (!is_registered) {
    RegisterXactCallback(at_transaction_end, nullptr);
    RegisterSubXactCallback(at_subtransaction_end, nullptr);
    is_registered = true;
  }
  return depth >= 0 && depth < depth_max ? &pending[depth] : nullptr;
}

void put_pending(int depth, Oid registry, pg_uuid_t const& hash, RowState state) {
  Pending* const p = pending_at(depth);
  if (!p) return;
  *p = {state, registry, GetCurrentSubTransactionId(), hash};
  has_pending = true;
}

void give_back(Gate const* gate, pg_uuid_t const* hash) {
  Registry const registry = open_registry(gate->registry);
  give_back(registry, hash);
  close_registry(registry);
}

RowState state_at(Gate const* gate, int depth) {
  Pending const* const p = pending_at(depth);
  return p && p->registry == gate->registry ? p->state : RowState::none;
}

// Ends what is remembered of the row before, and gives back what ON CONFLICT left behind.
void finish_row(Gate const* gate, int depth) {
  RowState const state = state_at(gate, depth);
  if (state == RowState::none) return;
  pending[depth].state = RowState::none;
  pg_uuid_t const hash = pending[depth].hash;
  if (state == RowState::claimed) give_back(gate, &hash);
}

ClaimTerms terms_of(Gate const* gate) {
  TimestampTz const now = GetCurrentTransactionStartTimestamp();
  if (gate->ttl == 0) return {now, DT_NOEND, DT_NOBEGIN};
  TimestampTz const expires_at = now + gate->ttl;
  return {now, expires_at, gate->refresh ? expires_at - gate->ttl / refresh_parts : DT_NOBEGIN};
}

LOCKTAG gate_lock(Gate const* gate) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, gate->registry, 0, gate_lock_class);
  return tag;
}

// What keeps sessions from storing near rows past each other, when the gate's lock does not.
void lock_neighbourhood(Gate const* gate, Relation table, Datum value) {
  LOCKTAG const tag = gate_lock(gate);
  if (holds_lock(&tag, ExclusiveLock) || lock_cells(gate, table, value)) return;
  LockAcquire(&tag, ExclusiveLock, false, false);
}

bool is_duplicate(Gate const* gate, Relation table, Datum value, pg_uuid_t const* hash) {
  if (gate->is_near) lock_neighbourhood(gate, table, value);
  Registry const registry = open_registry(gate->registry);
  Claim const result = claim(registry, hash, terms_of(gate));
  close_registry(registry);
  if (result == Claim::duplicate) return true;
  if (result == Claim::fresh_unseen) count(shared_counters(CounterKind::dedup, gate->registry), count_bloom_skip);
  if (!gate->is_near || !has_near_row(gate, table, value)) return false;
  give_back(gate, hash);
  return true;
}

// True: the row is to be left out.
bool reject(Gate const* gate, Relation table, SharedCounters* counters) {
  // What is applied from a publisher has passed its gate; leaving it out would make the copies differ.
  if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA) return false;
  count(counters, gate->is_error ? count_error : count_skipped);
  if (!gate->is_error) return true;
  char const* const column = NameStr(TupleDescAttr(RelationGetDescr(table), gate->column - 1)->attname);
  ereport(ERROR,
          (errcode(ERRCODE_UNIQUE_VIOLATION),
           errmsg("duplicate vector in column \"%s\" of table \"%s\"", column, RelationGetRelationName(table)),
           gate->is_near ? errdetail("A vector within %g of it is stored already.", gate->epsilon)
                         : errdetail("The same vector is stored already or has been seen within the time to live."),
           errhint("With on_duplicate => 'skip' strata.set_dedup leaves such rows out."), errtable(table)));
}

Datum column_of(Gate const* gate, Relation table, HeapTuple row, bool* is_null) {
  return heap_getattr(row, gate->column, RelationGetDescr(table), is_null);
}

// An INSERT of a row that the same command deleted: it moves to another partition, and was let in before.
bool is_moving(Gate const* gate, int depth, pg_uuid_t const* hash) {
  RowState const state = state_at(gate, depth);
  if (state != RowState::deleted && state != RowState::moving) return false;
  pending[depth].state = RowState::none;
  if (memcmp(&pending[depth].hash, hash, sizeof *hash) != 0) return false;
  if (state == RowState::deleted && gate->ttl == 0) {  // its claim was given back
    Registry const registry = open_registry(gate->registry);
    claim(registry, hash, terms_of(gate));
    close_registry(registry);
  }
  return true;
}

// Claims a vector for a row. False: the row is to be left out.
bool let_in(Gate const* gate, Relation table, Datum value, pg_uuid_t const* hash) {
  SharedCounters* const counters = shared_counters(CounterKind::dedup, gate->registry);
  count(counters, count_seen);
  if (is_duplicate(gate, table, value, hash)) return !reject(gate, table, counters);
  count(counters, count_stored);
  return true;
}

// Null: the row is left out.
HeapTuple before_insert(Gate const* gate, TriggerData const* data) {
  bool is_null;
  Datum const value = column_of(gate, data->tg_relation, data->tg_trigtuple, &is_null);
  int const depth = trigger_depth();
  pg_uuid_t hash;
  if (!is_null) {
    gate_hash(gate, value, &hash);
    if (is_moving(gate, depth, &hash)) return data->tg_trigtuple;
  }
  finish_row(gate, depth);
  if (is_null) return data->tg_trigtuple;
  if (!let_in(gate, data->tg_relation, value, &hash)) return nullptr;
  put_pending(depth, gate->registry, hash, RowState::claimed);
  return data->tg_trigtuple;
}

HeapTuple before_update(Gate const* gate, TriggerData const* data) {
  bool is_null, old_is_null;
  Datum const value = column_of(gate, data->tg_relation, data->tg_newtuple, &is_null);
  Datum const old_value = column_of(gate, data->tg_relation, data->tg_trigtuple, &old_is_null);
  int const depth = trigger_depth();
  finish_row(gate, depth);
  pg_uuid_t hash, old_hash;
  if (!is_null) gate_hash(gate, value, &hash);
  if (!old_is_null) gate_hash(gate, old_value, &old_hash);
  if (!is_null && !old_is_null && memcmp(&hash, &old_hash, sizeof hash) == 0) return data->tg_newtuple;
  if (!is_null) {
    if (!let_in(gate, data->tg_relation, value, &hash)) return nullptr;
    put_pending(depth, gate->registry, hash, RowState::updated);
  }
  if (!old_is_null && gate->ttl == 0) give_back(gate, &old_hash);
  return data->tg_newtuple;
}

HeapTuple before_delete(Gate const* gate, TriggerData const* data) {
  int const depth = trigger_depth();
  bool is_null;
  Datum const value = column_of(gate, data->tg_relation, data->tg_trigtuple, &is_null);
  if (state_at(gate, depth) == RowState::updated) {
    pending[depth].state = RowState::moving;
    return data->tg_trigtuple;
  }
  if (is_null) return data->tg_trigtuple;
  pg_uuid_t hash;
  gate_hash(gate, value, &hash);
  finish_row(gate, depth);
  if (gate->ttl == 0) give_back(gate, &hash);
  put_pending(depth, gate->registry, hash, RowState::deleted);
  return data->tg_trigtuple;
}

HeapTuple before_row(Gate const* gate, TriggerData const* data) {
  if (TRIGGER_FIRED_BY_INSERT(data->tg_event)) return before_insert(gate, data);
  return TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? before_update(gate, data) : before_delete(gate, data);
}

void after_statement(Gate const* gate, TriggerData const* data) {
  if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) {
    if (gate->ttl != 0) return;
    Registry const registry = open_registry(gate->registry);
    give_back_all(registry);
    close_registry(registry);
    return;
  }
  finish_row(gate, trigger_depth());
}

// Is the statement of the client an INSERT of one row by VALUES, the first that its transaction writes.
bool is_single_row_insert() {
  if (IsTransactionBlock() || TransactionIdIsValid(GetTopTransactionIdIfAny()) || trigger_depth() > 1) return false;
  if (!ActivePortal || list_length(ActivePortal->stmts) != 1) return false;
  auto const* const statement = static_cast<PlannedStmt const*>(linitial(ActivePortal->stmts));
  if (statement->commandType != CMD_INSERT || statement->subplans != NIL) return false;
  Plan const* const top = statement->planTree;
  Plan const* const source = IsA(top, ModifyTable) ? outerPlan(top) : nullptr;
  return source && IsA(source, Result) && !outerPlan(source);
}

}  // namespace

void lock_gate(Gate const* gate, Relation table) {
  LOCKTAG const tag = gate_lock(gate);
  if (holds_lock(&tag, ExclusiveLock)) return;
  // Statements that a client pipelines share a transaction unseen: whoever shares the lock goes on to, since two
  // transactions that both want to have it alone after sharing it would wait for each other.
  bool shared = holds_lock(&tag, ShareLock);
  if (!shared && is_single_row_insert()) shared = !gate->is_near || has_cells(gate, table);
  LockAcquire(&tag, shared ? ShareLock : ExclusiveLock, false, false);
}

}  // namespace strata::pg

using namespace strata::pg;

STRATA_FUNCTION(dedup_gate) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("strata.dedup_gate() can only be called as a trigger")));
  auto const* const data = reinterpret_cast<TriggerData const*>(fcinfo->context);
  Gate const* const gate = gate_of(data->tg_relation);
  bool const is_row = TRIGGER_FIRED_FOR_ROW(data->tg_event);
  bool const is_before = TRIGGER_FIRED_BEFORE(data->tg_event);
  if (is_row && is_before) {
    if (!gate) PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple);
    lock_gate(gate, data->tg_relation);
    PG_RETURN_POINTER(before_row(gate, data));
  }
  if (gate && is_before) {
    lock_gate(gate, data->tg_relation);
    finish_row(gate, trigger_depth());
  } else if (gate && !is_row) {
    after_statement(gate, data);
  }
  return Datum{0};
}

STRATA_FUNCTION(dedup_settle) {
  Oid const registry = PG_GETARG_OID(0);
  // The condition is looked at outside of the trigger: one level above the claim.
  Pending* const p = pending_at(DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, Datum(0))) + 1);
  if (p && p->registry == registry && p->state == RowState::claimed) p->state = RowState::none;
  PG_RETURN_BOOL(false);
}
