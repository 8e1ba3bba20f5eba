// What one index scan did, for strata.last_scan() and EXPLAIN.
#pragma once
#include "pg/postgres.hpp"
#include "store/search.hpp"

namespace strata::pg {

struct ScanReport {
  bool any;
  bool timed;  // stage times are known
  Oid index;
  uint64_t scan_count;  // how often the scan was begun, more than one in the inner part of a nested loop
  store::SearchCounters counters;
  uint64_t stage_ns[store::search_stage_count];
  uint64_t page_count;
  uint64_t prefetched_count;  // pages asked for from the disk before they were read, of index and table
  uint64_t heap_count;
  uint64_t returned_count;
};

// The last one of this backend.
extern ScanReport last_scan;

// Whether scans that begin now time their stages: strata.track_scan_timing, or an EXPLAIN that wants it.
bool times_scans();

// Called at the end of every scan: adds it to those that the EXPLAIN under way will show, if there is one.
void note_for_explain(ScanReport const& report);

// Installs the hook that lets EXPLAIN (ANALYZE) tell what the ivf indexes of a query did. Called once, when the library
// is loaded: a session whose first use of strata is an EXPLAIN does not have it yet for this statement, unless the
// library is preloaded.
void register_explain();

}  // namespace strata::pg
