// The handler function of access method ivf: which callbacks there are, and what the planner may expect of them.
#include "pg/postgres.hpp"

#include "core/base/limits.hpp"
#include "pg/am/am_callbacks.hpp"
#include "pg/am/am_options.hpp"
#include "pg/am/opclass.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"

namespace strata::pg {
namespace {

void fill_routine(IndexAmRoutine* routine) {
  routine->amstrategies = 0;  // of every operator class its own
  routine->amsupport = column_class_procedure;
  routine->amoptsprocnum = 0;
  routine->amcanorder = false;
  routine->amcanorderbyop = true;
  routine->amcanbackward = false;
  routine->amcanunique = false;
  routine->amcanmulticol = true;
  routine->amoptionalkey = true;  // a scan needs no condition: every row is in the index, those with NULL too
  routine->amsearcharray = true;
  routine->amsearchnulls = true;
  routine->amstorage = false;
  routine->amclusterable = false;
  routine->ampredlocks = false;
  routine->amcanparallel = false;
  routine->amcaninclude = false;
  routine->amusemaintenanceworkmem = false;
  routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
  routine->amkeytype = InvalidOid;
  fill_new_am_fields(routine);

  routine->ambuild = am_build;
  routine->ambuildempty = am_build_empty;
  routine->aminsert = am_insert;
  routine->ambulkdelete = am_bulk_delete;
  routine->amvacuumcleanup = am_vacuum_cleanup;
  routine->amcanreturn = nullptr;  // no index-only scans: they would ask more of VACUUM than delete bitmaps give
  routine->amcostestimate = am_cost_estimate;
  routine->amoptions = am_options;
  routine->amproperty = am_property;
  routine->ambuildphasename = am_build_phase_name;
  routine->amvalidate = am_validate;
  routine->amadjustmembers = nullptr;
  routine->ambeginscan = am_begin_scan;
  routine->amrescan = am_rescan;
  routine->amgettuple = am_get_tuple;
  routine->amgetbitmap = nullptr;
  routine->amendscan = am_end_scan;
  routine->ammarkpos = nullptr;
  routine->amrestrpos = nullptr;
  routine->amestimateparallelscan = nullptr;
  routine->aminitparallelscan = nullptr;
  routine->amparallelrescan = nullptr;
}

}  // namespace

bool am_property(Oid /* index */, int attribute, IndexAMProperty property, char const* /* name */, bool* result,
                 bool* is_null) {
  if (property != AMPROP_DISTANCE_ORDERABLE || attribute == 0) return false;
  *result = attribute == 1;
  *is_null = false;
  return true;
}

}  // namespace strata::pg

STRATA_FUNCTION(ivf_handler) {
  IndexAmRoutine* routine = strata::pg::new_am_routine();
  strata::pg::fill_routine(routine);
  PG_RETURN_POINTER(routine);
}
