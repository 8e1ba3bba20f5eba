// Verifies every invariant of the format: the SQL function strata.verify, the simulation and the fuzzers all run this.
#pragma once
#include <algorithm>
#include <cmath>

#include "core/policy/stop_model.hpp"
#include "core/sets/bloom.hpp"
#include "store/check_columns.hpp"
#include "store/check_spill.hpp"
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

// The claims from claims[*at] on that lie in the space of `begin` cover it up to `frontier`, each block once.
inline Status check_claims(Array<ExtentDisk> const& claims, uint32_t* at, uint32_t begin, uint32_t frontier) {
  uint64_t end = begin, hole = UINT64_MAX;
  Status status;
  for (; *at < claims.count && is_cold(claims[*at].start) == is_cold(begin); ++*at) {
    ExtentDisk const& extent = claims[*at];
    if (extent.start < end && status.ok()) status = corrupt("block has two owners", extent.start);
    if (extent.start > end && hole == UINT64_MAX) hole = end;
    end = uint64_t(extent.start) + extent.count;
  }
  if (hole == UINT64_MAX && end != frontier) hole = end;
  return status.ok() && hole != UINT64_MAX ? corrupt("block has no owner", hole) : status;
}

// F1, F2, F3: every block below a frontier has exactly one owner.
template <Pager P>
Status check_space(P& pager, Manifest const& manifest, CheckResult* result) {
  uint32_t last_id = 0;
  Array<ExtentDisk> claims;
  claims.push(pager, {0, 1});
  for (format::SlotDisk const& slot : manifest.meta.slot) claims.push(pager, {slot.start, slot.page_count});
  for (auto const& object : manifest.objects) {
    if (object.disk.id <= last_id || object.disk.id >= manifest.header.next_object_id)
      return corrupt("object ids are out of order", object.disk.id);
    last_id = object.disk.id;
    for (ExtentDisk const& extent : object.extents) claims.push(pager, extent);
  }
  for (ExtentDisk const& extent : manifest.free) {
    result->free_page_count += extent.count;
    claims.push(pager, extent);
  }
  std::sort(claims.begin(), claims.end(), [](ExtentDisk const& a, ExtentDisk const& b) { return a.start < b.start; });
  uint32_t at = 0;
  Status status = check_claims(claims, &at, 0, manifest.header.frontier);
  if (status.ok())
    status = check_claims(claims, &at, format::cold_bit, end_of_space(manifest.header, Space::companion));
  result->page_count = manifest.header.frontier + manifest.header.cold_frontier;
  pager.release(claims.items);
  return status;
}

// What the manifest names as in force is there.
inline Status check_names(Manifest const& manifest) {
  auto is_there = [&manifest](uint32_t id, ObjectKind kind) {
    ManifestObject const* object = manifest.find(ObjectId(id));
    return id == 0 || (object && object->disk.kind == kind && object->disk.state == ObjectState::live);
  };
  if (!is_there(manifest.header.frame, ObjectKind::frame)) return corrupt("manifest lacks its frame");
  if (!is_there(manifest.header.epoch, ObjectKind::epoch)) return corrupt("manifest lacks its epoch");
  for (auto const& object : manifest.objects) {
    if (object.disk.state != ObjectState::live && object.disk.state != ObjectState::frozen) continue;
    if (!is_there(object.disk.frame, ObjectKind::frame))
      return corrupt("object names a frame that is not there", object.disk.id);
    if (!is_there(object.disk.epoch, ObjectKind::epoch))
      return corrupt("object names an epoch that is not there", object.disk.id);
  }
  return {};
}

inline format::PageKind kind_of_page(IndexShape const& shape, ObjectDisk const& object, uint32_t page_no) {
  if (object.kind != ObjectKind::growing) return page_no ? format::PageKind::stream : format::PageKind::object_header;
  return page_no % shape.growing.group_page_count ? format::PageKind::growing_tail : format::PageKind::growing;
}

