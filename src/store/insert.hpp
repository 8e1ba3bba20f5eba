// INSERT: one row into the growing segment of a lane. One logged action a row; an edit only when a lane has no room.
#pragma once
#include "store/growing.hpp"
#include "store/train.hpp"

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

struct Place {
  Status status;
  Append append;
  uint32_t offset;  // of the new row, when done
};

// Where the next row goes on the first page of a group, or why it does not.
inline Place find_place(format::GrowingShape const& growing, GrowingCursor const& cursor, uint32_t page_no,
                        format::PageView page) {
  if (!format::check_page(page, format::PageKind::growing, cursor.object, page_no).ok()) return {{}, Append::stale, 0};
  auto const& header = page.as<format::GrowingPageDisk>();
  bool const sealed = header.flags & format::growing_sealed;
  if (sealed || header.row_count >= growing.capacity) return {{}, sealed ? Append::stale : Append::full, 0};
  uint32_t const offset = uint32_t(sizeof header) + header.row_count * growing.entry_size;
  if (page.tail().used != offset) return {corrupt("growing page does not end with its rows", page_no), Append::full, 0};
  return {{}, Append::done, offset};
}

// A row that fits its page: three patches, which cost and log little more than the row itself.
template <Pager P>
AppendResult append_small(P& pager, Inserter& inserter, ManifestObject const& where, uint32_t page_no) {
  auto const& growing = inserter.shape.growing;
  uint16_t row_count = 0, used = 0;
  return pager.patch(block_of(where, page_no), [&](format::PageView page, PatchList& patches) -> AppendResult {
    Place const place = find_place(growing, inserter.cursor, page_no, page);
    if (!place.status.ok() || place.append != Append::done) return {place.status, place.append};
    row_count = uint16_t(page.as<format::GrowingPageDisk>().row_count + 1);
    used = uint16_t(place.offset + growing.entry_size);
    patches.add(offsetof(format::GrowingPageDisk, row_count), &row_count, sizeof row_count);
    patches.add(place.offset, inserter.entry, growing.entry_size);
    patches.add(format::page_body_size + offsetof(format::PageTailDisk, used), &used, sizeof used);
    return {{}, Append::done};
  });
}

