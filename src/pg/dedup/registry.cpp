#include "pg/dedup/registry.hpp"

#include "pg/compat.hpp"
#include "pg/dedup/registry_filter.hpp"

namespace strata::pg {
namespace {

constexpr AttrNumber hash_column = 1;
constexpr AttrNumber expires_column = 2;
constexpr AttrNumber settings_column = 3;
constexpr int column_count = 3;
constexpr pg_uuid_t settings_hash = {};

[[noreturn]] void raise_altered(Relation table) {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("\"%s\" is not a registry of strata.set_dedup any more", RelationGetRelationName(table)),
                  errhint("Call strata.drop_dedup and strata.set_dedup on the table that it guards.")));
}

bool is_on_hash_alone(Relation index) {
  Form_pg_index const form = index->rd_index;
  return form->indnatts == 1 && form->indkey.values[0] == hash_column && index->rd_rel->relam == BTREE_AM_OID &&
         heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr);
}

// Calls visit(index) for every index that rows have to be entered in.
template <class Visit>
void for_each_index(Relation table, Visit visit) {
  List* const oids = RelationGetIndexList(table);
  ListCell* cell;
  foreach (cell, oids) {
    Relation const index = index_open(lfirst_oid(cell), RowExclusiveLock);
    if (!is_on_hash_alone(index)) raise_altered(table);
    if (index->rd_index->indisready) visit(index);
    index_close(index, NoLock);
  }
  list_free(oids);
}

// What a look at the registry found; `slot` then holds the row.
struct Found {
  bool exists;
  TimestampTz expires_at;
};

// A scan for the rows of one hash. A dirty snapshot shows rows of transactions in progress too, and tells which.
struct HashScan {
  IndexScanDesc scan;
  ScanKeyData key;
};

HashScan begin_hash_scan(Registry const& registry, pg_uuid_t const* hash, Snapshot snapshot) {
  HashScan result;
  ScanKeyInit(&result.key, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(hash));
  result.scan = begin_index_scan(registry.table, registry.index, snapshot, 1);
  index_rescan(result.scan, &result.key, 1, nullptr, 0);
  return result;
}

TimestampTz expiry_of(TupleTableSlot* slot) {
  bool is_null;
  Datum const value = slot_getattr(slot, expires_column, &is_null);
  return is_null ? DT_NOEND : DatumGetTimestampTz(value);
}

// The row of a hash as of now: committed, or of this transaction. Waits while another transaction in progress holds or
// removes one.
Found find_settled(Registry const& registry, pg_uuid_t const* hash) {
  for (;;) {
    SnapshotData dirty;
    InitDirtySnapshot(dirty);
    HashScan hash_scan = begin_hash_scan(registry, hash, &dirty);
    bool const exists = index_getnext_slot(hash_scan.scan, ForwardScanDirection, registry.slot);
    TransactionId const holder = !exists                            ? InvalidTransactionId
                                 : TransactionIdIsValid(dirty.xmin) ? dirty.xmin
                                                                    : dirty.xmax;
    Found const found = {exists, exists ? expiry_of(registry.slot) : DT_NOEND};
    ItemPointerData tid = registry.slot->tts_tid;
    index_endscan(hash_scan.scan);
    if (!TransactionIdIsValid(holder)) return found;
    ExecClearTuple(registry.slot);
    if (TransactionIdIsValid(dirty.xmin) && dirty.speculativeToken != 0)
      SpeculativeInsertionWait(holder, dirty.speculativeToken);
    else
      XactLockTableWait(holder, registry.table, &tid, XLTW_InsertIndex);
  }
}

bool is_own(Registry const& registry) {
  bool is_null;
  Datum const xmin = slot_getsysattr(registry.slot, MinTransactionIdAttributeNumber, &is_null);
  return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

// In a transaction whose snapshot is fixed, a twin that the snapshot does not show must not decide.
void check_visible(Registry const& registry) {
  if (!IsolationUsesXactSnapshot()) return;
  if (is_own(registry)) return;
  if (table_tuple_satisfies_snapshot(registry.table, registry.slot, GetTransactionSnapshot())) return;
  ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                  errmsg("could not serialize access due to a concurrent insert of the same vector"),
                  errhint("The transaction may succeed if it is tried again.")));
}

bool enter_in_indexes(Registry const& registry, Datum* values, bool* nulls) {
  bool is_unique = true;
  for_each_index(registry.table, [&](Relation index) {
    IndexUniqueCheck const check = index->rd_index->indisunique ? UNIQUE_CHECK_PARTIAL : UNIQUE_CHECK_NO;
    IndexInfo* const info = BuildIndexInfo(index);
    bool const entered =
        index_insert(index, values, nulls, &registry.slot->tts_tid, registry.table, check, false, info);
    pfree(info);
    if (check == UNIQUE_CHECK_PARTIAL && !entered) is_unique = false;
  });
  return is_unique;
}

