// Rows of one input of a rewrite, by number: a growing object or a sealed segment, read through page copies.
#pragma once
#include "core/sets/bitmap.hpp"
#include "store/column_reader.hpp"
#include "store/epoch.hpp"
#include "store/growing.hpp"

namespace strata::store {

struct RowSource {
  ManifestObject object;     // private copy of the entry
  ObjectHeaderDisk* header;  // sealed segments
  uint32_t row_count;
  uint32_t delete_generation;  // of `deleted`
  std::byte* deleted;          // bitmap of row_count bits, as read last
  StreamCursor ids, hashes, refine;
  ColumnReader* columns;  // sealed segments of an index with filter columns, else null
  std::byte* entry;       // growing: one row; sealed with another frame: one refine row
  std::byte* page_rows;   // growing, several rows a page: those of group `page_group`, when page_count is not zero
  uint32_t page_group, page_count;
  quant::Frame frame;
  bool reframe;           // its frame is not the target's
  float mean_norm;        // of `frame`, when reframe
  float* z;               // padded_dim floats when reframe
  uint32_t directory_at;  // next list whose rows were not yet named, see list_of_row
  StreamCursor directory;
  StreamCursor scan;
  uint32_t block_no;  // that scan_block holds
  std::byte* scan_block;
  uint32_t* second;  // second lists of its ranked rows, once fetch_scan_code() has read them; null: there are none
};

namespace detail {

// Reads the delete bits of a source into source.deleted (row_count bits).
template <Pager P>
Status read_deleted(P& pager, IndexShape const& shape, RowSource& source) {
  if (source.object.disk.kind == ObjectKind::segment) {
    if (Status status = read_segment_header(pager, shape, source.object, source.header); !status.ok()) return status;
    source.delete_generation = source.header->delete_generation;
    StreamDisk const* stream = find_stream(*source.header, StreamKind::delete_bitmap);
    return read_stream(pager, source.object, *stream, 0, stream->byte_size, source.deleted);
  }
  uint32_t capacity = shape.growing.capacity;
  for (uint32_t row = 0; row < source.row_count; row += capacity) {
    uint32_t page_no = row / capacity * shape.growing.group_page_count;
    uint32_t rows = source.row_count - row < capacity ? source.row_count - row : capacity;
    Status status = pager.read(block_of(source.object, page_no), [&](format::PageView page) {
      Status checked = format::check_page(page, format::PageKind::growing, source.object.id(), page_no);
      if (!checked.ok()) return checked;
      auto const& header = page.as<format::GrowingPageDisk>();
      for (uint32_t i = 0; i < rows; i++)
        if (sets::bitmap_test(header.deleted, i)) sets::bitmap_set(source.deleted, row + i);
      return checked;
    });
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace detail

// Opens an input. A growing object must be frozen and fenced. `target_frame` is the frame rows are handed out in.
template <Pager P>
Status open_source(P& pager, IndexShape const& shape, Manifest const& manifest, ManifestObject const& object,
                   ObjectId target_frame, RowSource* source) {
  *source = RowSource{};
  source->object = object;
  Status status;
  if (object.disk.kind == ObjectKind::segment) {
    source->header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
    status = read_segment_header(pager, shape, object, source->header);
    if (status.ok()) status = open_stream(pager, object, *source->header, StreamKind::ids, 8, &source->ids);
    if (status.ok()) status = open_stream(pager, object, *source->header, StreamKind::hashes, 8, &source->hashes);
    if (status.ok())
      status =
          open_stream(pager, object, *source->header, StreamKind::refine_codes, shape.refine_size, &source->refine);
    if (status.ok() && object.disk.epoch)
      status = open_stream(pager, object, *source->header, StreamKind::directory, sizeof(format::DirectoryEntryDisk),
                           &source->directory);
    if (status.ok()) status = open_columns(pager, shape.columns, object, *source->header, &source->columns);
    if (!status.ok()) return status;
    source->row_count = object.disk.row_count;
  } else {
    uint64_t rows = 0;
    status = count_growing_rows(pager, shape, object, &rows);
    if (!status.ok()) return status;
    source->row_count = uint32_t(rows);
    if (shape.growing.group_page_count == 1)
      source->page_rows = static_cast<std::byte*>(pager.allocate(format::page_body_size));
    source->page_group = UINT32_MAX;
  }
  size_t bitmap_bytes = sets::bitmap_size(source->row_count) + 1;
  source->deleted = static_cast<std::byte*>(pager.allocate(bitmap_bytes));
  std::memset(source->deleted, 0, bitmap_bytes);
  source->entry = static_cast<std::byte*>(pager.allocate(shape.growing.entry_size));
  source->z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  source->reframe = ObjectId(object.disk.frame) != target_frame;
  if (source->reframe) status = load_frame(pager, shape, manifest, ObjectId(object.disk.frame), &source->frame);
  double mean_norm2 = 0;
  for (uint32_t i = 0; i < shape.padded_dim && source->reframe; i++)
    mean_norm2 += double(source->frame.mean[i]) * source->frame.mean[i];
  source->mean_norm = float(std::sqrt(mean_norm2));
  if (status.ok()) status = detail::read_deleted(pager, shape, *source);
  return status;
}

template <Pager P>
void close_source(P& pager, RowSource* source) {
  close_stream(pager, &source->ids);
  close_stream(pager, &source->hashes);
  close_stream(pager, &source->refine);
  close_stream(pager, &source->directory);
  close_columns(pager, source->columns);
  close_stream(pager, &source->scan);
  if (source->scan_block) pager.release(source->scan_block);
  if (source->second) pager.release(source->second);
  if (source->header) pager.release(source->header);
  if (source->deleted) pager.release(source->deleted);
  if (source->entry) pager.release(source->entry);
  if (source->page_rows) pager.release(source->page_rows);
  if (source->z) pager.release(source->z);
  if (source->frame.mean) pager.release(const_cast<float*>(source->frame.mean));
}

namespace detail {

// *bytes = a row of a growing object with several rows a page. A row of another page than the last is read alone; the
// next one of that page brings the others along, for callers that go through the rows in order.
template <Pager P>
Status fetch_from_page(P& pager, IndexShape const& shape, RowSource& source, uint32_t row, std::byte const** bytes) {
  uint32_t const size = shape.growing.entry_size, capacity = shape.growing.capacity;
  uint32_t const group = row / capacity, at = row % capacity;
  if (group == source.page_group && at < source.page_count) {
    *bytes = source.page_rows + size_t(at) * size;
    return {};
  }
  bool const whole = group == source.page_group;
  source.page_group = group;
  source.page_count = 0;
  *bytes = whole ? source.page_rows + size_t(at) * size : source.entry;
  return pager.read(block_of(source.object, group), [&](format::PageView page) {
    Status status = format::check_page(page, format::PageKind::growing, source.object.id(), group);
    if (!status.ok()) return status;
    auto const& header = page.as<format::GrowingPageDisk>();
    if (header.row_count > capacity) return corrupt("growing page claims too many rows", group);
    if (at >= header.row_count) return corrupt("growing row is missing", row);
    std::byte const* rows = page.body() + sizeof header;
    if (whole) {
      std::memcpy(source.page_rows, rows, size_t(header.row_count) * size);
      source.page_count = header.row_count;
    } else {
      std::memcpy(source.entry, rows + size_t(at) * size, size);
    }
    return status;
  });
}

template <Pager P>
Status fetch_growing_row(P& pager, IndexShape const& shape, RowSource& source, uint32_t row, RowView* view) {
  if (shape.growing.group_page_count == 1) {
    std::byte const* bytes;
    if (Status status = fetch_from_page(pager, shape, source, row, &bytes); !status.ok()) return status;
    format::GrowingRowDisk head;
    std::memcpy(&head, bytes, sizeof head);
    std::byte const* columns = bytes + sizeof head;
    *view = {format::load_tid(head.tid), head.flags, head.hash, columns, columns + shape.growing.columns_size};
    return {};
  }
  uint32_t seen = 0;
  Status status = visit_growing_group(pager, shape, source.object, row, source.entry, &seen,
                                      [&](uint64_t, RowView const& gathered, bool) { *view = gathered; });
  if (status.ok() && seen == 0) return corrupt("growing row is missing", row);
  return status;
}

}  // namespace detail

// *view = row `row` (deleted or not), its refine code in the source's own frame. Valid until the next call.
template <Pager P>
Status fetch_row(P& pager, IndexShape const& shape, RowSource& source, uint32_t row, RowView* view) {
  if (source.object.disk.kind == ObjectKind::segment) {
    std::byte const *id, *hash, *refine = nullptr;
    Status status = next_bytes(pager, source.object, source.ids, uint64_t(row) * 6, 6, &id);
    if (status.ok()) status = next_bytes(pager, source.object, source.hashes, uint64_t(row) * 8, 8, &hash);
    if (!status.ok()) return status;
    *view = RowView{};
    view->tid = format::load_tid(id);
    std::memcpy(&view->hash, hash, sizeof view->hash);
    if (source.columns) {
      status = read_columns(pager, shape.columns, source.object, source.row_count, *source.columns, row);
      if (!status.ok()) return status;
      view->columns = source.columns->columns;
    }
    uint32_t ranked = source.header->ranked_count;
    if (row >= ranked) {
      view->flags = row - ranked < source.header->zero_count ? format::row_is_zero : format::row_is_null;
      return {};
    }
    status =
        next_bytes(pager, source.object, source.refine, uint64_t(row) * shape.refine_size, shape.refine_size, &refine);
    view->refine = refine;
    return status;
  }
  return detail::fetch_growing_row(pager, shape, source, row, view);
}

namespace detail {

// source.second, of a segment that spills.
template <Pager P>
Status load_second_lists(P& pager, RowSource& source) {
  uint32_t const rows = source.header->ranked_count, lists = source.object.disk.list_count;
  auto* second = static_cast<uint32_t*>(pager.allocate((size_t(rows) + 1) * sizeof(uint32_t)));
  std::memset(second, 0xFF, (size_t(rows) + 1) * sizeof(uint32_t));
  source.second = second;
  StreamCursor numbers{}, directory{};
  Status status = open_stream(pager, source.object, *source.header, StreamKind::spill_rows, sizeof(uint32_t), &numbers);
  if (status.ok())
    status = open_stream(pager, source.object, *source.header, StreamKind::spill_directory,
                         sizeof(format::DirectoryEntryDisk), &directory);
  uint32_t at = 0;
  for (uint32_t list = 0; list < lists && status.ok(); list++) {
    std::byte const* bytes;
    format::DirectoryEntryDisk next;
    status = next_bytes(pager, source.object, directory, (uint64_t(list) + 1) * sizeof next, sizeof next, &bytes);
    if (!status.ok()) break;
    std::memcpy(&next, bytes, sizeof next);
    for (; at < next.first_row && status.ok(); at++) {
      uint32_t row;
      status = next_bytes(pager, source.object, numbers, uint64_t(at) * sizeof row, sizeof row, &bytes);
      if (!status.ok()) break;
      std::memcpy(&row, bytes, sizeof row);
      if (row >= rows) status = corrupt("second list names a wrong row", source.object.disk.id);
      if (status.ok()) second[row] = list;
    }
  }
  close_stream(pager, &numbers);
  close_stream(pager, &directory);
  return status;
}

}  // namespace detail

// *code = the scan code of ranked row `row` of a sealed segment. `list` is that of the row, ignored when the segment is
// flat. The block is valid until the next call. Rows asked for in ascending order read each page once.
template <Pager P>
Status fetch_scan_code(P& pager, IndexShape const& shape, RowSource& source, uint32_t row, uint32_t list,
                       ScanCode* code) {
  uint32_t const block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits), block_no = row / quant::block_rows;
  if (!source.scan_block) {
    if (Status status = open_stream(pager, source.object, *source.header, StreamKind::scan_codes, 1, &source.scan);
        !status.ok())
      return status;
    source.scan_block = static_cast<std::byte*>(pager.allocate(block_bytes));
    source.block_no = UINT32_MAX;
    if (find_stream(*source.header, StreamKind::spill_codes))
      if (Status status = detail::load_second_lists(pager, source); !status.ok()) return status;
  }
  if (source.block_no != block_no) {
    source.block_no = UINT32_MAX;
    uint64_t offset = uint64_t(block_no) * block_bytes;
    for (uint32_t done = 0; done < block_bytes;) {
      uint32_t part = source.scan.stream.bytes_per_page - uint32_t(offset % source.scan.stream.bytes_per_page);
      if (part > block_bytes - done) part = block_bytes - done;
      std::byte const* bytes;
      if (Status status = next_bytes(pager, source.object, source.scan, offset, part, &bytes); !status.ok())
        return status;
      std::memcpy(source.scan_block + done, bytes, part);
      offset += part;
      done += part;
    }
    source.block_no = block_no;
  }
  *code = {source.scan_block, row % quant::block_rows, source.header->mean_residual2};
  if (source.second) code->second_list = source.second[row];
  if (!source.object.disk.epoch) return {};
  std::byte const* bytes;
  Status status =
      next_bytes(pager, source.object, source.directory, uint64_t(list) * sizeof(format::DirectoryEntryDisk),
                 sizeof(format::DirectoryEntryDisk), &bytes);
  if (!status.ok()) return status;
  format::DirectoryEntryDisk entry;
  std::memcpy(&entry, bytes, sizeof entry);
  code->residual2 = entry.mean_residual2;
  return {};
}

// z[0..padded_dim) = the reconstruction of a ranked row in the target frame.
template <Pager P>
void reconstruct(P&, IndexShape const& shape, RowSource const& source, quant::Frame const& target, RowView const& view,
                 float* z) {
  quant::decode_refine(shape.padded_dim, view.refine, z);
  if (!source.reframe) return;
  for (uint32_t i = 0; i < shape.padded_dim; i++)
    z[i] = (z[i] + source.frame.mean[i]) * source.frame.unit / target.unit - target.mean[i];
}

// Makes view->refine a code in the target frame; `row` holds code_size bytes, z padded_dim floats. The error of the
// old code adds to that of the new one (triangle inequality), so the bound stays deterministic.
template <Pager P>
void reframe_row(P& pager, IndexShape const& shape, RowSource const& source, quant::Frame const& target, RowView* view,
                 float* z, std::byte* row) {
  quant::RefineRowDisk old_code, new_code;
  std::memcpy(&old_code, view->refine, sizeof old_code);
  reconstruct(pager, shape, source, target, *view, z);
  quant::encode_refine(shape.padded_dim, z, row);
  std::memcpy(&new_code, row, sizeof new_code);
  // The two sums of reconstruct() round once each, relative to a vector as long as the old mean or the new one.
  float rounding = 0x1p-24f * (std::sqrt(old_code.norm2) + 2 * source.mean_norm) * source.frame.unit / target.unit +
                   0x1p-24f * std::sqrt(new_code.norm2);
  float error = math::half_to_float(old_code.error) * source.frame.unit / target.unit +
                math::half_to_float(new_code.error) + rounding;
  new_code.error = math::float_to_half_up(error * 1.000001f);
  std::memcpy(row, &new_code, sizeof new_code);
  view->refine = row;
}

// *list = the list of ranked row `row` of a sealed segment that has lists. Rows must be asked for in ascending order.
template <Pager P>
Status list_of_row(P& pager, RowSource& source, uint32_t row, uint32_t* list) {
  for (;;) {
    if (source.directory_at >= source.object.disk.list_count)
      return corrupt("directory ends before its rows", source.object.disk.id);
    std::byte const* bytes;
    Status status = next_bytes(pager, source.object, source.directory,
                               (uint64_t(source.directory_at) + 1) * sizeof(format::DirectoryEntryDisk),
                               sizeof(format::DirectoryEntryDisk), &bytes);
    if (!status.ok()) return status;
    format::DirectoryEntryDisk next;
    std::memcpy(&next, bytes, sizeof next);
    if (row < next.first_row) break;
    source.directory_at++;
  }
  *list = source.directory_at;
  return {};
}

}  // namespace strata::store
