// strata.drop_soft(table), strata.undrop(name, new_name), and what the worker does with the trash.
#include "pg/inspect/trash.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "pg/worker/schedule.hpp"

namespace strata::pg {
namespace {

enum Column : int { space_column, table_column, original_column, dropped_column };
constexpr int column_count = 4;
constexpr char const* space_prefix = "strata_trash_";

struct Dropped {
  NameData space;
  NameData table;
  NameData original;
  TimestampTz dropped_at;
  ItemPointerData place;
  Oid space_oid;  // 0: gone
  Oid table_oid;  // 0: gone
};

Relation open_register(LOCKMODE lock) {
  return table_open(get_relname_relid("dropped_tables", get_namespace_oid("strata", false)), lock);
}

Dropped read_row(Relation table, HeapTuple row) {
  Dropped dropped{};
  bool is_null;
  auto get = [&](Column column) { return heap_getattr(row, column + 1, RelationGetDescr(table), &is_null); };
  dropped.space = *DatumGetName(get(space_column));
  dropped.table = *DatumGetName(get(table_column));
  dropped.original = *DatumGetName(get(original_column));
  dropped.dropped_at = DatumGetTimestampTz(get(dropped_column));
  dropped.place = row->t_self;
  dropped.space_oid = get_namespace_oid(NameStr(dropped.space), true);
  if (OidIsValid(dropped.space_oid)) dropped.table_oid = get_relname_relid(NameStr(dropped.table), dropped.space_oid);
  return dropped;
}

// fn(Dropped const&) for every row, as of now.
template <class Fn>
void scan_register(Relation table, Fn&& fn) {
  Snapshot const snapshot = RegisterSnapshot(GetLatestSnapshot());
  SysScanDesc const scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, nullptr);
  for (HeapTuple row; HeapTupleIsValid(row = systable_getnext(scan));) fn(read_row(table, row));
  systable_endscan(scan);
  UnregisterSnapshot(snapshot);
}

// The row of a table in the trash. Decides only when the table is locked. False without one.
bool find_dropped(Relation table, Oid table_oid, Dropped* found) {
  bool any = false;
  scan_register(table, [&](Dropped const& dropped) {
    if (dropped.table_oid != table_oid) return;
    *found = dropped;
    any = true;
  });
  return any;
}

[[noreturn]] void refuse(Relation table, int sqlstate, char const* why, char const* hint) {
  ereport(ERROR, (errcode(sqlstate), errmsg("cannot drop table \"%s\" softly", RelationGetRelationName(table)),
                  errdetail_internal("%s", why), hint ? errhint("%s", hint) : 0));
  pg_unreachable();
}

void require_owner(Oid table) {
  // Servers differ in what they say of the owner of nothing.
  char const* const name = get_rel_name(table);
  if (!name) ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table with OID %u does not exist", table)));
  if (is_owner(table, GetUserId())) return;
  aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
}

void check_kind(Relation table) {
  Form_pg_class const form = table->rd_rel;
  if (form->relkind == RELKIND_PARTITIONED_TABLE)
    refuse(table, ERRCODE_FEATURE_NOT_SUPPORTED, "It is partitioned.",
           "Detach the partitions, drop them softly, then drop the partitioned table.");
  if (form->relkind != RELKIND_RELATION)
    ereport(ERROR,
            (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", RelationGetRelationName(table))));
  if (IsSystemRelation(table)) refuse(table, ERRCODE_INSUFFICIENT_PRIVILEGE, "It is a system catalog.", nullptr);
  if (form->relpersistence == RELPERSISTENCE_TEMP)
    refuse(table, ERRCODE_FEATURE_NOT_SUPPORTED, "It is temporary.", nullptr);
  if (form->relispartition)
    refuse(table, ERRCODE_FEATURE_NOT_SUPPORTED, "It is a partition.",
           "Detach it first: ALTER TABLE ... DETACH PARTITION.");
  Oid const oid = RelationGetRelid(table);
  if (find_inheritance_children(oid, NoLock) != NIL || has_superclass(oid))
    refuse(table, ERRCODE_FEATURE_NOT_SUPPORTED, "It inherits from other tables, or others inherit from it.",
           "End the inheritance first: ALTER TABLE ... NO INHERIT.");
}

// Raises the error that DROP TABLE ... RESTRICT would raise: views, foreign keys of other tables, functions, extensions
// that need the table. Found out by dropping it, and taking that back.
void check_dependents(Oid table) {
  MemoryContext const context = CurrentMemoryContext;
  ResourceOwner const owner = CurrentResourceOwner;
  ErrorData* volatile error = nullptr;
  BeginInternalSubTransaction(nullptr);
  // tidy: allow(banned-names): a subtransaction ends where it began, also after an error, which is then raised again
  PG_TRY();
  {
    ObjectAddress object;
    ObjectAddressSet(object, RelationRelationId, table);
    performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_QUIETLY);
  }
  // tidy: allow(banned-names): see above
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    FlushErrorState();
  }
  PG_END_TRY();
  RollbackAndReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(context);
  CurrentResourceOwner = owner;
  if (!error) return;
  if (error->sqlerrcode == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST)
    error->hint = pstrdup("Drop the dependent objects first.");
  ReThrowError(error);
}

// A schema that is there for this table alone.
Oid make_space(Oid table, NameData* name) {
  Oid const owner = get_rel_owner(table);
  for (int attempt = 0;; attempt++) {
    char* const text =
        attempt ? psprintf("%s%u_%d", space_prefix, table, attempt) : psprintf("%s%u", space_prefix, table);
    namestrcpy(name, text);
    pfree(text);
    if (!OidIsValid(get_namespace_oid(NameStr(*name), true))) break;
  }
  Oid const space = NamespaceCreate(NameStr(*name), owner, false);
  CommandCounterIncrement();
  return space;
}

void move_table(Oid table_oid, Oid from, Oid to) {
  Relation const table = relation_open(table_oid, NoLock);
  ObjectAddresses* const moved = new_object_addresses();
  AlterTableNamespaceInternal(table, from, to, moved);
  free_object_addresses(moved);
  relation_close(table, NoLock);
  CommandCounterIncrement();
}

// Drops a schema of the trash, unless its owner put something else into it.
void drop_space(Oid space) {
  Relation const depend = table_open(DependRelationId, AccessShareLock);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(NamespaceRelationId));
  ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(space));
  SysScanDesc const scan = systable_beginscan(depend, DependReferenceIndexId, true, nullptr, lengthof(keys), keys);
  bool const is_empty = !HeapTupleIsValid(systable_getnext(scan));
  systable_endscan(scan);
  table_close(depend, AccessShareLock);
  if (!is_empty) return;
  ObjectAddress object;
  ObjectAddressSet(object, NamespaceRelationId, space);
  performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_QUIETLY);
}

