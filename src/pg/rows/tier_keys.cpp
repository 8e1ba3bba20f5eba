// Unique keys of a table with row tiers. Each tier has its own indexes, so whoever brings a key into one tier looks
// into the other:
//
//   BEFORE (hot tier)   a row of the cold tier that has the key is moved to the hot one first. There the indexes see
//   it:
//                       a plain INSERT fails as it must, INSERT ... ON CONFLICT finds the row that it asks for
//   AFTER (both tiers)  the key is looked for again, since a row may have been moved, or a key changed, meanwhile
//
// Looks wait for transactions in progress, as unique indexes do.
#include "pg/rows/tier_keys.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/rows/row_move.hpp"

namespace strata::pg {
namespace {

constexpr char key_trigger_name[] = "~strata_tier_keys";

struct TierKey {
  Oid other;        // the other tier
  Oid other_index;  // its index
  int column_count;
  AttrNumber columns[INDEX_MAX_KEYS];  // of this tier
};

// What a call of the trigger keeps for the next one.
struct TierKeys {
  int count;
  TierKey keys[FLEXIBLE_ARRAY_MEMBER];
};

ExecutorStart_hook_type previous_start = nullptr;
// The upsert into a table with tiers that was started last, and the command id that is free for rows it moves.
struct Upsert {
  Oid table;
  TransactionId transaction;
  CommandId command;
};
Upsert upsert;

bool guards(Relation index) {
  Form_pg_index const form = index->rd_index;
  return form->indisunique && form->indimmediate && form->indisvalid && index->rd_rel->relam == BTREE_AM_OID &&
         heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr) &&
         heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, nullptr);
}

bool has_same_columns(Relation table, Relation index, Relation other, Relation other_index) {
  int const count = index->rd_index->indnkeyatts;
  if (!guards(other_index) || other_index->rd_index->indnkeyatts != count) return false;
  for (int i = 0; i < count; i++) {
    Form_pg_attribute const here = TupleDescAttr(RelationGetDescr(table), index->rd_index->indkey.values[i] - 1);
    Form_pg_attribute const there = TupleDescAttr(RelationGetDescr(other), other_index->rd_index->indkey.values[i] - 1);
    if (strcmp(NameStr(here->attname), NameStr(there->attname)) != 0) return false;
    if (index->rd_indcollation[i] != other_index->rd_indcollation[i]) return false;
  }
  return true;
}

Oid counterpart_of(Relation table, Relation index, Relation other) {
  Oid found = InvalidOid;
  ListCell* cell;
  List* const oids = RelationGetIndexList(other);
  foreach (cell, oids) {
    Relation const other_index = index_open(lfirst_oid(cell), AccessShareLock);
    if (has_same_columns(table, index, other, other_index)) found = lfirst_oid(cell);
    index_close(other_index, NoLock);
  }
  list_free(oids);
  if (OidIsValid(found)) return found;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("unique index \"%s\" has no counterpart in tier \"%s\"", RelationGetRelationName(index),
                         RelationGetRelationName(other)),
                  errhint("CALL strata.run_row_tiering() makes it.")));
  pg_unreachable();
}

Oid parent_of(Oid child) {
  Oid parent = InvalidOid;
  Relation const inherits = table_open(InheritsRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(child));
  SysScanDesc const scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
  if (HeapTuple const row = systable_getnext(scan); HeapTupleIsValid(row))
    parent = reinterpret_cast<Form_pg_inherits>(GETSTRUCT(row))->inhparent;
  systable_endscan(scan);
  table_close(inherits, AccessShareLock);
  return parent;
}

bool is_plain(Relation table) {
  return table->rd_rel->relkind == RELKIND_RELATION && table->rd_rel->relam == HEAP_TABLE_AM_OID;
}

void add_keys(TierKeys* keys, Relation table, Oid other_oid) {
  Relation const other = table_open(other_oid, AccessShareLock);
  // Rows go from one to the other without asking for privileges.
  if (!is_plain(table) || !is_plain(other) || table->rd_rel->relowner != other->rd_rel->relowner) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("\"%s\" and \"%s\" are not tiers of one table", RelationGetRelationName(table),
                           RelationGetRelationName(other)),
                    errhint("They need to be ordinary tables of one owner.")));
  }
  ListCell* cell;
  List* const oids = RelationGetIndexList(table);
  foreach (cell, oids) {
    Relation const index = index_open(lfirst_oid(cell), AccessShareLock);
    if (guards(index)) {
      TierKey* const key = &keys->keys[keys->count++];
      key->other = other_oid;
      key->other_index = counterpart_of(table, index, other);
      key->column_count = index->rd_index->indnkeyatts;
      for (int i = 0; i < key->column_count; i++) key->columns[i] = index->rd_index->indkey.values[i];
    }
    index_close(index, NoLock);
  }
  list_free(oids);
  table_close(other, NoLock);
}

