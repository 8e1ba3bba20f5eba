// Access method ivf_cold: indexes that know nothing of their table, and keep pages for an ivf index (companion.hpp).
#include "pg/am/am_callbacks.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/tier/companion.hpp"

namespace strata::pg {
namespace {

// REINDEX ... CONCURRENTLY makes a copy that takes the place of the companion, and nobody is its owner yet. All is well
// when the ivf index gets a copy as well, which is not valid yet, and hot.
bool is_copied_alone(Relation heap) {
  ListCell* cell;
  bool in_use = false, copied = false;
  List* const indexes = RelationGetIndexList(heap);
  foreach (cell, indexes) {
    Relation const index = relation_open(lfirst_oid(cell), AccessShareLock);
    bool const ours = index->rd_indam && index->rd_indam->ambuild == am_build;
    copied = copied || (ours && !index->rd_index->indisvalid);
    in_use = in_use || OidIsValid(used_companion(index));
    relation_close(index, AccessShareLock);
  }
  list_free(indexes);
  return in_use && !copied;
}

void require_unused(Relation heap, Relation companion, bool concurrent) {
  // TRUNCATE, VACUUM FULL and others that make the table anew make its other indexes anew as well.
  if (is_private(heap)) return;
  Oid const user = user_of_companion(heap, RelationGetRelid(companion));
  if (!OidIsValid(user) && !(concurrent && is_copied_alone(heap))) return;
  char const* const name = OidIsValid(user) ? get_rel_name(user) : nullptr;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                  errmsg("index \"%s\" holds cold segments of another index", RelationGetRelationName(companion)),
                  name ? errdetail("They belong to index \"%s\".", name) : 0,
                  errhint("Rebuild that index; its cold segments go with it.")));
}

IndexBuildResult* build(Relation heap, Relation index, IndexInfo* info) {
  require_unused(heap, index, info->ii_Concurrent);
  return static_cast<IndexBuildResult*>(palloc0(sizeof(IndexBuildResult)));
}

void build_empty(Relation /* index */) {}

bool insert(Relation /* index */, Datum* /* values */, bool* /* isnull */, ItemPointer /* tid */, Relation /* heap */,
            IndexUniqueCheck /* check_unique */, bool /* index_unchanged */, IndexInfo* /* info */) {
  return false;
}

IndexBulkDeleteResult* bulk_delete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                   IndexBulkDeleteCallback /* callback */, void* /* callback_state */) {
  if (!stats) stats = static_cast<IndexBulkDeleteResult*>(palloc0(sizeof(IndexBulkDeleteResult)));
  stats->num_pages = RelationGetNumberOfBlocks(info->index);
  return stats;
}

IndexBulkDeleteResult* vacuum_cleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) {
  return info->analyze_only ? stats : bulk_delete(info, stats, nullptr, nullptr);
}

// Never asked: without gettuple and getbitmap there are no paths.
void estimate_cost(PlannerInfo* /* root */, IndexPath* /* path */, double /* loop_count */, Cost* startup_cost,
                   Cost* total_cost, Selectivity* selectivity, double* correlation, double* pages) {
  *startup_cost = *total_cost = get_float8_infinity();
  *selectivity = *correlation = *pages = 0;
}

bytea* options(Datum reloptions, bool validate) {
  if (validate && DatumGetPointer(reloptions))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("access method ivf_cold has no options")));
  return nullptr;
}

bool validate(Oid /* opclass */) {
  return true;
}

IndexScanDesc begin_scan(Relation /* index */, int /* key_count */, int /* order_by_count */) {
  elog(ERROR, "indexes of access method ivf_cold are not scanned");
}

void rescan(IndexScanDesc /* scan */, ScanKey /* keys */, int /* key_count */, ScanKey /* order_bys */,
            int /* order_by_count */) {}

void end_scan(IndexScanDesc /* scan */) {}

}  // namespace

bool is_companion(Relation relation) {
  return relation->rd_rel->relkind == RELKIND_INDEX && relation->rd_indam && relation->rd_indam->ambuild == build;
}

void fill_cold_routine(IndexAmRoutine* routine) {
  routine->amoptionalkey = true;
  routine->amkeytype = InvalidOid;
  fill_new_am_fields(routine);
  routine->ambuild = build;
  routine->ambuildempty = build_empty;
  routine->aminsert = insert;
  routine->ambulkdelete = bulk_delete;
  routine->amvacuumcleanup = vacuum_cleanup;
  routine->amcostestimate = estimate_cost;
  routine->amoptions = options;
  routine->amvalidate = validate;
  routine->ambeginscan = begin_scan;
  routine->amrescan = rescan;
  routine->amendscan = end_scan;
}

}  // namespace strata::pg

STRATA_FUNCTION(ivf_cold_handler) {
  IndexAmRoutine* routine = strata::pg::new_am_routine<1>();
  strata::pg::fill_cold_routine(routine);
  PG_RETURN_POINTER(routine);
}