Dropped drop_softly(Oid table_oid) {
  require_owner(table_oid);
  LockRelationOid(table_oid, AccessExclusiveLock);
  require_owner(table_oid);  // it may be another's, or gone, since
  Relation table = relation_open(table_oid, NoLock);
  check_kind(table);
  CheckTableNotInUse(table, "DROP TABLE");
  Oid const from = RelationGetNamespace(table);
  Dropped dropped{};
  namestrcpy(&dropped.table, RelationGetRelationName(table));
  namestrcpy(&dropped.original, get_namespace_name(from));
  Relation const list = open_register(RowExclusiveLock);
  Dropped before;
  if (find_dropped(list, table_oid, &before))
    refuse(table, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "It is in the trash already.", nullptr);
  relation_close(table, NoLock);
  check_dependents(table_oid);
  move_table(table_oid, from, make_space(table_oid, &dropped.space));

  dropped.dropped_at = GetCurrentTimestamp();
  Datum values[column_count];
  bool nulls[column_count] = {};
  values[space_column] = NameGetDatum(&dropped.space);
  values[table_column] = NameGetDatum(&dropped.table);
  values[original_column] = NameGetDatum(&dropped.original);
  values[dropped_column] = TimestampTzGetDatum(dropped.dropped_at);
  CatalogTupleInsert(list, heap_form_tuple(RelationGetDescr(list), values, nulls));
  table_close(list, NoLock);
  visit_no_later_than(dropped.dropped_at + settings.gc_drop_tolerance_s * INT64CONST(1000000));
  return dropped;
}