TierKeys const* keys_of(FmgrInfo* function, Relation table) {
  if (function->fn_extra) return static_cast<TierKeys*>(function->fn_extra);
  Oid const parent = parent_of(RelationGetRelid(table));
  List* const others =
      OidIsValid(parent) ? list_make1_oid(parent) : find_inheritance_children(RelationGetRelid(table), NoLock);
  size_t const room = size_t(list_length(others)) * size_t(list_length(RelationGetIndexList(table)));
  auto* const keys = static_cast<TierKeys*>(
      MemoryContextAllocZero(function->fn_mcxt, offsetof(TierKeys, keys) + sizeof(TierKey) * Max(room, size_t{1})));
  for (int i = 0; i < list_length(others); i++) add_keys(keys, table, list_nth_oid(others, i));
  function->fn_extra = keys;
  return keys;
}

// The key of a row; false when it is equal to no other.
bool read_key(TierKey const& key, HeapTuple row, TupleDesc columns, Datum* values) {
  for (int i = 0; i < key.column_count; i++) {
    bool is_null;
    values[i] = heap_getattr(row, key.columns[i], columns, &is_null);
    if (is_null) return false;
  }
  return true;
}

bool is_same_key(TierKey const& key, HeapTuple old_row, HeapTuple new_row, TupleDesc columns) {
  Datum old_values[INDEX_MAX_KEYS], new_values[INDEX_MAX_KEYS];
  if (!read_key(key, old_row, columns, old_values) || !read_key(key, new_row, columns, new_values)) return false;
  for (int i = 0; i < key.column_count; i++) {
    Form_pg_attribute const column = TupleDescAttr(columns, key.columns[i] - 1);
    if (!datumIsEqual(old_values[i], new_values[i], column->attbyval, column->attlen)) return false;
  }
  return true;
}

// A row of the other tier with this key as of now. Waits for transactions that bring or remove one.
bool find_settled(Relation other, Relation index, Datum const* values, int count, ItemPointer tid) {
  ScanKeyData keys[INDEX_MAX_KEYS];
  for (int i = 0; i < count; i++) {
    Oid const type = index->rd_opcintype[i];
    Oid const equals = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
    ScanKeyEntryInitialize(&keys[i], 0, AttrNumber(i + 1), BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[i],
                           get_opcode(equals), values[i]);
  }
  TupleTableSlot* const slot = table_slot_create(other, nullptr);
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    SnapshotData dirty;
    InitDirtySnapshot(dirty);
    IndexScanDesc const scan = begin_index_scan(other, index, &dirty, count);
    index_rescan(scan, keys, count, nullptr, 0);
    bool const found = index_getnext_slot(scan, ForwardScanDirection, slot);
    if (found) *tid = slot->tts_tid;
    TransactionId const holder = !found                             ? InvalidTransactionId
                                 : TransactionIdIsValid(dirty.xmin) ? dirty.xmin
                                                                    : dirty.xmax;
    ExecClearTuple(slot);
    index_endscan(scan);
    if (!TransactionIdIsValid(holder)) {
      ExecDropSingleTupleTableSlot(slot);
      return found;
    }
    if (TransactionIdIsValid(dirty.xmin) && dirty.speculativeToken != 0)
      SpeculativeInsertionWait(holder, dirty.speculativeToken);
    else
      XactLockTableWait(holder, other, tid, XLTW_InsertIndex);
  }
}

void fetch_from(Relation table, Relation other, Relation index, Datum const* values, int count) {
  ItemPointerData tid;
  while (find_settled(other, index, values, count, &tid)) {
    CommandId const command = GetCurrentCommandId(true);
    bool const is_upsert = upsert.table == RelationGetRelid(table) && upsert.command < command &&
                           upsert.transaction == GetTopTransactionIdIfAny();
    RowMove* const move = begin_move(other, table);
    bool const moved = move_row(move, &tid, is_upsert ? upsert.command : command);
    end_move(move);
    if (moved) return;
  }
}

