// Access statistics: hits of segments, as the manifest keeps them.
#pragma once
#include "core/policy/access_policy.hpp"
#include "store/manifest.hpp"

namespace strata::store {

inline policy::Hits hits_of(ObjectDisk const& disk) {
  return {disk.hits, disk.hits_at, disk.last_hit_at};
}

inline void keep_hits(ObjectDisk& disk, policy::Hits const& hits) {
  disk.hits = hits.units;
  disk.hits_at = hits.at;
  disk.last_hit_at = hits.last_at;
}

inline bool has_hits(ObjectDisk const& disk) {
  return disk.kind == ObjectKind::segment || disk.kind == ObjectKind::growing;
}

struct HitCount {
  ObjectId id;
  uint32_t count;
};

// Adds hits to segments, in one edit; those that are no longer there are left out. No locks on entry (but possibly
// LockName::merge) or exit.
template <Pager P>
Status record_hits(P& pager, HitCount const* counts, uint32_t count) {
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    Edit edit = Edit::discard;
    int64_t const now = pager.now();
    for (uint32_t i = 0; i < count; i++) {
      ManifestObject* const object = manifest.find(counts[i].id);
      if (!object || counts[i].count == 0 || !has_hits(object->disk)) continue;
      keep_hits(object->disk, policy::add_hits(hits_of(object->disk), counts[i].count, now));
      edit = Edit::keep;
    }
    return {{}, edit};
  });
}

// Forgets all hits. Locks as above.
template <Pager P>
Status clear_hits(P& pager) {
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    Edit edit = Edit::discard;
    for (ManifestObject& object : manifest.objects) {
      if (!has_hits(object.disk) || (object.disk.hits == 0 && object.disk.last_hit_at == 0)) continue;
      keep_hits(object.disk, {});
      edit = Edit::keep;
    }
    return {{}, edit};
  });
}

}  // namespace strata::store
