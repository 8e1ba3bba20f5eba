// SHRINK: objects at the end of the file move to free pages before them, and what lies past the last one goes back to
// the file system.
//
// Nothing here shortens anybody's wait: a moved object leaves its pages to a retired one, which reclaim frees in its
// time, and only pages past the frontier, which belong to nobody, are cut off, when nobody else has the index open.
#pragma once
#include "store/rewrite.hpp"

namespace strata::store {

namespace detail {

constexpr uint32_t truncate_pages_min = 16;
constexpr uint32_t truncate_share = 16;  // of the pages in use, as a divisor

// In the main file; what lies in the companion keeps nothing from being cut off there.
inline uint64_t end_of(ManifestObject const& object) {
  uint64_t end = 0;
  for (ExtentDisk const& extent : object.extents)
    if (!is_cold(extent.start) && uint64_t(extent.start) + extent.count > end)
      end = uint64_t(extent.start) + extent.count;
  return end;
}

// Where the file ends for one who forgets that retired pages are still read: planted.
inline uint32_t end_without_retired(Manifest const& manifest) {
  uint64_t end = 1;
  for (format::SlotDisk const& slot : manifest.meta.slot)
    if (slot.start + slot.page_count > end) end = slot.start + slot.page_count;
  for (auto const& object : manifest.objects)
    if (object.disk.state != ObjectState::retired && end_of(object) > end) end = end_of(object);
  return uint32_t(end);
}

inline bool truncation_pays(uint32_t block_count, uint32_t end) {
  uint32_t const waste = block_count > end ? block_count - end : 0;
  return waste >= truncate_pages_min && waste >= end / truncate_share;
}

}  // namespace detail

// Cuts off the blocks past the frontier. *page_count = blocks cut off, 0 when too few are there to be worth it or the
// index is in use. No locks on entry (but possibly LockName::merge) or exit.
template <Pager P>
Status truncate(P& pager, uint32_t* page_count) {
  *page_count = 0;
  Manifest manifest{};
  pager.lock(LockName::edit);
  Status status = load_manifest(pager, &manifest);
  uint32_t const before = pager.block_count();
  uint32_t end = manifest.header.frontier;
  if (status.ok() && pager.fault(Fault::truncate_early)) end = detail::end_without_retired(manifest);
  if (status.ok() && detail::truncation_pays(before, end) && pager.try_truncate(end)) *page_count = before - end;
  pager.unlock(LockName::edit);
  release_manifest(pager, &manifest);
  return status;
}

namespace detail {

inline uint32_t main_pages_of(ManifestObject const& object) {
  uint32_t count = 0;
  for (ExtentDisk const& extent : object.extents) count += is_cold(extent.start) ? 0 : extent.count;
  return count;
}

// What a rewrite or a move of an object of so many pages would use now. `manifest` is a private copy and is used up.
template <Pager P>
uint64_t end_after_move(P& pager, Manifest& manifest, uint32_t page_count) {
  ManifestObject moved{};
  allocate_extents(pager, manifest, page_count, &moved.extents);
  return end_of(moved);
}

// The object that keeps the file from ending earlier; none when that is one that will go by itself.
inline ManifestObject const* last_object(Manifest const& manifest) {
  ManifestObject const* last = nullptr;
  for (auto const& object : manifest.objects)
    if (!last || end_of(object) > end_of(*last)) last = &object;
  return last && last->disk.state == ObjectState::live && last->disk.kind != ObjectKind::growing ? last : nullptr;
}

template <Pager P>
Status copy_pages(P& pager, ManifestObject const& from, ManifestObject const& to) {
  auto* contents = static_cast<std::byte*>(pager.allocate(size_t(fresh_pages_max) * format::page_content_size));
  FreshPage pages[fresh_pages_max];
  Status status;
  for (uint32_t first = 0; first < from.disk.page_count && status.ok(); first += fresh_pages_max) {
    uint32_t const left = from.disk.page_count - first, count = left < fresh_pages_max ? left : fresh_pages_max;
    for (uint32_t i = 0; i < count && status.ok(); i++) {
      std::byte* const content = contents + size_t(i) * format::page_content_size;
      format::PageKind const kind = first + i ? format::PageKind::stream : format::PageKind::object_header;
      status = pager.read(block_of(from, first + i), [&](format::PageView page) {
        std::memcpy(content, page.content, format::page_content_size);
        return format::check_page(page, kind, from.id(), first + i);
      });
      pages[i] = {block_of(to, first + i), content};
    }
    if (status.ok()) pager.write_fresh(pages, count);
    pager.check_interrupts();
  }
  pager.release(contents);
  return status;
}

}  // namespace detail

// Moves an epoch, frame or calibration, whose pages never change, to other pages: it keeps its id, and so do its pages.
// The old ones are left to a retired object, for readers of older manifests. Requires LockName::merge.
template <Pager P>
Status move_object(P& pager, ObjectId id) {
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  *manifest = Manifest{};
  ObjectId husk = ObjectId::none;
  Status status = edit_manifest(
      pager,
      [&](Manifest& work) -> EditResult {
        ManifestObject const* object = work.find(id);
        if (!object || object->disk.state != ObjectState::live) return {{}, Edit::discard};
        uint32_t const page_count = object->disk.page_count;
        ManifestObject* target = add_object(pager, work, object->disk.kind, ObjectState::building);
        allocate_extents(pager, work, page_count, &target->extents);
        target->disk.page_count = page_count;
        husk = target->id();
        return {{}, Edit::keep};
      },
      manifest);
  if (status.ok() && husk != ObjectId::none) {
    pager.extend_to(uint32_t(detail::end_of(*manifest->find(husk))));
    status = detail::copy_pages(pager, *manifest->find(id), *manifest->find(husk));
    if (status.ok())
      status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
        ManifestObject *object = work.find(id), *old = work.find(husk);
        if (!object || !old) return {corrupt("object vanished while it was moved", raw(id)), Edit::discard};
        Array<ExtentDisk> const extents = object->extents;
        object->extents = old->extents;
        old->extents = extents;
        old->disk.state = ObjectState::retired;
        old->disk.retired_xid = pager.next_xid();
        return {{}, Edit::keep};
      });
  }
  release_manifest(pager, manifest);
  pager.release(manifest);
  return status;
}

