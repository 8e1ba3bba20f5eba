#include "pg/version/history_writer.hpp"

#include "pg/version/versioned_table.hpp"

namespace strata::pg {

// The relations stay open from row to row, since what an index keeps for its inserter points to them. They belong to a
// resource owner: when that releases them (abort), the writer must not; `open` says whose turn it is.
struct HistoryWriter {
  Relation history;
  Oid history_oid;
  Oid head_oid;
  int head_column_count;
  TupleTableSlot* slot;
  AttrNumber* target;  // column of the head (from 0) -> of the history (from 1); 0: dropped
  AttrNumber born;
  AttrNumber died;
  Datum* values;  // of a row of the head
  bool* is_null;
  int index_count;
  Relation* indexes;
  IndexInfo** index_infos;
  EState* executor;
  bool open;
  int nest_level;
  ResourceOwner owner;
  MemoryContextCallback at_end;
  HistoryWriter* next;
};

namespace {

HistoryWriter* writers = nullptr;  // all that live

void close_relations(HistoryWriter* writer) {
  ResourceOwner const current = CurrentResourceOwner;
  CurrentResourceOwner = writer->owner;
  for (int i = 0; i < writer->index_count; i++) index_close(writer->indexes[i], NoLock);
  table_close(writer->history, NoLock);
  CurrentResourceOwner = current;
  writer->open = false;
}

void end_writer(void* argument) {
  auto* writer = static_cast<HistoryWriter*>(argument);
  for (HistoryWriter** at = &writers; *at; at = &(*at)->next)
    if (*at == writer) {
      *at = writer->next;
      break;
    }
  if (writer->open) close_relations(writer);
}

void abandon_from(int nest_level) {
  for (HistoryWriter* writer = writers; writer; writer = writer->next)
    if (writer->nest_level >= nest_level) writer->open = false;
}

void at_transaction_end(XactEvent event, void*) {
  if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT) abandon_from(0);
}
void at_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (event == SUBXACT_EVENT_ABORT_SUB) abandon_from(GetCurrentTransactionNestLevel());
}

void check_history(Relation head, Relation history) {
  if (history->rd_rel->relkind == RELKIND_RELATION && history->rd_rel->relowner == head->rd_rel->relowner) return;
  // Rows go there without asking for privileges: it must be the owner's own table.
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("history of table \"%s\" is not a table of its owner", RelationGetRelationName(head)),
                  errhint("Give \"%s\" the owner of the table.", RelationGetRelationName(history))));
}

void map_columns(HistoryWriter* writer, Relation head) {
  TupleDesc const from = RelationGetDescr(head);
  TupleDesc const to = RelationGetDescr(writer->history);
  writer->target = static_cast<AttrNumber*>(palloc0(size_t(from->natts) * sizeof(AttrNumber)));
  for (int i = 0; i < from->natts; i++) {
    Form_pg_attribute const column = TupleDescAttr(from, i);
    if (column->attisdropped) continue;
    AttrNumber const target = required_attribute(writer->history, NameStr(column->attname));
    Form_pg_attribute const twin = TupleDescAttr(to, target - 1);
    if (twin->atttypid != column->atttypid || twin->atttypmod != column->atttypmod)
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("column \"%s\" of table \"%s\" and of its history differ in type",
                             NameStr(column->attname), RelationGetRelationName(head)),
                      errhint("Change columns of tables with versions with strata.alter_table().")));
    writer->target[i] = target;
  }
  writer->born = required_attribute(writer->history, born_column);
  writer->died = required_attribute(writer->history, died_column);
}

void open_indexes(HistoryWriter* writer) {
  List* const oids = RelationGetIndexList(writer->history);
  writer->indexes = static_cast<Relation*>(palloc0(size_t(list_length(oids) + 1) * sizeof(Relation)));
  writer->index_infos = static_cast<IndexInfo**>(palloc0(size_t(list_length(oids) + 1) * sizeof(IndexInfo*)));
  ListCell* cell;
  foreach (cell, oids) {
    Relation const index = index_open(lfirst_oid(cell), RowExclusiveLock);
    writer->indexes[writer->index_count] = index;
    writer->index_infos[writer->index_count] = BuildIndexInfo(index);
    writer->index_count++;
  }
  list_free(oids);
}