[[noreturn]] void raise_duplicate(Relation table, Relation other, Relation index) {
  bool const is_hot = !OidIsValid(parent_of(RelationGetRelid(table)));
  if (is_hot)
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to a row that was moved concurrently to \"%s\"",
                           RelationGetRelationName(other)),
                    errhint("The transaction may succeed if it is tried again.")));
  ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
                  errmsg("duplicate key value violates unique constraint \"%s\"", RelationGetRelationName(index)),
                  errdetail("Table \"%s\" has a row with this key.", RelationGetRelationName(other)),
                  errtableconstraint(other, RelationGetRelationName(index))));
  pg_unreachable();
}

void look(TierKey const& key, Relation table, Datum const* values, bool is_before) {
  Relation const other = table_open(key.other, is_before ? RowExclusiveLock : AccessShareLock);
  Relation const index = index_open(key.other_index, AccessShareLock);
  ItemPointerData tid;
  if (is_before)
    fetch_from(table, other, index, values, key.column_count);
  else if (find_settled(other, index, values, key.column_count, &tid))
    raise_duplicate(table, other, index);
  index_close(index, NoLock);
  table_close(other, NoLock);
}

bool has_key_trigger(Oid table_oid) {
  Relation const table = table_open(table_oid, NoLock);
  bool found = false;
  for (int i = 0; table->trigdesc && i < table->trigdesc->numtriggers && !found; i++)
    found = strcmp(table->trigdesc->triggers[i].tgname, key_trigger_name) == 0;
  table_close(table, NoLock);
  return found;
}

void note_insert(Plan const* plan, PlannedStmt const* statement) {
  if (!plan || !IsA(plan, ModifyTable)) return;
  auto const* const modify = reinterpret_cast<ModifyTable const*>(plan);
  if (modify->operation != CMD_INSERT) return;
  int const target = linitial_int(modify->resultRelations);
  Oid const table = static_cast<RangeTblEntry*>(list_nth(statement->rtable, target - 1))->relid;
  bool const is_upsert = modify->onConflictAction == ONCONFLICT_UPDATE;
  if (table == upsert.table && !is_upsert) upsert.table = InvalidOid;
  if (!is_upsert || !has_key_trigger(table)) return;
  upsert = {table, GetTopTransactionId(), GetCurrentCommandId(true)};
  CommandCounterIncrement();
}

// ON CONFLICT DO UPDATE changes no row that its own command brought. So that it does change one that it fetched from
// the cold tier, that gets the id of a command before it, which nothing else has.
void start_executor(QueryDesc* query, int flags) {
  PlannedStmt const* const statement = query->plannedstmt;
  if ((statement->commandType == CMD_INSERT || statement->hasModifyingCTE) && !(flags & EXEC_FLAG_EXPLAIN_ONLY)) {
    note_insert(statement->planTree, statement);
    for (int i = 0; i < list_length(statement->subplans); i++)
      note_insert(static_cast<Plan const*>(list_nth(statement->subplans, i)), statement);
  }
  if (previous_start)
    previous_start(query, flags);
  else
    standard_ExecutorStart(query, flags);
}

}  // namespace

void register_tier_keys() {
  previous_start = ExecutorStart_hook;
  ExecutorStart_hook = start_executor;
}

}  // namespace strata::pg

STRATA_FUNCTION(tier_key) {
  using namespace strata::pg;
  auto const* const call = CALLED_AS_TRIGGER(fcinfo) ? reinterpret_cast<TriggerData*>(fcinfo->context) : nullptr;
  if (!call || !TRIGGER_FIRED_FOR_ROW(call->tg_event) || TRIGGER_FIRED_BY_DELETE(call->tg_event)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("strata.tier_key() is for rows that are inserted or updated")));
  }
  bool const is_update = TRIGGER_FIRED_BY_UPDATE(call->tg_event), is_before = TRIGGER_FIRED_BEFORE(call->tg_event);
  HeapTuple const row = is_update ? call->tg_newtuple : call->tg_trigtuple;
  TupleDesc const columns = RelationGetDescr(call->tg_relation);
  TierKeys const* const keys = keys_of(fcinfo->flinfo, call->tg_relation);
  for (int i = 0; i < keys->count; i++) {
    Datum values[INDEX_MAX_KEYS];
    if (!read_key(keys->keys[i], row, columns, values)) continue;
    if (is_update && is_same_key(keys->keys[i], call->tg_trigtuple, row, columns)) continue;
    look(keys->keys[i], call->tg_relation, values, is_before);
  }
  return PointerGetDatum(row);
}
