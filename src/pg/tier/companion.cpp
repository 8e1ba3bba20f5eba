#include "pg/tier/companion.hpp"

#include "pg/am/am_callbacks.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"

namespace strata::pg {
namespace {

bool is_companion_oid(Oid oid) {
  Relation const relation = try_relation_open(oid, AccessShareLock);
  if (!relation) return false;
  bool const found = is_companion(relation);
  relation_close(relation, AccessShareLock);
  return found;
}

// The relation at the other end of a dependency of the kind that ties a companion to its owner.
Oid partner_of(Oid relation, bool is_owner) {
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], is_owner ? Anum_pg_depend_refclassid : Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(RelationRelationId));
  ScanKeyInit(&keys[1], is_owner ? Anum_pg_depend_refobjid : Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  Relation const depend = table_open(DependRelationId, AccessShareLock);
  SysScanDesc const scan = systable_beginscan(depend, is_owner ? DependReferenceIndexId : DependDependerIndexId, true,
                                              nullptr, lengthof(keys), keys);
  Oid found = InvalidOid;
  for (HeapTuple tuple; !OidIsValid(found) && (tuple = systable_getnext(scan)) != nullptr;) {
    auto const* const form = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
    if (form->deptype != DEPENDENCY_INTERNAL || form->classid != RelationRelationId ||
        form->refclassid != RelationRelationId || form->objsubid != 0 || form->refobjsubid != 0)
      continue;
    if (is_companion_oid(form->objid)) found = is_owner ? form->objid : form->refobjid;
  }
  systable_endscan(scan);
  table_close(depend, AccessShareLock);
  return found;
}

List* index_oids(Oid heap) {
  Relation const relation = relation_open(heap, NoLock);
  List* const oids = RelationGetIndexList(relation);
  relation_close(relation, NoLock);
  return oids;
}

void run(char const* command) {
  if (SPI_execute(command, false, 0) < 0) elog(ERROR, "could not execute \"%s\"", command);
}

// What the index says of its first column, as CREATE INDEX wants it.
char const* column_of(Relation index) {
  Datum const definition = DirectFunctionCall3(pg_get_indexdef_ext, ObjectIdGetDatum(RelationGetRelid(index)),
                                               Int32GetDatum(1), BoolGetDatum(false));
  char const* const column = TextDatumGetCString(definition);
  return index->rd_index->indkey.values[0] ? column : psprintf("(%s)", column);
}

// CREATE INDEX with a place for the tablespace and the condition.
char* definition_of_companion(Relation heap, Relation index) {
  Oid const space = RelationGetNamespace(heap);
  char const* const name = ChooseRelationName(RelationGetRelationName(index), nullptr, "cold", space, true);
  return psprintf("CREATE INDEX %s ON %s USING ivf_cold (%s)", quote_identifier(name),
                  quote_qualified_identifier(get_namespace_name(space), RelationGetRelationName(heap)),
                  column_of(index));
}

// No row is ever in it: what inserts and updates pay is a look at its condition.
Oid create_companion(Oid heap, char const* definition, char const* tablespace) {
  char const* const place = tablespace ? psprintf(" TABLESPACE %s", quote_identifier(tablespace)) : "";
  List* const before = index_oids(heap);
  run(psprintf("%s%s WHERE false", definition, place));
  CommandCounterIncrement();
  List* const made = list_difference_oid(index_oids(heap), before);
  if (list_length(made) != 1) elog(ERROR, "companion was not made");
  return linitial_oid(made);
}

void move_companion(Oid companion, char const* tablespace) {
  char const* const name =
      quote_qualified_identifier(get_namespace_name(get_rel_namespace(companion)), get_rel_name(companion));
  run(psprintf("ALTER INDEX %s SET TABLESPACE %s", name, quote_identifier(tablespace)));
}

bool has_file(Oid companion) {
  Relation const relation = relation_open(companion, AccessShareLock);
  bool const found = smgrexists(open_file(locator_of(relation)), MAIN_FORKNUM);
  relation_close(relation, AccessShareLock);
  return found;
}

// Of a tablespace that is lost nothing can be moved. Requires that no cold segment needs it.
void drop_lost_companion(Oid index, Oid companion) {
  deleteDependencyRecordsForSpecific(RelationRelationId, companion, DEPENDENCY_INTERNAL, RelationRelationId, index);
  CommandCounterIncrement();
  run(psprintf("DROP INDEX %s",
               quote_qualified_identifier(get_namespace_name(get_rel_namespace(companion)), get_rel_name(companion))));
}

void take_into_possession(Oid index, Oid companion) {
  ObjectAddress owner, part;
  ObjectAddressSet(owner, RelationRelationId, index);
  ObjectAddressSet(part, RelationRelationId, companion);
  recordDependencyOn(&part, &owner, DEPENDENCY_INTERNAL);
}

}  // namespace