void insert_into_indexes(HistoryWriter* writer) {
  ExprContext* const expressions = GetPerTupleExprContext(writer->executor);
  expressions->ecxt_scantuple = writer->slot;
  for (int i = 0; i < writer->index_count; i++) {
    IndexInfo* const info = writer->index_infos[i];
    Relation const index = writer->indexes[i];
    if (!info->ii_ReadyForInserts) continue;
    if (info->ii_Predicate != NIL) {
      if (!info->ii_PredicateState) {
        MemoryContext const old = MemoryContextSwitchTo(writer->executor->es_query_cxt);
        info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, writer->executor);
        MemoryContextSwitchTo(old);
      }
      if (!ExecQual(info->ii_PredicateState, expressions)) continue;
    }
    Datum values[INDEX_MAX_KEYS];
    bool is_null[INDEX_MAX_KEYS];
    FormIndexDatum(info, writer->slot, writer->executor, values, is_null);
    index_insert(index, values, is_null, &writer->slot->tts_tid, writer->history,
                 index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
  }
}

}  // namespace

HistoryWriter* open_history(Relation head, Oid history_oid, MemoryContext context) {
  Relation const history = table_open(history_oid, RowExclusiveLock);
  check_history(head, history);
  MemoryContext const old = MemoryContextSwitchTo(context);
  auto* writer = static_cast<HistoryWriter*>(palloc0(sizeof(HistoryWriter)));
  writer->history = history;
  writer->history_oid = history_oid;
  writer->head_oid = RelationGetRelid(head);
  writer->head_column_count = RelationGetDescr(head)->natts;
  writer->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(history)), &TTSOpsVirtual);
  map_columns(writer, head);
  writer->values = static_cast<Datum*>(palloc(size_t(writer->head_column_count) * sizeof(Datum)));
  writer->is_null = static_cast<bool*>(palloc(size_t(writer->head_column_count)));
  open_indexes(writer);
  writer->executor = CreateExecutorState();
  MemoryContextSwitchTo(old);

  writer->nest_level = GetCurrentTransactionNestLevel();
  writer->owner = CurrentResourceOwner;
  writer->open = true;
  writer->next = writers;
  writers = writer;
  writer->at_end.func = end_writer;
  writer->at_end.arg = writer;
  MemoryContextRegisterResetCallback(context, &writer->at_end);
  return writer;
}

bool is_usable(HistoryWriter const* writer, Relation head, Oid history) {
  return writer && writer->open && writer->history_oid == history && writer->head_oid == RelationGetRelid(head);
}

void append_history(HistoryWriter* writer, Relation head, HeapTuple tuple, history::Interval life) {
  TupleTableSlot* const slot = writer->slot;
  ExecClearTuple(slot);
  memset(slot->tts_isnull, true, size_t(slot->tts_tupleDescriptor->natts));
  heap_deform_tuple(tuple, RelationGetDescr(head), writer->values, writer->is_null);
  for (int i = 0; i < writer->head_column_count; i++) {
    if (writer->target[i] == 0) continue;
    slot->tts_values[writer->target[i] - 1] = writer->values[i];
    slot->tts_isnull[writer->target[i] - 1] = writer->is_null[i];
  }
  slot->tts_values[writer->born - 1] = Int32GetDatum(life.born);
  slot->tts_isnull[writer->born - 1] = false;
  slot->tts_values[writer->died - 1] = Int32GetDatum(life.died);
  slot->tts_isnull[writer->died - 1] = false;
  ExecStoreVirtualTuple(slot);
  table_tuple_insert(writer->history, slot, GetCurrentCommandId(true), 0, nullptr);
  insert_into_indexes(writer);
  ResetPerTupleExprContext(writer->executor);
}

void register_history_writers() {
  RegisterXactCallback(at_transaction_end, nullptr);
  RegisterSubXactCallback(at_subtransaction_end, nullptr);
}

}  // namespace strata::pg
