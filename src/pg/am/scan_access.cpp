#include "pg/am/scan_access.hpp"

#include "pg/settings.hpp"
#include "pg/worker/maintenance.hpp"

namespace strata::pg {
namespace {

bool is_sampled() {
  // Sessions of few scans would else all be sampled, or none.
  static uint32 scan_number = uint32(MyProcPid);
  uint32 const number = scan_number++;
  // Any one of so many: of a query with two scans always the same would else be sampled.
  return number % access_sample_scans == murmurhash32(number / access_sample_scans) % access_sample_scans;
}

}  // namespace

void begin_access(IndexScanDesc scan) {
  auto* const state = static_cast<ScanState*>(scan->opaque);
  bool const promised = state->plan.limit > 0 && !state->plan.node;  // see promise_rows()
  if (!settings.track_access || promised) return;
  uint32_t const count = state->search->sources.count;
  state->source_hit = static_cast<uint8_t*>(state->pager.allocate(count + 1));
  memset(state->source_hit, 0, count + 1);
  if (is_sampled()) state->sample_to = access_slot(scan->indexRelation, true);
}

void end_access(IndexScanDesc scan) {
  auto* const state = static_cast<ScanState*>(scan->opaque);
  if (!state->source_hit || state->returned_count == 0) return;
  AccessSlot* const slot = access_slot(scan->indexRelation, true);
  if (!slot) return;
  store::Array<store::SearchSource> const& sources = state->search->sources;
  for (uint32_t i = 0; i < sources.count; i++)
    if (state->source_hit[i]) count_hit(slot, sources[i].object->id());
  call_for_flush(scan->indexRelation, slot);
}

}  // namespace strata::pg
