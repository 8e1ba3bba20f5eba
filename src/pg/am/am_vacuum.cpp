// ambulkdelete and amvacuumcleanup: marks dead entries by their TIDs alone; then a bounded piece of maintenance, for
// servers where no background worker can be had.
#include "pg/am/am_callbacks.hpp"
#include "pg/page/pg_pager.hpp"
#include "pg/worker/maintenance.hpp"
#include "store/vacuum.hpp"

namespace strata::pg {

IndexBulkDeleteResult* am_bulk_delete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                      IndexBulkDeleteCallback callback, void* callback_state) {
  if (!stats) stats = static_cast<IndexBulkDeleteResult*>(palloc0(sizeof(IndexBulkDeleteResult)));
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf vacuum", ALLOCSET_DEFAULT_SIZES);
  PgPager pager(info->index, heap_of(info), PageAccess::vacuum, MAIN_FORKNUM, context);
  store::VacuumResult result;
  report(store::vacuum(
      pager,
      [&](Tid tid) {
        ItemPointerData pointer;
        ItemPointerSet(&pointer, tid.block(), tid.offset());
        return callback(&pointer, callback_state);
      },
      &result));
  stats->num_pages = pager.block_count();
  stats->num_index_tuples = double(result.live_count);
  stats->tuples_removed += double(result.removed_count);
  stats->estimated_count = false;
  MemoryContextDelete(context);
  return stats;
}

IndexBulkDeleteResult* am_vacuum_cleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) {
  if (info->analyze_only) return stats;
  if (!stats) {
    // Nothing was deleted: every row of the table is in the index.
    stats = static_cast<IndexBulkDeleteResult*>(palloc0(sizeof(IndexBulkDeleteResult)));
    stats->num_index_tuples = info->num_heap_tuples;
    stats->estimated_count = true;
  }
  maintain_in_vacuum(info->index, heap_of(info));
  stats->num_pages = RelationGetNumberOfBlocks(info->index);
  return stats;
}

}  // namespace strata::pg