// The table that `name` means: its name in the trash, or the one it had; then the one dropped last.
Dropped find_by_name(Relation list, text* name) {
  char *schema, *plain;
  DeconstructQualifiedName(textToQualifiedNameList(name), &schema, &plain);
  Dropped found{};
  bool any = false, any_owned = false;
  scan_register(list, [&](Dropped const& dropped) {
    if (!OidIsValid(dropped.table_oid)) return;
    bool const by_table =
        strcmp(NameStr(dropped.table), plain) == 0 &&
        (!schema || strcmp(NameStr(dropped.original), schema) == 0 || strcmp(NameStr(dropped.space), schema) == 0);
    if (!by_table && (schema || strcmp(NameStr(dropped.space), plain) != 0)) return;
    any = true;
    if (!is_owner(dropped.table_oid, GetUserId())) return;
    if (!any_owned || dropped.dropped_at > found.dropped_at) found = dropped;
    any_owned = true;
  });
  if (any_owned) return found;
  if (any) aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, plain);
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("table \"%s\" is not in the trash", plain),
                  errhint("The view strata.trash shows what is.")));
  pg_unreachable();
}

Oid target_space(Dropped const& dropped) {
  char const* const name = NameStr(dropped.original);
  Oid const space = get_namespace_oid(name, true);
  if (!OidIsValid(space))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA), errmsg("schema \"%s\" does not exist", name),
                    errhint("The table was in it. Create the schema, and try again.")));
  AclResult const may_create = namespace_aclcheck(space, GetUserId(), ACL_CREATE);
  if (may_create != ACLCHECK_OK) aclcheck_error(may_create, OBJECT_SCHEMA, name);
  return space;
}

// Indexes and sequences of the table whose names were given to others meanwhile get new ones.
void rename_taken(Oid table_oid, Oid to) {
  auto give_way = [to](Oid part) {
    char const* const name = get_rel_name(part);
    if (!OidIsValid(get_relname_relid(name, to))) return;
    RenameRelationInternal(part, ChooseRelationName(name, nullptr, "old", to, true), true,
                           get_rel_relkind(part) == RELKIND_INDEX);
    CommandCounterIncrement();
  };
  Relation const table = relation_open(table_oid, NoLock);
  List* const indexes = RelationGetIndexList(table);
  relation_close(table, NoLock);
  for (int i = 0; i < list_length(indexes); i++) give_way(list_nth_oid(indexes, i));
  List* const sequences = getOwnedSequences(table_oid);
  for (int i = 0; i < list_length(sequences); i++) give_way(list_nth_oid(sequences, i));
}

Oid undrop(text* name, char const* new_name) {
  Relation const list = open_register(RowExclusiveLock);
  Dropped dropped = find_by_name(list, name);
  Oid const table = dropped.table_oid;
  LockRelationOid(table, AccessExclusiveLock);
  if (!find_dropped(list, table, &dropped))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("table \"%s\" is not in the trash any more", NameStr(dropped.table))));
  require_owner(table);
  Oid const to = target_space(dropped);
  char const* const wanted = new_name ? new_name : NameStr(dropped.table);
  if (OidIsValid(get_relname_relid(wanted, to)))
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE),
                    errmsg("relation \"%s\" already exists in schema \"%s\"", wanted, NameStr(dropped.original)),
                    errhint("Give the table another name: strata.undrop(name, new_name).")));
  CatalogTupleDelete(list, &dropped.place);
  if (strcmp(wanted, NameStr(dropped.table)) != 0) {
    RenameRelationInternal(table, wanted, false, false);
    CommandCounterIncrement();
  }
  rename_taken(table, to);
  move_table(table, dropped.space_oid, to);
  drop_space(dropped.space_oid);
  table_close(list, NoLock);
  return table;
}

