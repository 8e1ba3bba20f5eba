#include "pg/rows/row_move.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/worker/progress.hpp"

namespace strata::pg {

struct RowMove {
  Relation from;
  TupleTableSlot* old_slot;
  TupleTableSlot* new_slot;
  TupleConversionMap* columns;  // null: the same in both
  EState* executor;
  ResultRelInfo* target;
  bool has_foreign_keys;
};

namespace {

// Of the triggers of the target only those of its foreign keys.
TriggerDesc* foreign_key_triggers(TriggerDesc const* all) {
  if (!all || !all->trig_insert_after_row) return nullptr;
  auto* const chosen = static_cast<TriggerDesc*>(palloc0(sizeof(TriggerDesc)));
  chosen->triggers = static_cast<Trigger*>(palloc0(sizeof(Trigger) * size_t(all->numtriggers)));
  for (int i = 0; i < all->numtriggers; i++)
    if (all->triggers[i].tgisinternal) chosen->triggers[chosen->numtriggers++] = all->triggers[i];
  chosen->trig_insert_after_row = chosen->numtriggers > 0;
  return chosen->numtriggers > 0 ? chosen : nullptr;
}

bool is_pair(Oid parent, Oid child) {
  List* const children = find_inheritance_children(parent, NoLock);
  bool const found = list_member_oid(children, child);
  list_free(children);
  return found;
}

Relation open_tier(Oid table) {
  Relation const relation = table_open(table, RowExclusiveLock);
  if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relam != HEAP_TABLE_AM_OID)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("\"%s\" is not an ordinary table", RelationGetRelationName(relation))));
  if (!is_owner(table, GetUserId()))
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(relation));
  return relation;
}

}  // namespace

RowMove* begin_move(Relation from, Relation to) {
  auto* const move = static_cast<RowMove*>(palloc0(sizeof(RowMove)));
  move->from = from;
  move->old_slot = table_slot_create(from, nullptr);
  move->new_slot = table_slot_create(to, nullptr);
  move->columns = convert_tuples_by_name(RelationGetDescr(from), RelationGetDescr(to));
  move->executor = CreateExecutorState();
  MemoryContext const outer = MemoryContextSwitchTo(move->executor->es_query_cxt);
  move->target = makeNode(ResultRelInfo);
  InitResultRelInfo(move->target, to, 1, nullptr, 0);
  move->target->ri_TrigDesc = foreign_key_triggers(move->target->ri_TrigDesc);
  ExecOpenIndices(move->target, false);
  MemoryContextSwitchTo(outer);
  move->has_foreign_keys = move->target->ri_TrigDesc != nullptr;
  if (move->has_foreign_keys) AfterTriggerBeginQuery();
  return move;
}

bool move_row(RowMove* move, ItemPointer tid, CommandId command) {
  Snapshot const snapshot = RegisterSnapshot(GetLatestSnapshot());
  bool const exists = table_tuple_fetch_row_version(move->from, tid, snapshot, move->old_slot);
  UnregisterSnapshot(snapshot);
  if (!exists) return false;
  // Values that lie out of line are read from the old version as it is entered anew.
  if (!move_tuple_away(move->from, tid, command)) {
    ExecClearTuple(move->old_slot);
    return false;
  }
  TupleTableSlot* const slot = move->columns
                                   ? execute_attr_map_slot(move->columns->attrMap, move->old_slot, move->new_slot)
                                   : ExecCopySlot(move->new_slot, move->old_slot);
  slot->tts_tableOid = RelationGetRelid(move->target->ri_RelationDesc);
  table_tuple_insert(move->target->ri_RelationDesc, slot, command, 0, nullptr);
  List* const unsure = insert_index_entries(move->target, slot, move->executor);
  if (move->has_foreign_keys) ExecARInsertTriggers(move->executor, move->target, slot, unsure, nullptr);
  ExecClearTuple(move->old_slot);
  ExecClearTuple(move->new_slot);
  ResetPerTupleExprContext(move->executor);
  return true;
}

void end_move(RowMove* move) {
  if (move->has_foreign_keys) AfterTriggerEndQuery(move->executor);
  // What the triggers have opened.
  ExecResetTupleTable(move->executor->es_tupleTable, false);
  ExecCloseResultRelations(move->executor);
  ExecCloseIndices(move->target);
  ExecDropSingleTupleTableSlot(move->old_slot);
  ExecDropSingleTupleTableSlot(move->new_slot);
  FreeExecutorState(move->executor);
  if (move->columns) free_conversion_map(move->columns);
  pfree(move);
}

}  // namespace strata::pg

// (from, to, rows tid[]) -> rows moved. The caller has locked the rows.
STRATA_FUNCTION(move_rows) {
  using namespace strata::pg;
  PreventCommandDuringRecovery("moving rows between tiers");
  Oid const from_oid = PG_GETARG_OID(0), to_oid = PG_GETARG_OID(1);
  Relation const from = open_tier(from_oid), to = open_tier(to_oid);
  if (!is_pair(from_oid, to_oid) && !is_pair(to_oid, from_oid))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("\"%s\" and \"%s\" are not tiers of one table", RelationGetRelationName(from),
                           RelationGetRelationName(to))));
  Datum* rows;
  int row_count;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT, &rows, nullptr,
                    &row_count);
  CommandId const command = GetCurrentCommandId(true);
  RowMove* const move = begin_move(from, to);
  int64 moved = 0;
  for (int i = 0; i < row_count; i++) {
    CHECK_FOR_INTERRUPTS();
    ItemPointerData tid = *reinterpret_cast<ItemPointer>(DatumGetPointer(rows[i]));
    moved += move_row(move, &tid, command);
    note_phase(move_phase, uint64(i) + 1, uint64(row_count));
  }
  end_move(move);
  table_close(to, NoLock);
  table_close(from, NoLock);
  PG_RETURN_INT64(moved);
}