Oid used_companion(Relation index) {
  bool const ours = index->rd_indam && index->rd_indam->ambuild == am_build;
  if (!ours || is_private(index) || RelationGetNumberOfBlocks(index) == 0) return InvalidOid;
  PgPager pager(index, nullptr);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  return store::detail::companion_reach(manifest) > 0 ? Oid(manifest.header.companion) : InvalidOid;
}

Oid user_of_companion(Relation heap, Oid companion) {
  Oid found = InvalidOid;
  ListCell* cell;
  List* const oids = RelationGetIndexList(heap);
  foreach (cell, oids) {
    Relation const index = relation_open(lfirst_oid(cell), AccessShareLock);
    if (used_companion(index) == companion) found = RelationGetRelid(index);
    relation_close(index, AccessShareLock);
  }
  list_free(oids);
  return found;
}

Oid companion_of(Oid index) {
  return partner_of(index, true);
}

Oid owner_of_companion(Oid companion) {
  return partner_of(companion, false);
}

void empty_companion(Oid index) {
  Oid const oid = companion_of(index);
  if (!OidIsValid(oid)) return;
  Relation const companion = relation_open(oid, AccessExclusiveLock);
  // A file of this transaction has never been written to.
  bool const has_pages =
      smgrexists(open_file(locator_of(companion)), MAIN_FORKNUM) && RelationGetNumberOfBlocks(companion) > 0;
  if (!is_private(companion) && has_pages) {
    set_new_file(companion);
    CommandCounterIncrement();
  }
  relation_close(companion, NoLock);
}

namespace {

// After a dump and restore companions are there, but empty, and belong to nobody: one on the same column is taken.
// After pg_upgrade they belong to nobody either, and hold what they held.
Oid find_orphan(Relation heap, Relation index) {
  Oid const used = used_companion(index);
  Oid found = InvalidOid;
  ListCell* cell;
  List* const oids = RelationGetIndexList(heap);
  foreach (cell, oids) {
    Relation const other = relation_open(lfirst_oid(cell), AccessShareLock);
    Oid const oid = RelationGetRelid(other);
    bool const free = is_companion(other) && other->rd_index->indisvalid && !OidIsValid(owner_of_companion(oid));
    bool const fits = other->rd_index->indkey.values[0] == index->rd_index->indkey.values[0] && !OidIsValid(used) &&
                      !OidIsValid(found) && free && !OidIsValid(user_of_companion(heap, oid));
    if (fits || (free && oid == used)) found = oid;
    relation_close(other, AccessShareLock);
  }
  list_free(oids);
  return found;
}

}  // namespace

Oid make_companion(Oid index_oid, char const* tablespace) {
  if (tablespace) get_tablespace_oid(tablespace, false);
  // What CREATE INDEX takes on the table: not a weaker lock first.
  OpenIndex const open = open_ivf_index(index_oid, ShareLock);
  if (open.index->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("temporary indexes have no cold segments")));
  int const level = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  Oid companion = companion_of(index_oid);
  bool const is_lost = OidIsValid(companion) && !has_file(companion);
  if (is_lost && OidIsValid(used_companion(open.index)))
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_FILE),
             errmsg("the file with the cold segments of index \"%s\" is lost", RelationGetRelationName(open.index)),
             errhint("Bring its tablespace back. When it is lost for good, REINDEX INDEX %s makes an index "
                     "without cold segments from the table.",
                     quote_identifier(RelationGetRelationName(open.index)))));
  bool const owned = OidIsValid(companion) && !is_lost;
  if (!owned) companion = find_orphan(open.heap, open.index);
  Oid const heap = RelationGetRelid(open.heap);
  char const* const definition = definition_of_companion(open.heap, open.index);
  Oid const lost = is_lost ? companion_of(index_oid) : InvalidOid;
  close_ivf_index(open, NoLock);  // the locks stay; commands want the table not to be in use
  if (is_lost) drop_lost_companion(index_oid, lost);
  if (OidIsValid(companion) && tablespace)
    move_companion(companion, tablespace);
  else if (!OidIsValid(companion))
    companion = create_companion(heap, definition, tablespace);
  if (!owned) take_into_possession(index_oid, companion);
  AtEOXact_GUC(true, level);
  return companion;
}

}  // namespace strata::pg
