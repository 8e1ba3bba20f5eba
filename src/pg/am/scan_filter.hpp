// The WHERE clause of an index scan, as far as it reaches the index: conditions on filter columns, on the value of the
// vector, and on its distance from a point.
#pragma once
#include "pg/am/row.hpp"
#include "store/search_state.hpp"

namespace strata::pg {

// Lives in the memory context of a scan.
struct ScanFilter {
  segment::Condition conditions[store::search_condition_count_max];
  segment::Filter filter;
  bool recheck;     // the index cannot tell for sure: the executor looks at the row
  bool never;       // no row passes
  bool null_only;   // vector IS NULL
  bool not_null;    // vector IS NOT NULL
  bool has_within;  // vector within a distance of `center`
  Datum center;     // a value of the column's type
  double radius;
};

// Reads the scan keys of a scan. Memory is that of the current context.
ScanFilter* read_scan_keys(RowShape const& shape, ScanKey keys, int key_count);

// Adds conditions that the server evaluates itself, since its version does not offer them to an index: IN lists of
// constants beside an ORDER BY (before 17), booleans (before 16). `quals` are those of the scan's plan node.
void read_plan_quals(Relation index, RowShape const& shape, Index scan_relation, List* quals, ScanFilter* filter);

}  // namespace strata::pg
