// INSERT: one row into the growing segment of a lane. One logged action a row; an edit only when a lane has no room.
#pragma once
#include "store/growing.hpp"

namespace strata::store {

// State of one inserter, kept between rows. `pager` memory must live as long as it.
struct Inserter {
  IndexShape shape;
  uint32_t lane;
  GrowingCursor cursor;
  quant::Frame frame;  // of cursor.frame
  std::byte* entry;    // shape.growing.entry_size bytes
  float* z;            // padded_dim floats
  ObjectId left;       // whose page was found sealed or foreign last: a manifest read afterwards does not call it live
};

template <Pager P>
Inserter* open_inserter(P& pager, MetaDisk const& meta, uint32_t lane) {
  auto* inserter = static_cast<Inserter*>(pager.allocate(sizeof(Inserter)));
  *inserter = Inserter{};
  inserter->shape = shape_of(meta);
  inserter->lane = lane % lane_count_max;
  inserter->entry = static_cast<std::byte*>(pager.allocate(inserter->shape.growing.entry_size));
  inserter->z = static_cast<float*>(pager.allocate(size_t(inserter->shape.padded_dim) * sizeof(float)));
  return inserter;
}

namespace detail {

enum class Append : uint8_t { done, full, stale };
struct AppendResult {
  Status status;
  Append append;
};

template <Pager P>
AppendResult append_entry(P& pager, Inserter& inserter) {
  auto const& growing = inserter.shape.growing;
  GrowingCursor& cursor = inserter.cursor;
  ManifestObject where{};
  where.disk.id = raw(cursor.object);
  where.extents = cursor.extents;
  uint32_t page_no = cursor.group * growing.group_page_count;
  return pager.change([&](auto& action) -> AppendResult {
    format::PageSpan page = action.open(block_of(where, page_no));
    if (!format::check_page(page.view(), format::PageKind::growing, cursor.object, page_no).ok()) {
      action.abandon();
      return {{}, Append::stale};
    }
    auto& header = page.template as<format::GrowingPageDisk>();
    bool sealed = header.flags & format::growing_sealed;
    if (sealed || header.row_count >= growing.capacity) {
      action.abandon();
      return {{}, sealed ? Append::stale : Append::full};
    }
    uint32_t offset = uint32_t(sizeof header) + header.row_count * growing.entry_size;
    if (page.view().tail().used != offset) {
      action.abandon();
      return {corrupt("growing page does not end with its rows", page_no), Append::full};
    }
    uint32_t part = growing.entry_size;
    if (part > format::page_body_size - offset) part = format::page_body_size - offset;
    std::memcpy(page.body() + offset, inserter.entry, part);
    page.set_used(offset + part);
    uint32_t done = part;
    for (uint32_t i = 1; i < growing.group_page_count; i++) {
      format::PageSpan tail = action.open(block_of(where, page_no + i));
      Status status = format::check_page(tail.view(), format::PageKind::growing_tail, cursor.object, page_no + i);
      if (!status.ok()) {
        action.abandon();
        return {status, Append::stale};
      }
      part = growing.entry_size - done;
      if (part > format::page_body_size) part = format::page_body_size;
      std::memcpy(tail.body(), inserter.entry + done, part);
      tail.set_used(part);
      done += part;
    }
    header.row_count++;
    return {{}, Append::done};
  });
}

template <Pager P>
Status take_cursor(P& pager, Inserter& inserter, ManifestObject const& object) {
  GrowingCursor& cursor = inserter.cursor;
  cursor.extents.count = 0;
  for (ExtentDisk const& extent : object.extents) cursor.extents.push(pager, extent);
  cursor.object = object.id();
  cursor.group_count = group_count_of(inserter.shape, object);
  return find_growing_end(pager, inserter.shape, object, &cursor.group);
}

// The first row of an index gives the frame: any row is a good enough mean, and the first training moves it if it is
// not.
template <Pager P>
Status first_frame(P& pager, Inserter& inserter, Manifest& manifest, float const* vector, ObjectId* id) {
  uint32_t padded = inserter.shape.padded_dim;
  auto* mean = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
  float unit = 1;
  std::memset(mean, 0, size_t(padded) * sizeof(float));
  if (vector) {
    quant::rotate(inserter.shape.seed, inserter.shape.dim, vector, mean);
    double norm2 = 0;
    for (uint32_t i = 0; i < padded; i++) norm2 += double(mean[i]) * mean[i];
    unit = quant::unit_of(std::sqrt(norm2));
    // A rotation that leaves the floats gives no mean.
    for (uint32_t i = 0; i < padded; i++) mean[i] = std::isfinite(norm2) ? mean[i] / unit : 0.0f;
  }
  Status status = add_frame(pager, inserter.shape, manifest, mean, unit, id);
  pager.release(mean);
  return status;
}

// Finds room: reads the manifest, and when the lane is missing or full, edits it.
template <Pager P>
Status find_room(P& pager, Inserter& inserter, float const* vector) {
  Manifest manifest{};
  Status status = load_manifest(pager, &manifest);
  if (!status.ok()) return status;
  ManifestObject* object = find_lane(manifest, inserter.lane);
  if (object && object->id() == inserter.left)
    return corrupt("page of a live growing object is sealed or belongs to another", object->disk.id);
  if (object) status = take_cursor(pager, inserter, *object);
  if (status.ok() && (!object || inserter.cursor.group == inserter.cursor.group_count)) {
    release_manifest(pager, &manifest);
    auto grow = [&](Manifest& work) -> EditResult {
      ManifestObject* lane = find_lane(work, inserter.lane);
      if (lane) {
        // Another inserter of the lane may have made room meanwhile.
        Status taken = take_cursor(pager, inserter, *lane);
        if (!taken.ok() || inserter.cursor.group < inserter.cursor.group_count) return {taken, Edit::discard};
      } else {
        ObjectId frame = ObjectId(work.header.frame);
        if (frame == ObjectId::none) {
          Status made = first_frame(pager, inserter, work, vector, &frame);
          if (!made.ok()) return {made, Edit::discard};
        }
        lane = add_object(pager, work, ObjectKind::growing, ObjectState::live);
        lane->disk.lane = uint8_t(inserter.lane);
        lane->disk.frame = raw(frame);
      }
      add_chunk(pager, inserter.shape, work, *lane);
      return {{}, Edit::keep};
    };
    status = edit_manifest(pager, grow, &manifest);
    object = find_lane(manifest, inserter.lane);
    if (status.ok() && object) status = take_cursor(pager, inserter, *object);
    if (status.ok() && !object) inserter.cursor.object = ObjectId::none;  // frozen already: the caller tries again
  }
  if (status.ok() && object && inserter.cursor.frame != ObjectId(object->disk.frame)) {
    if (inserter.frame.mean) pager.release(const_cast<float*>(inserter.frame.mean));
    inserter.cursor.frame = ObjectId::none;
    status = load_frame(pager, inserter.shape, manifest, ObjectId(object->disk.frame), &inserter.frame);
    if (status.ok()) inserter.cursor.frame = ObjectId(object->disk.frame);
  }
  release_manifest(pager, &manifest);
  return status;
}

}  // namespace detail

// Inserts one row. `vector`: float[dim], of unit length under cosine; null for a row without codes (then flags says
// why). `columns`: shape.growing.columns_size bytes or null when there are none. Durable with the transaction. No locks
// on entry or exit.
template <Pager P>
Status insert_row(P& pager, Inserter& inserter, Tid tid, uint16_t flags, uint64_t hash, void const* columns,
                  float const* vector) {
  GrowingCursor& cursor = inserter.cursor;
  ObjectId encoded_in = ObjectId::none;
  for (;;) {
    if (cursor.object == ObjectId::none || cursor.group >= cursor.group_count) {
      if (Status status = detail::find_room(pager, inserter, vector); !status.ok()) return status;
      if (cursor.object == ObjectId::none) continue;
    }
    if (encoded_in != cursor.frame) {
      format::GrowingRowDisk row{{}, flags, hash};
      format::store_tid(tid, row.tid);
      std::byte* at = inserter.entry;
      std::memcpy(at, &row, sizeof row);
      at += sizeof row;
      if (columns) std::memcpy(at, columns, inserter.shape.growing.columns_size);
      at += inserter.shape.growing.columns_size;
      if (vector) {
        quant::to_frame(inserter.frame, vector, inserter.z);
        quant::encode_refine(inserter.shape.padded_dim, inserter.z, at);
      } else {
        std::memset(at, 0, inserter.shape.refine_size);
      }
      encoded_in = cursor.frame;
    }
    auto result = detail::append_entry(pager, inserter);
    if (!result.status.ok()) return result.status;
    if (result.append == detail::Append::done) return {};
    if (result.append == detail::Append::full) {
      cursor.group++;
    } else {
      inserter.left = cursor.object;
      cursor.object = ObjectId::none;
    }
    pager.check_interrupts();
  }
}

}  // namespace strata::store
