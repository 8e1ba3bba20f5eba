// What strata.search_tiers means for a scan.
#pragma once
#include "pg/am/scan_state.hpp"

namespace strata::pg {

// Only searches by distance that a query asks for are limited: others would give wrong answers, not fewer.
void choose_tiers(IndexScanDesc scan, store::SearchOptions* options);

// A notice, once a statement, when a search that was started leaves rows out.
void tell_left_out(IndexScanDesc scan);

}  // namespace strata::pg