// P1 to P3 of every page.
template <Pager P>
Status check_pages(P& pager, IndexShape const& shape, ManifestObject const& object) {
  for (uint32_t page_no = 0; page_no < object.disk.page_count; page_no++) {
    if ((page_no & 0x3F) == 0) pager.check_interrupts();
    format::PageKind kind = kind_of_page(shape, object.disk, page_no);
    Status status = pager.read(block_of(object, page_no), [&](format::PageView page) {
      format::PageTailDisk tail = page.tail();
      Status checked = format::check_page(page, kind, object.id(), page_no);
      for (uint32_t i = tail.used; i < format::page_body_size && checked.ok(); i++)
        if (page.body()[i] != std::byte{0}) checked = corrupt("page has bytes past its end", page_no);
      return checked;
    });
    if (!status.ok()) return {status.code, status.message, raw(block_of(object, page_no))};
  }
  return {};
}

// O1.
template <Pager P>
Status check_streams(P& pager, ManifestObject const& object, ObjectHeaderDisk* header) {
  Status status = read_header(pager, object, header);
  for (uint32_t i = 0; i < header->stream_count && status.ok(); i++)
    for (uint32_t j = 0; j < i && status.ok(); j++) {
      StreamDisk const &a = header->stream[i], &b = header->stream[j];
      if (a.kind == b.kind && a.column == b.column) status = corrupt("object has a stream twice", object.disk.id);
      if (a.page_count && b.page_count && a.first_page < b.first_page + b.page_count &&
          b.first_page < a.first_page + a.page_count)
        status = corrupt("streams overlap", object.disk.id);
    }
  return status;
}

// The flag comes after the edit that freezes the object (G4): a manifest read after the flag knows of it.
template <Pager P>
Status check_still_live(P& pager, ObjectId id) {
  Manifest manifest{};
  Status status = load_manifest(pager, &manifest);
  ManifestObject const* object = manifest.find(id);
  if (status.ok() && object && object->disk.state == ObjectState::live)
    status = corrupt("page of a live growing object is sealed", raw(id));
  release_manifest(pager, &manifest);
  return status;
}

// The error may be infinite, scale and norm are not.
inline bool refine_is_sound(std::byte const* row) {
  quant::RefineRowDisk code;
  std::memcpy(&code, row, sizeof code);
  return code.scale >= 0 && std::isfinite(code.scale) && code.norm2 >= 0 && std::isfinite(code.norm2) &&
         math::half_to_float(code.error) >= 0;
}

inline bool copy_is_sound(IndexShape const& shape, std::byte const* copy) {
  return !has_rounded_copies(shape) || quant::rounded_is_sound(copy);
}

// G2 to G4. From the last group to the first: a group that has rows was preceded by full ones when it was read, and
// they stay full, whatever is inserted meanwhile.
template <Pager P>
Status check_growing(P& pager, IndexShape const& shape, ManifestObject const& object, CheckResult* result) {
  auto const& growing = shape.growing;
  auto* scratch = static_cast<std::byte*>(pager.allocate(growing.entry_size));
  bool followed = false, sealed = false, strange = false, unsound = false, impossible = false;
  Status status;
  if (object.disk.page_count % growing.group_page_count != 0)
    status = corrupt("growing object ends within a group", object.disk.id);
  for (uint32_t left = group_count_of(shape, object); left > 0 && status.ok(); left--) {
    uint32_t group = left - 1, rows = 0;
    status = visit_growing_group(pager, shape, object, group, scratch, &rows,
                                 [&](uint64_t, RowView const& row, bool deleted) {
                                   (deleted ? result->deleted_count : result->row_count)++;
                                   strange = strange || row.flags > format::row_is_zero;
                                   if (row.flags) return;
                                   unsound = unsound || !refine_is_sound(row.refine);
                                   impossible = impossible || !copy_is_sound(shape, row.refine + shape.code_size);
                                 });
    if (status.ok() && strange) status = corrupt("growing row has unknown flags", group);
    if (status.ok() && unsound) status = corrupt("refine code is not finite", group);
    if (status.ok() && impossible) status = corrupt("copy of a vector has an impossible header", group);
    if (!status.ok()) break;
    if (followed && rows < growing.capacity) status = corrupt("growing rows follow a page that is not full", group);
    status =
        !status.ok()
            ? status
            : pager.read(block_of(object, group * growing.group_page_count), [&](format::PageView page) {
                auto const& header = page.as<format::GrowingPageDisk>();
                if (followed && header.flags & format::growing_sealed)
                  return corrupt("growing rows follow a sealed page", group);
                sealed = sealed || header.flags & format::growing_sealed;
                if (header.row_count > growing.capacity) return corrupt("growing page claims too many rows", group);
                if (sets::bitmap_any(header.deleted, header.row_count, format::growing_page_rows_max))
                  return corrupt("row that is not there is deleted", group);
                uint64_t used = sizeof header + uint64_t(header.row_count) * growing.entry_size;
                if (used > format::page_body_size) used = format::page_body_size;
                return page.tail().used == used ? Status{} : corrupt("growing page does not end with its rows", group);
              });
    followed = followed || rows > 0;
  }
  if (status.ok() && sealed && object.disk.state == ObjectState::live) status = check_still_live(pager, object.id());
  pager.release(scratch);
  return status;
}

