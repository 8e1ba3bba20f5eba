#include "pg/am/scan_tiers.hpp"

#include "pg/settings.hpp"

namespace strata::pg {

void choose_tiers(IndexScanDesc scan, store::SearchOptions* options) {
  auto const* const state = static_cast<ScanState const*>(scan->opaque);
  if (scan->numberOfOrderBys == 0 || !state->plan.node) return;
  options->hot = (settings.search_tiers & int(SearchTiers::hot)) != 0;
  options->cold = (settings.search_tiers & int(SearchTiers::cold)) != 0;
}

void tell_left_out(IndexScanDesc scan) {
  static TimestampTz told_at = 0;  // start of the statement
  auto const* const state = static_cast<ScanState const*>(scan->opaque);
  store::SearchCounters const& counters = state->search->counters;
  TimestampTz const statement = GetCurrentStatementStartTimestamp();
  if (counters.left_out_count == 0 || told_at == statement) return;
  told_at = statement;
  ereport(NOTICE, (errmsg("search leaves out " UINT64_FORMAT " rows of index \"%s\"", counters.left_out_rows,
                          RelationGetRelationName(scan->indexRelation)),
                   errdetail_plural("They are in %u segment of a tier that strata.search_tiers does not name.",
                                    "They are in %u segments of a tier that strata.search_tiers does not name.",
                                    counters.left_out_count, counters.left_out_count)));
}

}  // namespace strata::pg
