// The callbacks of access method ivf, one file each. README.md says who calls them, and what they may do.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

IndexBuildResult* am_build(Relation heap, Relation index, IndexInfo* info);
void am_build_empty(Relation index);
char* am_build_phase_name(int64 phase);

bool am_insert(Relation index, Datum* values, bool* isnull, ItemPointer tid, Relation heap,
               IndexUniqueCheck check_unique, bool index_unchanged, IndexInfo* info);

IndexBulkDeleteResult* am_bulk_delete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                      IndexBulkDeleteCallback callback, void* callback_state);
IndexBulkDeleteResult* am_vacuum_cleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats);

void am_cost_estimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost, Cost* total_cost,
                      Selectivity* selectivity, double* correlation, double* pages);

bool am_property(Oid index, int attribute, IndexAMProperty property, char const* name, bool* result, bool* is_null);
bool am_validate(Oid opclass);

IndexScanDesc am_begin_scan(Relation index, int key_count, int order_by_count);
void am_rescan(IndexScanDesc scan, ScanKey keys, int key_count, ScanKey order_bys, int order_by_count);
bool am_get_tuple(IndexScanDesc scan, ScanDirection direction);
void am_end_scan(IndexScanDesc scan);

}  // namespace strata::pg