// Bits and their count change in one action; when they were read apart, and VACUUM came in between, again.
template <Pager P>
Status check_deleted(P& pager, IndexShape const& shape, RowSource& source, uint64_t* deleted) {
  for (;;) {
    uint32_t generation = source.delete_generation;
    *deleted = sets::bitmap_count(source.deleted, 0, source.row_count);
    if (sets::bitmap_any(source.deleted, source.row_count, sets::bitmap_size(source.row_count) * 8))
      return corrupt("row that is not there is deleted", source.object.disk.id);
    if (*deleted == source.header->deleted_count) return {};
    pager.check_interrupts();
    if (Status status = read_deleted(pager, shape, source); !status.ok()) return status;
    if (generation == source.delete_generation)
      return corrupt("deleted rows do not match their count", source.object.disk.id);
  }
}

// The lists of a segment.
template <Pager P>
Status check_lists(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, Manifest const& manifest) {
  if (object.disk.epoch == 0) return check_spill(pager, object, header, false);
  ManifestObject const* epoch = manifest.find(ObjectId(object.disk.epoch));
  if (!epoch || epoch->disk.list_count != object.disk.list_count)
    return corrupt("segment names an epoch of another size", object.disk.id);
  auto* epoch_header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  Status status = read_header(pager, *epoch, epoch_header);
  if (status.ok()) status = check_directory_stream(pager, object, header, StreamKind::directory);
  if (status.ok()) status = check_spill(pager, object, header, epoch_header->spills != 0);
  pager.release(epoch_header);
  return status;
}

// Rows, delete bitmap and bloom filters of a segment; refine rows must be finite.
template <Pager P>
Status check_segment(P& pager, IndexShape const& shape, Manifest const& manifest, ManifestObject const& object,
                     CheckResult* result) {
  RowSource source;
  Status status = open_source(pager, shape, manifest, object, ObjectId(object.disk.frame), &source);
  if (!status.ok()) return status;
  uint64_t deleted = 0;
  if (status = check_deleted(pager, shape, source, &deleted); !status.ok()) return status;
  result->deleted_count += deleted;
  result->row_count += source.row_count - deleted;
  status = check_lists(pager, object, *source.header, manifest);
  StreamDisk const* blooms[2] = {find_stream(*source.header, StreamKind::bloom, format::tid_column),
                                 find_stream(*source.header, StreamKind::bloom, format::hash_column)};
  std::byte* bits[2] = {};
  for (int i = 0; i < 2 && status.ok(); i++) {
    if (!blooms[i] || blooms[i]->byte_size == 0 || blooms[i]->byte_size % sets::bloom_block_size != 0)
      return corrupt("segment lacks a bloom filter", object.disk.id);
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
    if (status.ok() && !refine_is_sound(view.refine)) status = corrupt("refine code is not finite", row);
    if (status.ok() && !copy_is_sound(shape, view.refine + shape.code_size))
      status = corrupt("copy of a vector has an impossible header", row);
  }
  for (std::byte* memory : bits)
    if (memory) pager.release(memory);
  if (status.ok()) status = check_columns(pager, shape, object, *source.header);
  close_source(pager, &source);
  return status;
}

