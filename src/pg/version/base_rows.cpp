#include "pg/version/base_rows.hpp"

#include "pg/compat.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

struct Ordinals {
  AttrNumber born;
  AttrNumber died;  // 0: the table holds no rows of the past
};

bool is_shown(TupleTableSlot* slot, Ordinals columns, int32_t ordinal) {
  bool is_null;
  Datum const born = slot_getattr(slot, columns.born, &is_null);
  if (is_null || DatumGetInt32(born) > ordinal) return false;
  if (columns.died == 0) return true;
  Datum const died = slot_getattr(slot, columns.died, &is_null);
  return !is_null && DatumGetInt32(died) > ordinal;
}

// The first columns of the primary key of the table, and of its history, are the key of the row.
Relation open_primary_key(Relation table, int key_count) {
  Oid const oid = primary_key_of(table);
  if (!OidIsValid(oid))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has lost its primary key", RelationGetRelationName(table)),
                    errhint("The versions of a table need it.")));
  Relation const index = index_open(oid, AccessShareLock);
  if (IndexRelationGetNumberOfKeyAttributes(index) < key_count)
    elog(ERROR, "primary key of \"%s\" lacks a column", RelationGetRelationName(table));
  return index;
}

void make_scan_key(ScanKey key, Relation index, int column, Datum value) {
  Oid const type = index->rd_opcintype[column];
  Oid const equal = get_opfamily_member(index->rd_opfamily[column], type, type, BTEqualStrategyNumber);
  if (!OidIsValid(equal)) elog(ERROR, "no equality operator for a column of the primary key");
  ScanKeyEntryInitialize(key, 0, AttrNumber(column + 1), BTEqualStrategyNumber, InvalidOid,
                         index->rd_indcollation[column], get_opcode(equal), value);
}

bool shows_key(Oid oid, bool is_history, int32_t ordinal, Datum const* key, int key_count, Snapshot snapshot) {
  Relation const table = table_open(oid, AccessShareLock);
  Ordinals const columns{required_attribute(table, born_column),
                         is_history ? required_attribute(table, died_column) : AttrNumber(0)};
  Relation const index = open_primary_key(table, key_count);
  ScanKeyData keys[INDEX_MAX_KEYS];
  for (int i = 0; i < key_count; i++) make_scan_key(&keys[i], index, i, key[i]);
  TupleTableSlot* const slot = table_slot_create(table, nullptr);
  IndexScanDesc const scan = begin_index_scan(table, index, snapshot, key_count, 0);
  index_rescan(scan, keys, key_count, nullptr, 0);
  bool found = false;
  while (!found && index_getnext_slot(scan, ForwardScanDirection, slot)) found = is_shown(slot, columns, ordinal);
  index_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  index_close(index, NoLock);
  table_close(table, NoLock);
  return found;
}

}  // namespace

bool has_base_row(BaseRows const& base, AttrNumber const* keys, int key_count, Datum const* values,
                  bool const* is_null) {
  Datum key[INDEX_MAX_KEYS];
  for (int i = 0; i < key_count; i++) {
    if (is_null[keys[i] - 1]) return false;
    key[i] = values[keys[i] - 1];
  }
  // A row moves from the table to its history: both are looked at in one state.
  CommandCounterIncrement();
  Snapshot const snapshot = RegisterSnapshot(GetTransactionSnapshot());
  bool const found = shows_key(base.table, false, base.ordinal, key, key_count, snapshot) ||
                     shows_key(base.history, true, base.ordinal, key, key_count, snapshot);
  UnregisterSnapshot(snapshot);
  return found;
}

}  // namespace strata::pg