// False: another session was faster.
bool insert_row(Registry const& registry, pg_uuid_t const* hash, TimestampTz expires_at) {
  Datum values[column_count] = {UUIDPGetDatum(hash), TimestampTzGetDatum(expires_at), Datum(0)};
  bool nulls[column_count] = {false, TIMESTAMP_IS_NOEND(expires_at), true};
  TupleTableSlot* const slot = registry.slot;
  ExecClearTuple(slot);
  memcpy(slot->tts_values, values, sizeof values);
  memcpy(slot->tts_isnull, nulls, sizeof nulls);
  ExecStoreVirtualTuple(slot);
  TransactionId const xid = GetCurrentTransactionId();
  uint32 const token = SpeculativeInsertionLockAcquire(xid);
  table_tuple_insert_speculative(registry.table, slot, GetCurrentCommandId(true), 0, nullptr, token);
  bool const is_unique = enter_in_indexes(registry, values, nulls);
  table_tuple_complete_speculative(registry.table, slot, token, is_unique);
  SpeculativeInsertionLockRelease(xid);
  return is_unique;
}

// Deletes the row of the slot. False: another session was faster.
bool delete_row(Registry const& registry) {
  if (is_own(registry)) CommandCounterIncrement();  // this very command may have made it
  ItemPointerData tid = registry.slot->tts_tid;
  return delete_tuple(registry.table, &tid, GetActiveSnapshot()) == TM_Ok;
}

}  // namespace

Registry open_registry(Oid table_oid, LOCKMODE lock) {
  Relation const table = table_open(table_oid, lock);
  TupleDesc const columns = RelationGetDescr(table);
  if (columns->natts != column_count || TupleDescAttr(columns, hash_column - 1)->atttypid != UUIDOID ||
      TupleDescAttr(columns, expires_column - 1)->atttypid != TIMESTAMPTZOID)
    raise_altered(table);
  Oid const key = primary_key_of(table);
  if (!OidIsValid(key)) raise_altered(table);
  Relation const index = index_open(key, lock);
  if (!is_on_hash_alone(index)) raise_altered(table);
  return {table, index, table_slot_create(table, nullptr)};
}

void close_registry(Registry const& registry) {
  ExecDropSingleTupleTableSlot(registry.slot);
  index_close(registry.index, NoLock);
  table_close(registry.table, NoLock);
}

Claim claim(Registry const& registry, pg_uuid_t const* hash, ClaimTerms const& terms) {
  if (filter_denies(registry, hash)) {
    if (insert_row(registry, hash, terms.expires_at)) {
      add_to_filter(registry, hash);
      return Claim::fresh_unseen;
    }
    note_filter_failure();
  }
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    Found const found = find_settled(registry, hash);
    if (found.exists) {
      bool const expired = found.expires_at <= terms.now;
      if (!expired) {
        check_visible(registry);
        if (found.expires_at >= terms.refresh_below) return Claim::duplicate;
      }
      if (!delete_row(registry)) continue;
      if (insert_row(registry, hash, terms.expires_at)) return expired ? Claim::fresh : Claim::duplicate;
    } else if (insert_row(registry, hash, terms.expires_at)) {
      add_to_filter(registry, hash);
      return Claim::fresh;
    }
  }
}

void give_back(Registry const& registry, pg_uuid_t const* hash) {
  while (find_settled(registry, hash).exists && !delete_row(registry)) CHECK_FOR_INTERRUPTS();
}

void give_back_all(Registry const& registry) {
  TableScanDesc const scan = begin_table_scan(registry.table, GetActiveSnapshot());
  while (table_scan_getnextslot(scan, ForwardScanDirection, registry.slot)) {
    bool is_null;
    Datum const hash = slot_getattr(registry.slot, hash_column, &is_null);
    if (memcmp(DatumGetUUIDP(hash), &settings_hash, sizeof settings_hash) != 0) delete_row(registry);
  }
  table_endscan(scan);
}

uint64 remove_expired(Registry const& registry, TimestampTz now) {
  uint64 count = 0;
  TableScanDesc const scan = begin_table_scan(registry.table, GetActiveSnapshot());
  while (table_scan_getnextslot(scan, ForwardScanDirection, registry.slot)) {
    CHECK_FOR_INTERRUPTS();
    if (expiry_of(registry.slot) <= now && delete_row(registry)) count++;
  }
  table_endscan(scan);
  return count;
}

bool is_claimed(Registry const& registry, pg_uuid_t const* hash, TimestampTz now) {
  HashScan hash_scan = begin_hash_scan(registry, hash, GetActiveSnapshot());
  bool const claimed =
      index_getnext_slot(hash_scan.scan, ForwardScanDirection, registry.slot) && expiry_of(registry.slot) > now;
  index_endscan(hash_scan.scan);
  return claimed;
}

HeapTupleHeader read_settings(Registry const& registry) {
  HashScan hash_scan = begin_hash_scan(registry, &settings_hash, GetActiveSnapshot());
  HeapTupleHeader settings = nullptr;
  if (index_getnext_slot(hash_scan.scan, ForwardScanDirection, registry.slot)) {
    bool is_null;
    Datum const value = slot_getattr(registry.slot, settings_column, &is_null);
    if (!is_null) settings = DatumGetHeapTupleHeaderCopy(value);
  }
  index_endscan(hash_scan.scan);
  if (!settings) raise_altered(registry.table);
  return settings;
}

}  // namespace strata::pg
