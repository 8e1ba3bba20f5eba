// What a scan tells the statistics of access: the segments that its rows came from, once a scan each, and, of one scan
// in access_sample_scans, the blocks of the table that they lie on.
#pragma once
#include "pg/am/scan_state.hpp"
#include "pg/stats/access_counters.hpp"

namespace strata::pg {

constexpr uint32 access_sample_scans = 64;

// A scan begins: its search was started. Scans that no query asked for do not count.
void begin_access(IndexScanDesc scan);

inline void note_access(ScanState* state, uint32_t source, Tid tid) {
  if (!state->source_hit) return;
  state->source_hit[source] = 1;
  if (state->sample_to) count_block(state->sample_to, tid.block());
}

// The scan is over: what was noted is counted.
void end_access(IndexScanDesc scan);

}  // namespace strata::pg
