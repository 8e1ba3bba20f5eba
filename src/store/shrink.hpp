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

// Copies pages [first_page, first_page + to.disk.page_count) to all pages of `to`.
template <Pager P>
Status copy_pages(P& pager, ManifestObject const& from, uint32_t first_page, ManifestObject const& to) {
  auto* contents = static_cast<std::byte*>(pager.allocate(size_t(fresh_pages_max) * format::page_content_size));
  FreshPage pages[fresh_pages_max];
  Status status;
  for (uint32_t first = 0; first < to.disk.page_count && status.ok(); first += fresh_pages_max) {
    uint32_t const left = to.disk.page_count - first, count = left < fresh_pages_max ? left : fresh_pages_max;
    for (uint32_t i = 0; i < count && status.ok(); i++) {
      std::byte* const content = contents + size_t(i) * format::page_content_size;
      uint32_t const page_no = first_page + first + i;
      format::PageKind const kind = page_no ? format::PageKind::stream : format::PageKind::object_header;
      status = pager.read(block_of(from, page_no), [&](format::PageView page) {
        std::memcpy(content, page.content, format::page_content_size);
        return format::check_page(page, kind, from.id(), page_no);
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
    status = detail::copy_pages(pager, *manifest->find(id), 0, *manifest->find(husk));
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

namespace detail {

// Pages of an object that lie together, and last in the file.
struct Tail {
  uint32_t extent_at;   // of the object's extents
  uint32_t first_page;  // of the object
  uint32_t page_count;
};

// As many of the pages [first_movable, ...) of the extent that ends last as free pages before it can take.
inline Tail find_tail(Manifest const& manifest, ManifestObject const& object, uint32_t first_movable) {
  constexpr uint32_t piece_pages_min = 64;  // as in allocate_extents()
  Tail tail{};
  uint32_t first_page = 0, extent_first = 0;
  uint64_t const end = end_of(object);
  for (uint32_t at = 0; at < object.extents.count; first_page += object.extents[at++].count) {
    ExtentDisk const& extent = object.extents[at];
    if (is_cold(extent.start) || uint64_t(extent.start) + extent.count != end) continue;
    tail.extent_at = at;
    extent_first = first_page;
  }
  ExtentDisk const& last = object.extents[tail.extent_at];
  uint64_t pieces = 0, largest = 0;
  for (ExtentDisk const& free : manifest.free) {
    if (is_cold(free.start) || free.start > last.start) continue;
    if (free.count >= piece_pages_min) pieces += free.count;
    if (free.count > largest) largest = free.count;
  }
  uint64_t const room = pieces > largest ? pieces : largest;
  uint32_t const extent_end = extent_first + last.count;
  uint32_t const movable = extent_end - (first_movable > extent_first ? first_movable : extent_first);
  if (first_movable >= extent_end) return tail;
  tail.page_count = room < movable ? uint32_t(room) : movable;
  tail.first_page = extent_end - tail.page_count;
  return tail;
}

// The pages behind ids and delete bitmap of a segment never change, and nobody reads them without a snapshot: VACUUM
// has no use for them.
template <Pager P>
Status find_first_movable(P& pager, ManifestObject const& object, uint32_t* page_no) {
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  Status const status = read_header(pager, object, header);
  *page_no = 1;
  for (StreamKind const kind : {StreamKind::ids, StreamKind::delete_bitmap}) {
    StreamDisk const* stream = status.ok() ? find_stream(*header, kind) : nullptr;
    if (stream && stream->first_page + stream->page_count > *page_no)
      *page_no = stream->first_page + stream->page_count;
  }
  pager.release(header);
  return status;
}

// Puts the extents of `husk` in the place of the tail, and the tail into the husk.
template <Pager P>
void swap_tail(P& pager, ManifestObject& object, Tail const& tail, ManifestObject& husk) {
  Array<ExtentDisk> extents{};
  ExtentDisk const last = object.extents[tail.extent_at];
  uint32_t const kept = last.count - tail.page_count;
  for (uint32_t at = 0; at < object.extents.count; at++) {
    if (at != tail.extent_at) {
      extents.push(pager, object.extents[at]);
      continue;
    }
    if (kept) extents.push(pager, {last.start, kept});
    for (ExtentDisk const& extent : husk.extents) extents.push(pager, extent);
  }
  pager.release(object.extents.items);
  object.extents = extents;
  husk.extents.count = 0;
  husk.extents.push(pager, {last.start + kept, tail.page_count});
}

}  // namespace detail

// Moves the end of a segment, as much of it as free pages before it hold: it keeps its id, and so do its pages. The old
// ones are left to a retired object, for readers of older manifests. *page_count = pages moved, 0 when there is no
// room. Requires LockName::merge, and that no object ends behind the segment.
template <Pager P>
Status move_tail(P& pager, ObjectId id, uint32_t pages_min, uint32_t* page_count) {
  *page_count = 0;
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  *manifest = Manifest{};
  ObjectId husk = ObjectId::none;
  detail::Tail tail{};
  Status status = edit_manifest(
      pager,
      [&](Manifest& work) -> EditResult {
        ManifestObject const* object = work.find(id);
        if (!object || object->disk.state != ObjectState::live) return {{}, Edit::discard};
        uint32_t first_movable;
        if (Status read = detail::find_first_movable(pager, *object, &first_movable); !read.ok())
          return {read, Edit::discard};
        tail = detail::find_tail(work, *object, first_movable);
        uint64_t const end = detail::end_of(*object) - tail.page_count;
        if (tail.page_count == 0 || tail.page_count < pages_min) return {{}, Edit::discard};
        ManifestObject* target = add_object(pager, work, ObjectKind::segment, ObjectState::building);
        allocate_extents(pager, work, tail.page_count, &target->extents);
        target->disk.page_count = tail.page_count;
        if (detail::end_of(*target) > end) return {{}, Edit::discard};
        husk = target->id();
        return {{}, Edit::keep};
      },
      manifest);
  if (status.ok() && husk != ObjectId::none) {
    status = detail::copy_pages(pager, *manifest->find(id), tail.first_page, *manifest->find(husk));
    if (status.ok())
      status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
        ManifestObject *object = work.find(id), *old = work.find(husk);
        if (!object || !old) return {corrupt("segment vanished while it was moved", raw(id)), Edit::discard};
        detail::swap_tail(pager, *object, tail, *old);
        old->disk.state = ObjectState::retired;
        old->disk.retired_xid = pager.next_xid();
        return {{}, Edit::keep};
      });
    if (status.ok()) *page_count = tail.page_count;
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
// use and at least `free_pages_min`: a segment as a whole when they can take it, else its end. Every move brings the
// end of an object nearer to the front, so that they come to an end. Requires LockName::merge.
template <Pager P>
Status move_last(P& pager, double free_share_max, uint32_t free_pages_min, MoveResult* result) {
  *result = MoveResult{};
  Manifest manifest{};
  if (Status status = load_manifest(pager, &manifest); !status.ok()) return status;
  uint64_t free_pages = 0;
  bool fits = false;
  ObjectKind kind = ObjectKind::none;
  for (ExtentDisk const& extent : manifest.free) free_pages += is_cold(extent.start) ? 0 : extent.count;
  uint64_t const used_pages = manifest.header.frontier - free_pages;
  ManifestObject const* last = detail::last_object(manifest);
  bool const due = last && free_pages >= free_pages_min && double(free_pages) > free_share_max * double(used_pages);
  ObjectId const id = due ? last->id() : ObjectId::none;
  uint32_t const page_count = due ? detail::main_pages_of(*last) : 0;
  if (due) {
    kind = last->disk.kind;
    uint64_t const end = detail::end_of(*last);
    fits = detail::end_after_move(pager, manifest, page_count) < end;
  }
  release_manifest(pager, &manifest);
  if (!due || (!fits && kind != ObjectKind::segment)) return {};
  pager.note_task(Task::compact, &id, 1);
  Status status;
  if (kind != ObjectKind::segment) {
    status = move_object(pager, id);
    *result = {id, 0, page_count};
  } else if (fits) {
    RewriteResult rewritten;
    status = rewrite(pager, &id, 1, &rewritten);
    *result = {id, rewritten.row_count, page_count};
  } else {
    uint32_t moved_count;
    status = move_tail(pager, id, free_pages_min, &moved_count);
    if (moved_count) *result = {id, 0, moved_count};
  }
  return status;
}

}  // namespace strata::store
