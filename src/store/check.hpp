// Verifies every invariant of the format: the SQL function strata.verify, the simulation and the fuzzers all run this.
#pragma once
#include <cmath>

#include "core/sets/bloom.hpp"
#include "store/row_source.hpp"

namespace strata::store {

struct CheckResult {
  uint64_t row_count;  // entries not deleted, in readable objects
  uint64_t deleted_count;
  uint32_t object_count;
  uint32_t free_page_count;
  uint32_t page_count;  // blocks below the frontier
};

namespace detail {

// F1, F3: every block below the frontier has exactly one owner.
template <Pager P>
Status check_space(P& pager, Manifest const& manifest, CheckResult* result) {
  uint32_t frontier = manifest.header.frontier;
  size_t bytes = sets::bitmap_size(frontier);
  auto* owned = static_cast<std::byte*>(pager.allocate(bytes + 1));
  std::memset(owned, 0, bytes + 1);
  auto claim = [&](uint32_t start, uint32_t count) -> Status {
    if (count == 0 || uint64_t(start) + count > frontier) return corrupt("extent lies outside of the index", start);
    for (uint32_t block = start; block < start + count; block++)
      if (!sets::bitmap_set(owned, block)) return corrupt("block has two owners", block);
    return {};
  };
  Status status = claim(0, 1);
  for (uint32_t i = 0; i < 2 && status.ok(); i++)
    status = claim(manifest.meta.slot[i].start, manifest.meta.slot[i].page_count);
  uint32_t last_id = 0;
  for (auto const& object : manifest.objects) {
    if (!status.ok()) break;
    if (object.disk.id <= last_id || object.disk.id >= manifest.header.next_object_id)
      status = corrupt("object ids are out of order", object.disk.id);
    last_id = object.disk.id;
    for (ExtentDisk const& extent : object.extents)
      if (status.ok()) status = claim(extent.start, extent.count);
  }
  uint32_t previous_end = 0;
  for (ExtentDisk const& extent : manifest.free) {
    if (!status.ok()) break;
    if (extent.start <= previous_end && previous_end != 0)
      status = corrupt("free extents are not sorted or touch", extent.start);
    previous_end = extent.start + extent.count;
    if (previous_end == frontier) status = corrupt("free extent ends at the frontier", extent.start);
    if (status.ok()) status = claim(extent.start, extent.count);
    result->free_page_count += extent.count;
  }
  for (uint32_t block = 0; block < frontier && status.ok(); block++)
    if (!sets::bitmap_test(owned, block)) status = corrupt("block has no owner", block);
  result->page_count = frontier;
  pager.release(owned);
  return status;
}

template <Pager P>
Status check_pages(P& pager, ManifestObject const& object) {
  for (uint32_t page_no = 0; page_no < object.disk.page_count; page_no++) {
    if ((page_no & 0x3F) == 0) pager.check_interrupts();
    Status status = pager.read(block_of(object, page_no), [&](format::PageView page) {
      format::PageTailDisk tail = page.tail();
      Status checked = format::check_page(page, tail.kind, object.id(), page_no);
      for (uint32_t i = tail.used; i < format::page_body_size && checked.ok(); i++)
        if (page.body()[i] != std::byte{0}) checked = corrupt("page has bytes past its end", page_no);
      return checked;
    });
    if (!status.ok()) return {Code::corrupt, status.message, raw(block_of(object, page_no))};
  }
  return {};
}

template <Pager P>
Status check_growing(P& pager, IndexShape const& shape, ManifestObject const& object, CheckResult* result) {
  auto* scratch = static_cast<std::byte*>(pager.allocate(shape.growing.entry_size));
  bool ended = false;
  Status status;
  for (uint32_t group = 0; group < group_count_of(shape, object) && status.ok(); group++) {
    uint32_t rows = 0;
    status = visit_growing_group(
        pager, shape, object, group, scratch, &rows,
        [&](uint64_t, RowView const&, bool deleted) { (deleted ? result->deleted_count : result->row_count)++; });
    if (ended && rows > 0) status = corrupt("growing rows follow a page that is not full", group);
    ended = ended || rows < shape.growing.capacity;
  }
  pager.release(scratch);
  return status;
}

template <Pager P>
Status check_directory(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header,
                       Manifest const& manifest) {
  if (object.disk.epoch == 0) return {};
  ManifestObject const* epoch = manifest.find(ObjectId(object.disk.epoch));
  if (!epoch || epoch->disk.list_count != object.disk.list_count)
    return corrupt("segment names an epoch of another size", object.disk.id);
  StreamCursor cursor{};
  Status status =
      open_stream(pager, object, header, StreamKind::directory, sizeof(format::DirectoryEntryDisk), &cursor);
  uint32_t previous = 0;
  for (uint32_t list = 0; list <= object.disk.list_count && status.ok(); list++) {
    std::byte const* bytes;
    status = next_bytes(pager, object, cursor, uint64_t(list) * sizeof(format::DirectoryEntryDisk),
                        sizeof(format::DirectoryEntryDisk), &bytes);
    if (!status.ok()) break;
    format::DirectoryEntryDisk entry;
    std::memcpy(&entry, bytes, sizeof entry);
    bool last = list == object.disk.list_count;
    if (entry.first_row < previous || entry.first_row > header.ranked_count || (list == 0 && entry.first_row != 0) ||
        (last && entry.first_row != header.ranked_count))
      status = corrupt("directory is out of order", object.disk.id);
    previous = entry.first_row;
  }
  close_stream(pager, &cursor);
  return status;
}

// Rows, delete bitmap and bloom filters of a segment; refine rows must be finite.
template <Pager P>
Status check_segment(P& pager, IndexShape const& shape, Manifest const& manifest, ManifestObject const& object,
                     CheckResult* result) {
  RowSource source;
  Status status = open_source(pager, shape, manifest, object, ObjectId(object.disk.frame), &source);
  if (!status.ok()) return status;
  uint64_t deleted = sets::bitmap_count(source.deleted, 0, source.row_count);
  if (deleted != source.header->deleted_count) return corrupt("deleted rows do not match their count", object.disk.id);
  result->deleted_count += deleted;
  result->row_count += source.row_count - deleted;
  if (uint64_t(object.disk.frame) && !manifest.find(ObjectId(object.disk.frame)))
    return corrupt("segment names a frame that is not there", object.disk.id);
  status = check_directory(pager, object, *source.header, manifest);
  StreamDisk const* blooms[2] = {find_stream(*source.header, StreamKind::bloom, format::tid_column),
                                 find_stream(*source.header, StreamKind::bloom, format::hash_column)};
  std::byte* bits[2] = {};
  for (int i = 0; i < 2 && status.ok(); i++) {
    if (!blooms[i]) return corrupt("segment lacks a bloom filter", object.disk.id);
    bits[i] = static_cast<std::byte*>(pager.allocate(blooms[i]->byte_size));
    status = read_stream(pager, object, *blooms[i], 0, blooms[i]->byte_size, bits[i]);
  }
  for (uint32_t row = 0; row < source.row_count && status.ok(); row++) {
    if ((row & 0x3FF) == 0) pager.check_interrupts();
    RowView view;
    status = fetch_row(pager, shape, source, row, &view);
    if (!status.ok()) break;
    uint64_t keys[2] = {view.tid.key, view.hash};
    for (int i = 0; i < 2; i++)
      if (!sets::bloom_may_contain(bits[i], uint32_t(blooms[i]->byte_size / sets::bloom_block_size), keys[i]))
        status = corrupt("bloom filter denies a row of its segment", row);
    if (view.flags) continue;
    quant::RefineRowDisk code;
    std::memcpy(&code, view.refine, sizeof code);
    if (!(code.scale >= 0) || !(code.norm2 >= 0) || !std::isfinite(code.scale) || !std::isfinite(code.norm2))
      status = corrupt("refine code is not finite", row);
  }
  for (std::byte* memory : bits)
    if (memory) pager.release(memory);
  close_source(pager, &source);
  return status;
}

}  // namespace detail

// Walks the whole index. Objects in state building or retired are checked for space only. Returns the first violation.
// Concurrent inserts and vacuums are fine; a rewrite that publishes and reclaims meanwhile may give Code::recycled.
template <Pager P>
Status check(P& pager, CheckResult* result) {
  *result = CheckResult{};
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  Status status = load_manifest(pager, manifest);
  if (!status.ok()) return status;
  IndexShape shape = shape_of(manifest->meta);
  if (shape.growing.entry_size != manifest->meta.entry_size) return corrupt("meta page has a wrong entry size");
  status = detail::check_space(pager, *manifest, result);
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  for (auto const& object : manifest->objects) {
    bool readable = object.disk.state == ObjectState::live || object.disk.state == ObjectState::frozen;
    if (!status.ok()) break;
    if (!readable) continue;
    result->object_count++;
    status = detail::check_pages(pager, object);
    if (!status.ok()) break;
    switch (object.disk.kind) {
      case ObjectKind::growing:
        status = detail::check_growing(pager, shape, object, result);
        break;
      case ObjectKind::segment:
        status = detail::check_segment(pager, shape, *manifest, object, result);
        break;
      case ObjectKind::epoch: {
        EpochView* view = nullptr;
        status = open_epoch(pager, shape, *manifest, object.id(), &view);
        if (view) pager.release(view);
        break;
      }
      case ObjectKind::frame:
      case ObjectKind::calibration:
        status = read_header(pager, object, header);
        break;
      default:
        status = corrupt("object of unknown kind", object.disk.id);
    }
  }
  pager.release(header);
  release_manifest(pager, manifest);
  pager.release(manifest);
  return status;
}

}  // namespace strata::store
