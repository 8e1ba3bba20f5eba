// TIER: a segment between the main file and the companion. A move is a rewrite of one input, so everything that holds
// for a merge holds for it: searches go on with what they opened, VACUUM is reconciled, a crash leaves an object in
// state building at most, and the old pages wait for the horizon.
#pragma once
#include "store/rewrite.hpp"

namespace strata::store {

// Names the companion of the index. `block_count`: how long its file is. What is in it was written for an earlier life
// of the index and may still be read by those who have that open: it is retired like a segment that was replaced. Does
// nothing when the companion has that name already. Requires LockName::merge.
template <Pager P>
Status bind_companion(P& pager, uint32_t name, uint32_t block_count) {
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    if (manifest.header.companion == name) return {{}, Edit::discard};
    if (manifest.header.cold_frontier != 0)
      return {invalid("index has cold segments in another companion", manifest.header.companion), Edit::discard};
    manifest.header.companion = name;
    if (block_count > 0) {
      ManifestObject* const old = add_object(pager, manifest, ObjectKind::segment, ObjectState::retired);
      old->extents.push(pager, {format::cold_bit, block_count});
      old->disk.retired_xid = pager.next_xid();
      old->disk.tier = uint8_t(Tier::cold);
      manifest.header.cold_frontier = block_count;
    }
    return {{}, Edit::keep};
  });
}

// Moves a live segment to a tier; does nothing when it is there already. result->output is what it became, none when it
// had no live row. Requires LockName::merge, and for the cold tier a companion.
template <Pager P>
Status move_to_tier(P& pager, ObjectId id, Tier tier, RewriteResult* result) {
  *result = RewriteResult{};
  Manifest manifest{};
  Status status = load_manifest(pager, &manifest);
  ManifestObject const* const object = manifest.find(id);
  bool const is_there = object && object->disk.kind == ObjectKind::segment && object->disk.state == ObjectState::live;
  bool const moves = is_there && object->disk.tier != uint8_t(tier);
  if (status.ok() && !is_there) status = invalid("index has no such sealed segment", raw(id));
  if (status.ok() && tier == Tier::cold && manifest.header.companion == 0)
    status = invalid("index has no companion for cold segments");
  release_manifest(pager, &manifest);
  if (!status.ok()) return status;
  result->output = id;
  if (!moves) return {};
  pager.note_task(Task::tier, &id, 1);
  return rewrite(pager, &id, 1, result, tier == Tier::cold ? Destination::cold : Destination::hot);
}

}  // namespace strata::store