struct MoveResult {
  ObjectId moved;  // none: nothing was to be moved
  uint64_t row_count;
  uint32_t page_count;
};

// Moves the last object of the file to free pages before it, when these are more than `free_share_max` of the pages in
// use and at least `free_pages_min`. Every move brings the end of an object nearer to the front, so that they come to
// an end. Requires LockName::merge.
template <Pager P>
Status move_last(P& pager, double free_share_max, uint32_t free_pages_min, MoveResult* result) {
  *result = MoveResult{};
  Manifest manifest{};
  if (Status status = load_manifest(pager, &manifest); !status.ok()) return status;
  uint64_t free_pages = 0, end = 0;
  ObjectKind kind = ObjectKind::none;
  for (ExtentDisk const& extent : manifest.free) free_pages += is_cold(extent.start) ? 0 : extent.count;
  uint64_t const used_pages = manifest.header.frontier - free_pages;
  ManifestObject const* last = detail::last_object(manifest);
  bool const due = last && free_pages >= free_pages_min && double(free_pages) > free_share_max * double(used_pages);
  if (due) {
    result->moved = last->id();
    result->page_count = detail::main_pages_of(*last);
    kind = last->disk.kind;
    end = detail::end_of(*last);
    if (detail::end_after_move(pager, manifest, result->page_count) >= end) result->moved = ObjectId::none;
  }
  release_manifest(pager, &manifest);
  if (result->moved == ObjectId::none) return {};
  pager.note_task(Task::compact, &result->moved, 1);
  if (kind != ObjectKind::segment) return move_object(pager, result->moved);
  RewriteResult rewritten;
  Status status = rewrite(pager, &result->moved, 1, &rewritten);
  result->row_count = rewritten.row_count;
  return status;
}

}  // namespace strata::store
