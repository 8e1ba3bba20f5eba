// VACUUM: finds dead entries by reading id pages (and growing pages) alone, and sets their bits.
//
// Runs beside inserts, scans and rewrites. It ends only when a manifest read under LockName::edit (shared) names no
// object that it has not processed: a rewrite publishes under that lock after carrying over all bits set before, so a
// bit set too late for that is followed by a look at the rewrite's output. README.md has the proof.
#pragma once
#include "store/row_source.hpp"

namespace strata::store {

struct VacuumResult {
  uint64_t live_count;     // entries not dead when seen
  uint64_t removed_count;  // entries marked dead by this call
  uint32_t object_count;   // growing objects and segments visited
};

namespace detail {

struct MarkResult {
  Status status;
  uint32_t added;
};

// Sets bits of one page of a delete bitmap; `dead` has one bit a row of that page. VACUUM holds no snapshot, so the
// segment may have been replaced and its pages reused since they were read: both pages are checked under their locks.
template <Pager P>
MarkResult set_deleted(P& pager, ManifestObject const& object, StreamDisk const& bitmap, uint32_t page,
                       std::byte const* dead, size_t bytes) {
  return pager.change([&](auto& action) -> MarkResult {
    uint32_t page_no = bitmap.first_page + page;
    format::PageSpan front = action.open(block_of(object, 0));
    format::PageSpan bits = action.open(block_of(object, page_no));
    Status status = format::check_page(front.view(), format::PageKind::object_header, object.id(), 0);
    if (status.ok()) status = format::check_page(bits.view(), format::PageKind::stream, object.id(), page_no);
    uint32_t added = status.ok() ? uint32_t(sets::bitmap_merge(bits.body(), dead, bytes * 8)) : 0;
    if (added == 0) {
      action.abandon();
      return {status, 0};
    }
    auto& header = front.template as<ObjectHeaderDisk>();
    header.deleted_count += added;
    header.delete_generation++;
    return {status, added};
  });
}

template <Pager P, class IsDead>
Status vacuum_segment(P& pager, IndexShape const& shape, ManifestObject const& object, IsDead&& is_dead,
                      VacuumResult* result) {
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  Status status = read_segment_header(pager, shape, object, header);
  StreamCursor ids{}, bits{};
  if (status.ok()) status = open_stream(pager, object, *header, StreamKind::ids, 8, &ids);
  if (status.ok()) status = open_stream(pager, object, *header, StreamKind::delete_bitmap, 8, &bits);
  if (!status.ok()) return status;
  StreamDisk const bitmap = bits.stream;
  auto* dead = static_cast<std::byte*>(pager.allocate(bitmap.bytes_per_page));
  for (uint32_t page = 0; page < bitmap.page_count; page++) {
    uint64_t first = uint64_t(page) * bitmap.bytes_per_page * 8;
    uint64_t end = first + uint64_t(bitmap.bytes_per_page) * 8;
    if (end > object.disk.row_count) end = object.disk.row_count;
    size_t bytes = sets::bitmap_size(end - first);
    std::memset(dead, 0, bytes);
    std::byte const* known;
    status = next_bytes(pager, object, bits, uint64_t(page) * bitmap.bytes_per_page, uint32_t(bytes), &known);
    if (!status.ok()) return status;
    uint32_t found = 0;
    for (uint64_t row = first; row < end; row++) {
      if ((row & 0xFFF) == 0) pager.check_interrupts();
      if (sets::bitmap_test(known, row - first)) continue;
      std::byte const* id;
      status = next_bytes(pager, object, ids, row * 6, 6, &id);
      if (!status.ok()) return status;
      if (is_dead(format::load_tid(id))) {
        sets::bitmap_set(dead, row - first);
        found++;
      } else {
        result->live_count++;
      }
    }
    if (!found) continue;
    MarkResult marked = set_deleted(pager, object, bitmap, page, dead, bytes);
    if (!marked.status.ok()) return marked.status;
    result->removed_count += marked.added;
  }
  pager.release(dead);
  close_stream(pager, &ids);
  close_stream(pager, &bits);
  pager.release(header);
  return {};
}

template <Pager P, class IsDead>
Status vacuum_growing(P& pager, IndexShape const& shape, ManifestObject const& object, IsDead&& is_dead,
                      VacuumResult* result) {
  auto* tids = static_cast<uint64_t*>(pager.allocate(sizeof(uint64_t) * format::growing_page_rows_max));
  uint32_t groups = group_count_of(shape, object);
  for (uint32_t group = 0; group < groups; group++) {
    pager.check_interrupts();
    uint32_t page_no = group * shape.growing.group_page_count, rows = 0;
    uint8_t known[format::growing_page_rows_max / 8];
    Status status = pager.read(block_of(object, page_no), [&](format::PageView page) {
      Status checked = format::check_page(page, format::PageKind::growing, object.id(), page_no);
      if (!checked.ok()) return checked;
      auto const& header = page.as<format::GrowingPageDisk>();
      if (header.row_count > shape.growing.capacity) return corrupt("growing page claims too many rows", page_no);
      rows = header.row_count;
      std::memcpy(known, header.deleted, sizeof known);
      for (uint32_t i = 0; i < rows; i++)
        tids[i] = format::load_tid(page.body() + sizeof header + size_t(i) * shape.growing.entry_size).key;
      return checked;
    });
    if (!status.ok()) return status;
    uint8_t dead[format::growing_page_rows_max / 8] = {};
    uint32_t found = 0;
    for (uint32_t i = 0; i < rows; i++) {
      if (sets::bitmap_test(known, i)) continue;
      if (is_dead(Tid{tids[i]})) {
        sets::bitmap_set(dead, i);
        found++;
      } else {
        result->live_count++;
      }
    }
    if (found) {
      MarkResult marked = pager.change([&](auto& action) -> MarkResult {
        format::PageSpan page = action.open(block_of(object, page_no));
        Status checked = format::check_page(page.view(), format::PageKind::growing, object.id(), page_no);
        if (!checked.ok()) {
          action.abandon();
          return {checked, 0};
        }
        auto& header = page.template as<format::GrowingPageDisk>();
        return {checked, uint32_t(sets::bitmap_merge(header.deleted, dead, sizeof dead * 8))};
      });
      if (!marked.status.ok()) return marked.status;
      result->removed_count += marked.added;
    }
    if (rows < shape.growing.capacity) break;
  }
  pager.release(tids);
  return {};
}

}  // namespace detail

// Marks every entry whose TID is_dead(Tid) -> bool; asks for every entry that is not marked yet. is_dead may raise. No
// locks on entry or exit. A rewrite may run at the same time; its inputs and output are both visited when needed.
template <Pager P, class IsDead>
Status vacuum(P& pager, IsDead&& is_dead, VacuumResult* result) {
  *result = VacuumResult{};
  struct Visited {
    uint32_t id;
    bool recycled;
  };
  Array<Visited> done;
  uint64_t live_before = 0;
  for (;;) {
    Manifest manifest{};
    pager.lock_shared(LockName::edit);
    Status status = load_manifest(pager, &manifest);
    pager.unlock_shared(LockName::edit);
    if (!status.ok()) return status;
    IndexShape shape = shape_of(manifest.meta);
    bool more = false;
    for (auto const& object : manifest.objects) {
      bool readable = object.disk.state == ObjectState::live || object.disk.state == ObjectState::frozen;
      if (!readable || (object.disk.kind != ObjectKind::growing && object.disk.kind != ObjectKind::segment)) continue;
      Visited const* seen = nullptr;
      for (Visited const& one : done)
        if (one.id == object.disk.id) seen = &one;
      // Pages change hands only after a manifest without their object: what is named here still owns its pages.
      if (seen && seen->recycled) return corrupt("page of an object in force belongs to another", object.disk.id);
      if (seen) continue;
      more = true;
      done.push(pager, {object.disk.id, false});
      result->object_count++;
      live_before = result->live_count;
      status = object.disk.kind == ObjectKind::segment ? detail::vacuum_segment(pager, shape, object, is_dead, result)
                                                       : detail::vacuum_growing(pager, shape, object, is_dead, result);
      if (status.code == Code::recycled) {
        // Replaced and reclaimed while it was read: what it held is in an object of the next manifest.
        done[done.count - 1].recycled = true;
        result->live_count = live_before;
        status = Status{};
      }
      if (!status.ok()) return status;
    }
    release_manifest(pager, &manifest);
    if (!more) return {};
    pager.note_phase(Phase::mark, done.count, 0);
  }
}

}  // namespace strata::store