// Centroids and residuals are numbers.
template <Pager P>
Status check_epoch(P& pager, IndexShape const& shape, Manifest const& manifest, ManifestObject const& object) {
  EpochView* view = nullptr;
  if (Status status = open_epoch(pager, shape, manifest, object.id(), &view); !status.ok()) return status;
  auto* scratch = pager.allocate(view->centroid_size);
  auto* centroid = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  Status status;
  for (uint32_t list = 0; list < view->list_count && status.ok(); list++) {
    if ((list & 0x3F) == 0) pager.check_interrupts();
    float residual = 0;
    status = read_centroid(pager, shape, *view, list, scratch, centroid);
    if (status.ok())
      status = read_stream(pager, object, view->residuals, uint64_t(list) * sizeof(float), sizeof residual, &residual);
    bool finite = std::isfinite(residual);
    for (uint32_t i = 0; i < shape.padded_dim; i++) finite = finite && std::isfinite(centroid[i]);
    if (status.ok() && !finite) status = corrupt("list of an epoch is not finite", list);
  }
  pager.release(centroid);
  pager.release(scratch);
  pager.release(view);
  return status;
}

template <Pager P>
Status check_calibration(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header) {
  policy::StopModelDisk model;
  StreamDisk const* stream = find_stream(header, StreamKind::stop_model);
  if (!stream || stream->byte_size != sizeof model) return corrupt("calibration is malformed", object.disk.id);
  Status status = read_stream(pager, object, *stream, 0, sizeof model, &model);
  return status.ok() ? policy::check_stop_model(model) : status;
}

template <Pager P>
Status check_object(P& pager, IndexShape const& shape, Manifest const& manifest, ManifestObject const& object,
                    ObjectHeaderDisk* header, CheckResult* result) {
  Status status = check_pages(pager, shape, object);
  if (status.ok() && object.disk.kind != ObjectKind::growing) status = check_streams(pager, object, header);
  if (!status.ok()) return status;
  switch (object.disk.kind) {
    case ObjectKind::growing:
      return check_growing(pager, shape, object, result);
    case ObjectKind::segment:
      return check_segment(pager, shape, manifest, object, result);
    case ObjectKind::epoch:
      return check_epoch(pager, shape, manifest, object);
    case ObjectKind::frame: {
      quant::Frame frame;
      status = load_frame(pager, shape, manifest, object.id(), &frame);
      pager.release(const_cast<float*>(frame.mean));
      return status;
    }
    case ObjectKind::calibration:
      return check_calibration(pager, object, *header);
    default:
      return corrupt("object of unknown kind", object.disk.id);
  }
}

// A foreign page is damage as long as the manifest names its object; when that was replaced meanwhile, it is not.
template <Pager P>
Status recycled_or_corrupt(P& pager, ObjectId id, Status recycled) {
  Manifest manifest{};
  Status status = load_manifest(pager, &manifest);
  ManifestObject const* object = manifest.find(id);
  bool const readable =
      object && (object->disk.state == ObjectState::live || object->disk.state == ObjectState::frozen);
  if (status.ok()) status = readable ? Status{Code::corrupt, recycled.message, recycled.detail} : recycled;
  release_manifest(pager, &manifest);
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
  status = detail::check_space(pager, *manifest, result);
  if (status.ok()) status = detail::check_names(*manifest);
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  for (auto const& object : manifest->objects) {
    bool readable = object.disk.state == ObjectState::live || object.disk.state == ObjectState::frozen;
    if (!status.ok()) break;
    if (!readable) continue;
    result->object_count++;
    status = detail::check_object(pager, shape, *manifest, object, header, result);
    if (status.code == Code::recycled) status = detail::recycled_or_corrupt(pager, object.id(), status);
  }
  pager.release(header);
  release_manifest(pager, manifest);
  pager.release(manifest);
  return status;
}

}  // namespace strata::store
