#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

// Attribute numbers of the catalog tables, as sql/parts/70_versions_catalog.sql creates them.
constexpr AttrNumber table_relid = 1;
constexpr AttrNumber table_history = 2;
constexpr AttrNumber table_next_ordinal = 3;
constexpr AttrNumber version_relid = 1;
constexpr AttrNumber version_ordinal = 2;

HTAB* tables = nullptr;

void forget(Datum, Oid relation) {
  if (!tables) return;
  if (OidIsValid(relation)) {
    if (auto* entry = static_cast<VersionedTable*>(hash_search(tables, &relation, HASH_FIND, nullptr)))
      entry->valid = false;
    return;
  }
  HASH_SEQ_STATUS all;
  hash_seq_init(&all, tables);
  while (auto* entry = static_cast<VersionedTable*>(hash_seq_search(&all))) entry->valid = false;
}

// The rows of a catalog table that belong to `relation`, in the state that is committed now.
struct CatalogScan {
  Relation table;
  SysScanDesc scan;
  Snapshot snapshot;
};

CatalogScan begin_scan(char const* name, char const* index_name, AttrNumber attribute, Oid relation) {
  Oid const space = strata_namespace();
  Oid const table = get_relname_relid(name, space);
  Oid const index = get_relname_relid(index_name, space);
  if (!OidIsValid(table) || !OidIsValid(index))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("catalog \"strata.%s\" does not exist", name),
                    errhint("Update the extension: ALTER EXTENSION strata UPDATE.")));
  CatalogScan scan;
  scan.table = table_open(table, AccessShareLock);
  scan.snapshot = RegisterSnapshot(GetLatestSnapshot());
  ScanKeyData key;
  ScanKeyInit(&key, attribute, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  scan.scan = systable_beginscan(scan.table, index, true, scan.snapshot, 1, &key);
  return scan;
}

void end_scan(CatalogScan const& scan) {
  systable_endscan(scan.scan);
  UnregisterSnapshot(scan.snapshot);
  table_close(scan.table, AccessShareLock);
}

Datum attribute_of(CatalogScan const& scan, HeapTuple tuple, AttrNumber attribute, bool* is_null) {
  return heap_getattr(tuple, attribute, RelationGetDescr(scan.table), is_null);
}

// False when the table is not versioned.
bool read_table_row(Oid relation, VersionedTable* result) {
  CatalogScan const scan = begin_scan("versioned_table", "versioned_table_pkey", table_relid, relation);
  HeapTuple const tuple = systable_getnext(scan.scan);
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    result->history = DatumGetObjectId(attribute_of(scan, tuple, table_history, &is_null));
    result->ordinal = DatumGetInt32(attribute_of(scan, tuple, table_next_ordinal, &is_null));
  }
  bool const found = HeapTupleIsValid(tuple);
  end_scan(scan);
  return found;
}

void load(Relation table, VersionedTable* entry) {
  Oid const relation = RelationGetRelid(table);
  // An invalidation that arrives while the catalog is read makes the next call read again.
  entry->valid = true;
  entry->known = read_table_row(relation, entry);
  if (!entry->known) return;
  entry->born = required_attribute(table, born_column);
  history::Retained const retained = read_retained(relation);
  auto* copy = static_cast<int32_t*>(MemoryContextAlloc(CacheMemoryContext, Max(retained.count, 1) * sizeof(int32_t)));
  if (retained.count) memcpy(copy, retained.ordinals, retained.count * sizeof(int32_t));
  if (entry->ordinals) pfree(entry->ordinals);
  entry->ordinals = copy;
  entry->ordinal_count = retained.count;
}

}  // namespace

Oid strata_namespace() {
  return get_namespace_oid("strata", false);
}

AttrNumber required_attribute(Relation relation, char const* name) {
  AttrNumber const attribute = get_attnum(RelationGetRelid(relation), name);
  if (attribute <= 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("column \"%s\" of table \"%s\" does not exist", name, RelationGetRelationName(relation)),
                    errdetail("The versions of a table need it.")));
  return attribute;
}

history::Retained read_retained(Oid relation) {
  CatalogScan const scan = begin_scan("version", "version_relid", version_relid, relation);
  size_t count = 0;
  size_t room = 16;
  auto* ordinals = static_cast<int32_t*>(palloc(room * sizeof(int32_t)));
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan.scan));) {
    bool is_null;
    int32_t const ordinal = DatumGetInt32(attribute_of(scan, tuple, version_ordinal, &is_null));
    if (is_null) continue;  // a table of its own needs nothing of this one
    if (count == room) ordinals = static_cast<int32_t*>(repalloc(ordinals, (room *= 2) * sizeof(int32_t)));
    ordinals[count++] = ordinal;
  }
  end_scan(scan);
  return {ordinals, history::sort_ordinals(ordinals, count)};
}

VersionedTable const* versioned_table(Relation table) {
  Oid const relation = RelationGetRelid(table);
  bool found;
  auto* entry = static_cast<VersionedTable*>(hash_search(tables, &relation, HASH_ENTER, &found));
  if (!found) {
    *entry = VersionedTable{};
    entry->relation = relation;
  }
  if (!entry->valid) load(table, entry);
  if (!entry->known)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" has no versions", RelationGetRelationName(table)),
                    errhint("Enable them with strata.enable_versions().")));
  return entry;
}

void register_versioned_tables() {
  HASHCTL control{};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(VersionedTable);
  control.hcxt = TopMemoryContext;
  tables = hash_create("strata versioned tables", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  CacheRegisterRelcacheCallback(forget, Datum(0));
}

}  // namespace strata::pg
