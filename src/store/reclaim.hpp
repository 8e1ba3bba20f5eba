// RECLAIM: pages of retired objects go back to the free list when no snapshot can need them any more.
//
// An object retired at transaction id x was in force for readers whose snapshot is older than x. When no such snapshot
// is left on this server, standbys are told to cancel theirs (a conflict record, before anything that may overwrite the
// pages), and only then an edit moves the pages to the free list. Epochs, frames and calibrations that nothing names
// are retired here as well.
#pragma once
#include "store/seal.hpp"

namespace strata::store {

struct ReclaimResult {
  uint32_t object_count;
  uint32_t page_count;
  uint32_t waiting_count;  // retired objects whose time has not come
};

namespace detail {

// An epoch or frame is in use when it is in force or named by any object that is not retired itself; a calibration,
// when its epoch is.
inline bool is_named(Manifest const& manifest, ObjectDisk const& target) {
  uint32_t const id = target.kind == ObjectKind::calibration ? target.epoch : target.id;
  if (id == manifest.header.epoch || id == manifest.header.frame) return true;
  for (auto const& object : manifest.objects) {
    if (object.disk.state == ObjectState::retired || object.disk.kind == ObjectKind::calibration) continue;
    if (object.disk.epoch == id || (object.disk.frame == id && object.disk.id != id)) return true;
  }
  return false;
}

inline bool is_shared(ObjectDisk const& disk) {
  return disk.kind == ObjectKind::epoch || disk.kind == ObjectKind::frame || disk.kind == ObjectKind::calibration;
}

}  // namespace detail

// Requires LockName::merge (so that no rewrite is using what is retired here).
template <Pager P>
Status reclaim(P& pager, ReclaimResult* result) {
  *result = ReclaimResult{};
  Manifest manifest{};
  Status status = load_manifest(pager, &manifest);
  if (!status.ok()) return status;
  uint64_t newest = 0;
  bool unnamed = false;
  for (auto const& object : manifest.objects) {
    bool shared = detail::is_shared(object.disk);
    unnamed = unnamed || (shared && object.disk.state == ObjectState::live && !detail::is_named(manifest, object.disk));
    if (object.disk.state != ObjectState::retired) continue;
    if (pager.fault(Fault::reclaim_early) || pager.is_removable(object.disk.retired_xid)) {
      result->object_count++;
      if (object.disk.retired_xid > newest) newest = object.disk.retired_xid;
    } else {
      result->waiting_count++;
    }
  }
  release_manifest(pager, &manifest);
  if (unnamed)
    status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
      Edit edit = Edit::discard;
      for (auto& object : work.objects) {
        bool shared = detail::is_shared(object.disk);
        if (!shared || object.disk.state != ObjectState::live || detail::is_named(work, object.disk)) continue;
        object.disk.state = ObjectState::retired;
        object.disk.retired_xid = pager.next_xid();
        edit = Edit::keep;
      }
      return {{}, edit};
    });
  if (!status.ok() || result->object_count == 0) return status;
  pager.note_task(Task::reclaim, nullptr, 0);
  pager.note_phase(Phase::reclaim, 0, result->object_count);
  pager.resolve_conflicts(newest);
  return edit_manifest(pager, [&](Manifest& work) -> EditResult {
    for (uint32_t i = 0; i < work.objects.count;) {
      ObjectDisk const& disk = work.objects[i].disk;
      bool ready = disk.state == ObjectState::retired && disk.retired_xid <= newest &&
                   (pager.fault(Fault::reclaim_early) || pager.is_removable(disk.retired_xid));
      if (!ready) {
        i++;
        continue;
      }
      result->page_count += disk.page_count;
      remove_object(pager, work, ObjectId(disk.id));
    }
    return {{}, Edit::keep};
  });
}

}  // namespace strata::store
