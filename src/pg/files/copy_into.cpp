#include "pg/files/copy_into.hpp"

#include "pg/compat.hpp"

namespace strata::pg {
namespace {

// COPY calls back without an argument. A trigger of the table may start another COPY, so they form a stack; each one
// leaves it when its memory is freed, by its end or by that of its (sub)transaction.
CopySource* current;

void leave(void* argument) {
  for (CopySource** link = &current; *link; link = &(*link)->outer) {
    if (*link != argument) continue;
    *link = (*link)->outer;
    return;
  }
}

int read_current(void* out, int least, int most) {
  Assert(current);
  CopySource* const source = current;
  return source->read(source, out, least, most);
}

void refuse_row_security(Relation table) {
  if (check_enable_rls(RelationGetRelid(table), InvalidOid, false) != RLS_ENABLED) return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("table \"%s\" has row-level security, which COPY does not support", RelationGetRelationName(table)),
           errhint("Use INSERT, or a role that the policies do not apply to.")));
}

}  // namespace

uint64 copy_into(Relation table, List* columns, CopySource* source) {
  ParseState* const parse = make_parsestate(nullptr);
  ParseNamespaceItem* const item = addRangeTableEntryForRelation(parse, table, RowExclusiveLock, nullptr, false, false);
  Bitmapset* inserted = nullptr;
  ListCell* cell;
  List* const numbers = CopyGetAttnums(RelationGetDescr(table), table, columns);
  foreach (cell, numbers) inserted = bms_add_member(inserted, lfirst_int(cell) - FirstLowInvalidHeapAttributeNumber);
  check_insert_permission(parse, item, inserted);
  refuse_row_security(table);
  if (!table->rd_islocaltemp) PreventCommandIfReadOnly("COPY FROM");

  MemoryContext const context = AllocSetContextCreate(CurTransactionContext, "strata copy", ALLOCSET_SMALL_SIZES);
  source->outer = current;
  source->callback.func = leave;
  source->callback.arg = source;
  MemoryContextRegisterResetCallback(context, &source->callback);
  current = source;

  List* const options =
      list_make1(makeDefElem(pstrdup("format"), reinterpret_cast<Node*>(makeString(pstrdup("binary"))), -1));
  CopyFromState const copy = BeginCopyFrom(parse, table, nullptr, nullptr, false, read_current, columns, options);
  if (source->byte_count != 0) pgstat_progress_update_param(PROGRESS_COPY_BYTES_TOTAL, int64(source->byte_count));
  uint64 const row_count = CopyFrom(copy);
  EndCopyFrom(copy);
  free_parsestate(parse);
  MemoryContextDelete(context);
  return row_count;
}

}  // namespace strata::pg
