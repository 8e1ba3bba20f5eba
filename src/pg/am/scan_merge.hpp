// A merge of ordered scans (a version: the table, its history, a branch) takes a row of each child before it gives one
// out. Of most children it never needs one: theirs lie beyond the rows that the others found. So a scan may pause
// instead of looking for a row there, and the merge asks it again only when it has come so far.
#pragma once
#include "core/base/metric.hpp"
#include "pg/am/scan_limit.hpp"

namespace strata::pg {

struct ScanState;

// The index scan that a child of a merge consists of, if it is one of this access method that has begun; else null.
IndexScanState* index_scan_of(PlanState* node);

// What scores of store are compared with: the distance that ORDER BY sees.
double score_of_distance(Metric metric, double distance);

// Whether a scan need not tell its next row yet, when no row of its own that is still to come has a score below
// `frontier`: a child of the merge that began before it holds a row at least as near. Then the scan may end for now;
// the merge takes it up again when nothing nearer than the frontier is left.
bool may_pause(ScanState const* state, double frontier);

}  // namespace strata::pg
