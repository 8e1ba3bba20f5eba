// How many rows a scan will be asked for, where the plan says so: LIMIT is known to the planner and to the executor,
// but not to an index. Without it a search finds a few rows, returns them, and looks further when more are wanted; rows
// that turn up too late for their place in the order are then lost to a LIMIT that is larger than the first guess.
#pragma once
#include "core/base/metric.hpp"
#include "pg/postgres.hpp"

namespace strata::pg {

// Installs a hook that remembers which query is running. Called once, when the library is loaded.
void register_scan_limits();

// What the plan of the running query says of a scan.
struct ScanPlan {
  PlanState* node;          // null: not found
  int64_t limit;            // rows that whoever stands above takes from the scan, 0: unknown
  double passing;           // rows that the planner expects to pass all conditions; 0: unknown
  MergeAppendState* merge;  // that merges the scan with others; null: none
  int merge_child;          // which of its children leads to the scan
  int64_t merge_limit;      // rows that are taken from the merge, 0: unknown
};

// Of the scan whose order keys are `order_bys` (the array that the executor passes to amrescan).
ScanPlan scan_plan(Relation index, ScanKey order_bys);

// Rows that the scan will be asked for, so that plan.limit of them pass what the index does not know, when `known` rows
// pass what it does; 0 when the plan does not say.
uint32_t rows_wanted(ScanPlan const& plan, double known);

// When ordered scans are merged: the score (of store) from which on no row of this one is likely to be wanted, since
// those that began before it found enough nearer rows; +inf when that is not known.
float reach_of_siblings(ScanPlan const& plan, Metric metric);

// The same for a scan that no plan asks for: every amrescan of this backend takes so many rows as its answer, until 0
// takes it back or the transaction fails.
void promise_rows(uint32_t row_count);

}  // namespace strata::pg