// A row of several pages.
template <Pager P>
AppendResult append_large(P& pager, Inserter& inserter, ManifestObject const& where, uint32_t page_no) {
  auto const& growing = inserter.shape.growing;
  // A file that was truncated since: its blocks are those of another object, or will be.
  uint32_t const block_count = pager.block_count();
  for (uint32_t i = 0; i < growing.group_page_count; i++)
    if (raw(block_of(where, page_no + i)) >= block_count) return {{}, Append::stale};
  return pager.change([&](auto& action) -> AppendResult {
    format::PageSpan page = action.open(block_of(where, page_no));
    Place const place = find_place(growing, inserter.cursor, page_no, page.view());
    if (!place.status.ok() || place.append != Append::done) {
      action.abandon();
      return {place.status, place.append};
    }
    uint32_t part = format::page_body_size - place.offset;
    std::memcpy(page.body() + place.offset, inserter.entry, part);
    page.set_used(place.offset + part);
    uint32_t done = part;
    for (uint32_t i = 1; i < growing.group_page_count; i++) {
      format::PageSpan tail = action.open(block_of(where, page_no + i));
      Status status =
          format::check_page(tail.view(), format::PageKind::growing_tail, inserter.cursor.object, page_no + i);
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
    page.template as<format::GrowingPageDisk>().row_count++;
    return {{}, Append::done};
  });
}

template <Pager P>
AppendResult append_entry(P& pager, Inserter& inserter) {
  ManifestObject where{};
  where.disk.id = raw(inserter.cursor.object);
  where.extents = inserter.cursor.extents;
  uint32_t const group_pages = inserter.shape.growing.group_page_count;
  uint32_t const page_no = inserter.cursor.group * group_pages;
  return group_pages == 1 ? append_small(pager, inserter, where, page_no)
                          : append_large(pager, inserter, where, page_no);
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

constexpr uint32_t refit_rows_max = 512;       // looked at
constexpr uint32_t refit_rows_min = 16;        // fewer say little about the rest
constexpr uint32_t refit_object_id_max = 200;  // of the next object: a young index

// The first row may lie anywhere, and codes of rows that are far from the mean of their frame are coarse, for ever. So
// a lane of a young index that is full looks back at its rows: when they lie eight times as far from the mean of the
// frame as from their own, the index gets a frame of their own. Called in an edit in progress.
template <Pager P>
Status refit_frame(P& pager, Inserter& inserter, Manifest& manifest, ManifestObject const& lane) {
  IndexShape const& shape = inserter.shape;
  uint32_t const padded = shape.padded_dim, groups = group_count_of(shape, lane);
  uint32_t const looked_at = (refit_rows_max + shape.growing.capacity - 1) / shape.growing.capacity;
  size_t const rows_max = size_t(looked_at) * shape.growing.capacity;
  Sample sample{static_cast<std::byte*>(pager.allocate(rows_max * shape.code_size)), 0};
  auto* scratch = static_cast<std::byte*>(pager.allocate(shape.growing.entry_size));
  auto* mean = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
  Status status;
  for (uint32_t group = groups > looked_at ? groups - looked_at : 0; group < groups && status.ok(); group++) {
    uint32_t seen = 0;
    status = visit_growing_group(pager, shape, lane, group, scratch, &seen, [&](uint64_t, RowView const& row, bool) {
      if (row.flags == 0)
        std::memcpy(sample.rows + size_t(sample.count++) * shape.code_size, row.refine, shape.code_size);
    });
  }
  if (status.ok()) drop_outliers(pager, shape, &sample);
  if (status.ok() && sample.count >= refit_rows_min) {
    FrameShift const shift = frame_shift(pager, cluster::code_rows(padded, sample.rows, sample.count), mean);
    double mean2 = 0;
    for (uint32_t i = 0; i < padded; i++) mean2 += double(mean[i]) * mean[i];
    constexpr double far = 8, wide = 64;
    bool const coarse = mean2 > far * far * shift.rms * shift.rms || shift.rms < 1 / wide || shift.rms > wide;
    quant::Frame old{};
    if (shift.rms > 0 && coarse) status = load_frame(pager, shape, manifest, ObjectId(lane.disk.frame), &old);
    if (status.ok() && old.mean) {
      float const unit = quant::unit_of(old.unit * shift.rms), ratio = old.unit / unit;
      for (uint32_t i = 0; i < padded; i++) mean[i] = (mean[i] + old.mean[i]) * ratio;
      ObjectId id;
      status = add_frame(pager, shape, manifest, mean, unit, &id);
    }
    if (old.mean) pager.release(const_cast<float*>(old.mean));
  }
  pager.release(mean);
  pager.release(scratch);
  pager.release(sample.rows);
  return status;
}

// Makes room in a lane that is full, or lacks an object, within an edit.
template <Pager P>
Status make_room(P& pager, Inserter& inserter, Manifest& work, float const* vector) {
  ManifestObject* lane = find_lane(work, inserter.lane);
  ObjectId frame = ObjectId(work.header.frame);
  if (lane && !work.header.epoch && work.header.next_object_id <= refit_object_id_max &&
      ObjectId(lane->disk.frame) == frame) {
    ManifestObject const full = *lane;
    if (Status status = refit_frame(pager, inserter, work, full); !status.ok()) return status;
    frame = ObjectId(work.header.frame);
    lane = find_lane(work, inserter.lane);
  }
  // New rows belong into the frame in force; a lane of another one, being full, needs no fence.
  if (lane && ObjectId(lane->disk.frame) != frame) {
    lane->disk.state = ObjectState::frozen;
    lane = nullptr;
  }
  if (!lane) {
    if (frame == ObjectId::none)
      if (Status status = first_frame(pager, inserter, work, vector, &frame); !status.ok()) return status;
    lane = add_object(pager, work, ObjectKind::growing, ObjectState::live);
    lane->disk.lane = uint8_t(inserter.lane);
    lane->disk.frame = raw(frame);
  }
  add_chunk(pager, inserter.shape, work, *lane);
  return {};
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
      }
      Status made = make_room(pager, inserter, work, vector);
      return {made, made.ok() ? Edit::keep : Edit::discard};
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
// why). `columns`: shape.growing.columns_size bytes or null when there are none. `copy`: shape.copy_size bytes of the
// kind shape.copy_kind; null when there are no copies, or no vector. Durable with the transaction. No locks on entry or
// exit.
template <Pager P>
Status insert_row(P& pager, Inserter& inserter, Tid tid, uint16_t flags, uint64_t hash, void const* columns,
                  float const* vector, void const* copy = nullptr) {
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
        if (copy) std::memcpy(at + inserter.shape.code_size, copy, inserter.shape.copy_size);
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
