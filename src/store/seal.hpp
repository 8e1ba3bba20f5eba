// SEAL: growing objects become a sealed segment: freeze (one edit), fence (one action a lane), rewrite, publish.
#pragma once
#include "store/rewrite.hpp"

namespace strata::store {

namespace detail {

// After this nothing can be appended to a frozen object (G4). An inserter that still has a cursor on it finds the flag,
// or a full page and then a manifest in which the lane is frozen. Idempotent: a seal that died is taken up by the next
// one.
template <Pager P>
Status fence(P& pager, IndexShape const& shape, ManifestObject const& object) {
  if (pager.fault(Fault::skip_fence)) return {};
  for (;;) {
    uint32_t group = 0;
    if (Status status = find_growing_end(pager, shape, object, &group); !status.ok()) return status;
    if (group == group_count_of(shape, object)) return {};
    struct Fenced {
      Status status;
      bool full;
    };
    uint32_t page_no = group * shape.growing.group_page_count;
    auto result = pager.change([&](auto& action) -> Fenced {
      format::PageSpan page = action.open(block_of(object, page_no));
      Status status = format::check_page(page.view(), format::PageKind::growing, object.id(), page_no);
      auto& header = page.template as<format::GrowingPageDisk>();
      bool sealed = status.ok() && header.flags & format::growing_sealed;
      bool full = status.ok() && !sealed && header.row_count >= shape.growing.capacity;
      if (!status.ok() || full || sealed) {
        action.abandon();
        return {status, full};
      }
      header.flags |= format::growing_sealed;
      return {status, false};
    });
    if (!result.status.ok() || !result.full) return result.status;
  }
}

}  // namespace detail

// Freezes every live growing object that has rows. No locks needed; holds none on exit.
template <Pager P>
Status freeze(P& pager) {
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    IndexShape shape = shape_of(manifest.meta);
    Edit edit = Edit::discard;
    for (auto& object : manifest.objects) {
      if (object.disk.kind != ObjectKind::growing || object.disk.state != ObjectState::live) continue;
      uint64_t rows = 0;
      if (Status status = count_growing_rows(pager, shape, object, &rows); !status.ok()) return {status, Edit::discard};
      if (rows == 0) continue;
      object.disk.state = ObjectState::frozen;
      edit = Edit::keep;
    }
    return {{}, edit};
  });
}

// Seals all frozen growing objects into one segment. Requires LockName::merge.
template <Pager P>
Status seal_frozen(P& pager, RewriteResult* result) {
  *result = RewriteResult{};
  Manifest manifest{};
  if (Status status = load_manifest(pager, &manifest); !status.ok()) return status;
  IndexShape shape = shape_of(manifest.meta);
  ObjectId ids[rewrite_inputs_max];
  uint32_t count = 0;
  Status status;
  for (auto const& object : manifest.objects) {
    if (object.disk.kind != ObjectKind::growing || object.disk.state != ObjectState::frozen) continue;
    if (count == rewrite_inputs_max) break;
    status = detail::fence(pager, shape, object);
    if (!status.ok()) break;
    ids[count++] = object.id();
  }
  release_manifest(pager, &manifest);
  if (!status.ok() || count == 0) return status;
  pager.note_task(Task::seal, ids, count);
  return rewrite(pager, ids, count, result);
}

// Objects in state building belong to whoever holds LockName::merge; on taking the lock they are garbage. Requires that
// lock.
template <Pager P>
Status drop_unfinished(P& pager) {
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    Edit edit = Edit::discard;
    for (uint32_t i = 0; i < manifest.objects.count;) {
      if (manifest.objects[i].disk.state != ObjectState::building) {
        i++;
        continue;
      }
      remove_object(pager, manifest, manifest.objects[i].id());
      edit = Edit::keep;
    }
    return {{}, edit};
  });
}

// strata.flush: everything inserted before the call is in a sealed segment afterwards. Requires LockName::merge.
template <Pager P>
Status flush(P& pager, RewriteResult* result) {
  Status status = drop_unfinished(pager);
  if (status.ok()) status = freeze(pager);
  if (status.ok()) status = seal_frozen(pager, result);
  return status;
}

}  // namespace strata::store