TimestampTz removal_time(TimestampTz dropped_at) {
  return dropped_at + settings.gc_drop_tolerance_s * INT64CONST(1000000);
}

}  // namespace

List* list_expired_trash(TimestampTz* next) {
  *next = DT_NOEND;
  List* expired = NIL;
  Oid const schema = get_namespace_oid("strata", true);
  if (!OidIsValid(schema) || !OidIsValid(get_relname_relid("dropped_tables", schema))) return NIL;
  Relation const list = open_register(RowExclusiveLock);
  TimestampTz const now = GetCurrentTimestamp();
  scan_register(list, [&](Dropped const& dropped) {
    TimestampTz const at = removal_time(dropped.dropped_at);
    if (!OidIsValid(dropped.table_oid)) {
      CatalogTupleDelete(list, const_cast<ItemPointer>(&dropped.place));  // its owner dropped it for good
      if (OidIsValid(dropped.space_oid)) drop_space(dropped.space_oid);
    } else if (at <= now) {
      MemoryContext const old = MemoryContextSwitchTo(TopMemoryContext);
      expired = lappend_oid(expired, dropped.table_oid);
      MemoryContextSwitchTo(old);
    } else {
      *next = Min(*next, at);
    }
  });
  table_close(list, NoLock);
  return expired;
}

bool remove_dropped_table(Oid table) {
  // Whoever reads the table goes on; whoever brings it back wins or loses by the lock.
  if (!ConditionalLockRelationOid(table, AccessExclusiveLock)) return false;
  Relation const list = open_register(RowExclusiveLock);
  Dropped dropped;
  bool const still = find_dropped(list, table, &dropped) && removal_time(dropped.dropped_at) <= GetCurrentTimestamp();
  if (still) {
    int const level = NewGUCNestLevel();
    set_config_option("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(get_rel_owner(table), context | SECURITY_RESTRICTED_OPERATION);
    CatalogTupleDelete(list, &dropped.place);
    ObjectAddress object;
    ObjectAddressSet(object, RelationRelationId, table);
    performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_QUIETLY);
    CommandCounterIncrement();
    drop_space(dropped.space_oid);
    SetUserIdAndSecContext(user, context);
    AtEOXact_GUC(true, level);
    ereport(LOG, (errmsg("removed table \"%s\" of schema \"%s\" from the trash", NameStr(dropped.table),
                         NameStr(dropped.original))));
  }
  table_close(list, NoLock);
  return true;
}

}  // namespace strata::pg

STRATA_FUNCTION(drop_soft) {
  PreventCommandIfReadOnly("strata.drop_soft()");
  strata::pg::Dropped const dropped = strata::pg::drop_softly(PG_GETARG_OID(0));
  PG_RETURN_TEXT_P(cstring_to_text(NameStr(dropped.space)));
}

STRATA_FUNCTION(undrop) {
  if (PG_ARGISNULL(0))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("name of the table must not be null")));
  PreventCommandIfReadOnly("strata.undrop()");
  PG_RETURN_OID(strata::pg::undrop(PG_GETARG_TEXT_PP(0), PG_ARGISNULL(1) ? nullptr : NameStr(*PG_GETARG_NAME(1))));
}

STRATA_FUNCTION(removal_time) {
  PG_RETURN_TIMESTAMPTZ(strata::pg::removal_time(PG_GETARG_TIMESTAMPTZ(0)));
}
