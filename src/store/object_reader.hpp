// Reading sealed objects: header, streams, frames.
#pragma once
#include <cmath>
#include <iterator>

#include "core/format/object.hpp"
#include "core/sets/bitmap.hpp"
#include "store/manifest.hpp"
#include "store/shape.hpp"

namespace strata::store {

using format::ObjectHeaderDisk;
using format::StreamDisk;
using format::StreamKind;

template <Pager P>
Status read_header(P& pager, ManifestObject const& object, ObjectHeaderDisk* header) {
  return pager.read(block_of(object, 0), [&](format::PageView page) {
    Status status = format::check_page(page, format::PageKind::object_header, object.id(), 0);
    if (!status.ok()) return status;
    std::memcpy(header, page.body(), sizeof *header);
    return format::check_header(*header, object.disk);
  });
}

// Null when the object has no such stream.
inline StreamDisk const* find_stream(ObjectHeaderDisk const& header, StreamKind kind,
                                     uint16_t column = format::no_column) {
  for (uint32_t i = 0; i < header.stream_count; i++)
    if (header.stream[i].kind == kind && header.stream[i].column == column) return &header.stream[i];
  return nullptr;
}

// The header of a segment whose streams have the sizes that follow from its counts: readers need not ask again.
template <Pager P>
Status read_segment_header(P& pager, IndexShape const& shape, ManifestObject const& object, ObjectHeaderDisk* header) {
  Status status = read_header(pager, object, header);
  if (!status.ok()) return status;
  uint64_t rows = header->row_count, ranked = header->ranked_count;
  uint64_t blocks = (ranked + quant::block_rows - 1) / quant::block_rows;
  uint64_t entries = header->epoch ? uint64_t(header->list_count) + 1 : 0;
  struct Wanted {
    StreamKind kind;
    uint64_t byte_size;
  };
  // The last three come together or not at all.
  uint64_t const block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits);
  bool const spills = find_stream(*header, StreamKind::spill_codes) != nullptr;
  Wanted const wanted[] = {{StreamKind::ids, rows * 6},
                           {StreamKind::hashes, rows * 8},
                           {StreamKind::delete_bitmap, sets::bitmap_size(rows)},
                           {StreamKind::scan_codes, blocks * block_bytes},
                           {StreamKind::refine_codes, ranked * shape.refine_size},
                           {StreamKind::directory, entries * sizeof(format::DirectoryEntryDisk)},
                           {StreamKind::spill_codes, blocks * block_bytes},
                           {StreamKind::spill_rows, ranked * sizeof(uint32_t)},
                           {StreamKind::spill_directory, entries * sizeof(format::DirectoryEntryDisk)}};
  uint32_t const wanted_count = uint32_t(std::size(wanted)) - (spills ? 0 : 3);
  for (uint32_t i = 0; i < wanted_count; i++) {
    Wanted const& one = wanted[i];
    StreamDisk const* stream = find_stream(*header, one.kind);
    if (!stream && (one.kind != StreamKind::directory || entries))
      return corrupt("segment lacks a stream", object.disk.id);
    if (stream && stream->byte_size != one.byte_size)
      return corrupt("stream does not match the counts of its segment", object.disk.id);
    bool const has_blocks = one.kind == StreamKind::scan_codes || one.kind == StreamKind::spill_codes;
    if (has_blocks && stream->bytes_per_page % quant::unit_size != 0)
      return corrupt("scan codes are not cut at their units", object.disk.id);
  }
  if (spills && header->list_count < 2) return corrupt("segment has second lists but not two lists", object.disk.id);
  if (header->epoch == 0 && header->list_count != 0) return corrupt("segment has lists but no epoch", object.disk.id);
  return {};
}

// Calls fn(bytes, size) -> void once for every piece of [offset, offset + size) that lies on one page, in order. fn
// must not call the pager. The page is pinned meanwhile; only of a delete bitmap it is locked, too: other streams do
// not change while anybody can read them (README.md, "Pages without locks").
template <Pager P, class Fn>
Status visit_stream(P& pager, ManifestObject const& object, StreamDisk const& stream, uint64_t offset, uint64_t size,
                    Fn&& fn) {
  if (offset > stream.byte_size || size > stream.byte_size - offset)
    return corrupt("read past the end of a stream", object.disk.id);
  while (size > 0) {
    uint32_t page_no = stream.first_page + uint32_t(offset / stream.bytes_per_page);
    uint32_t at = uint32_t(offset % stream.bytes_per_page);
    uint32_t part = stream.bytes_per_page - at;
    if (part > size) part = uint32_t(size);
    auto visit = [&](format::PageView page) {
      Status checked = format::check_page(page, format::PageKind::stream, object.id(), page_no);
      if (checked.ok()) fn(page.body() + at, part);
      return checked;
    };
    BlockNo const block = block_of(object, page_no);
    Status const status =
        stream.kind == StreamKind::delete_bitmap ? pager.read(block, visit) : pager.read_unlocked(block, visit);
    if (!status.ok()) return status;
    offset += part;
    size -= part;
  }
  return {};
}

// Asks for what visit_stream would read.
template <Pager P>
void prefetch_stream(P& pager, ManifestObject const& object, StreamDisk const& stream, uint64_t offset, uint64_t size) {
  if (offset > stream.byte_size || size > stream.byte_size - offset) return;
  while (size > 0) {
    uint32_t const page_no = stream.first_page + uint32_t(offset / stream.bytes_per_page);
    uint32_t const at = uint32_t(offset % stream.bytes_per_page);
    uint32_t part = stream.bytes_per_page - at;
    if (part > size) part = uint32_t(size);
    pager.prefetch_bytes(block_of(object, page_no), at, part);
    offset += part;
    size -= part;
  }
}

// The same for those who see that the disk has to be read: asks for whole pages, one request for as many as lie one
// after the other.
template <Pager P>
void prefetch_stream_pages(P& pager, ManifestObject const& object, StreamDisk const& stream, uint64_t offset,
                           uint64_t size) {
  if (size == 0 || offset > stream.byte_size || size > stream.byte_size - offset) return;
  uint32_t first = stream.first_page + uint32_t(offset / stream.bytes_per_page);
  uint32_t const end = stream.first_page + uint32_t((offset + size - 1) / stream.bytes_per_page) + 1;
  while (first < end) {
    BlockNo const start = block_of(object, first);
    uint32_t count = 1;
    while (first + count < end && raw(block_of(object, first + count)) == raw(start) + count) count++;
    pager.prefetch_pages(start, count);
    first += count;
  }
}

template <Pager P>
Status read_stream(P& pager, ManifestObject const& object, StreamDisk const& stream, uint64_t offset, uint64_t size,
                   void* target) {
  auto* at = static_cast<std::byte*>(target);
  return visit_stream(pager, object, stream, offset, size, [&at](std::byte const* bytes, uint32_t part) {
    std::memcpy(at, bytes, part);
    at += part;
  });
}

// *bytes = the whole stream, kept by the pager between operations; null when there is no room for it. Only for streams
// of immutable objects that change in no other way (not the delete bitmap).
template <Pager P>
Status cached_stream(P& pager, ManifestObject const& object, StreamDisk const& stream, std::byte const** bytes) {
  // The name of a kept stream: object (32 bits), column (16), kind (16).
  uint64_t const key = uint64_t(object.disk.id) << 32 | uint64_t(stream.column) << 16 | uint16_t(stream.kind);
  *bytes = static_cast<std::byte const*>(pager.find_cached(key));
  if (*bytes || stream.byte_size == 0 || !pager.can_keep(stream.byte_size)) return {};
  void* const fresh = pager.allocate(stream.byte_size);
  Status const status = read_stream(pager, object, stream, 0, stream.byte_size, fresh);
  if (status.ok()) *bytes = static_cast<std::byte const*>(pager.keep_cached(key, fresh, stream.byte_size));
  pager.release(fresh);
  return status;
}

// A stream read item by item through a copy of one page: for merges and builds, which go mostly forward.
struct StreamCursor {
  StreamDisk stream{};
  std::byte* page = nullptr;     // bytes_per_page bytes
  std::byte* scratch = nullptr;  // one item that straddles pages
  uint64_t page_index = UINT64_MAX;
};

template <Pager P>
Status open_stream(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, StreamKind kind,
                   uint32_t item_size_max, StreamCursor* cursor, uint16_t column = format::no_column) {
  StreamDisk const* stream = find_stream(header, kind, column);
  if (!stream) return corrupt("segment lacks a stream", object.disk.id);
  cursor->stream = *stream;
  cursor->page = static_cast<std::byte*>(pager.allocate(format::page_body_size));
  cursor->scratch = static_cast<std::byte*>(pager.allocate(item_size_max));
  return {};
}

template <Pager P>
void close_stream(P& pager, StreamCursor* cursor) {
  if (cursor->page) pager.release(cursor->page);
  if (cursor->scratch) pager.release(cursor->scratch);
  *cursor = StreamCursor{};
}

// *bytes = the `size` bytes at `offset`; valid until the next call.
template <Pager P>
Status next_bytes(P& pager, ManifestObject const& object, StreamCursor& cursor, uint64_t offset, uint32_t size,
                  std::byte const** bytes) {
  if (offset > cursor.stream.byte_size || size > cursor.stream.byte_size - offset)
    return corrupt("read past the end of a stream", object.disk.id);
  uint32_t at = uint32_t(offset % cursor.stream.bytes_per_page);
  if (at + size > cursor.stream.bytes_per_page) {
    *bytes = cursor.scratch;
    return read_stream(pager, object, cursor.stream, offset, size, cursor.scratch);
  }
  uint64_t index = offset / cursor.stream.bytes_per_page;
  if (cursor.page_index != index) {
    uint64_t start = index * cursor.stream.bytes_per_page;
    uint64_t part = cursor.stream.byte_size - start;
    if (part > cursor.stream.bytes_per_page) part = cursor.stream.bytes_per_page;
    cursor.page_index = UINT64_MAX;
    if (Status status = read_stream(pager, object, cursor.stream, start, part, cursor.page); !status.ok())
      return status;
    cursor.page_index = index;
  }
  *bytes = cursor.page + at;
  return {};
}

// The frame `id` with its mean in the pager's memory. An id of none is the frame of an index without rows: mean 0,
// unit 1.
template <Pager P>
Status load_frame(P& pager, IndexShape const& shape, Manifest const& manifest, ObjectId id, quant::Frame* frame) {
  auto* mean = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  *frame = {shape.seed, shape.dim, shape.padded_dim, 1.0f, mean};
  std::memset(mean, 0, size_t(shape.padded_dim) * sizeof(float));
  if (id == ObjectId::none) return {};
  ManifestObject const* object = manifest.find(id);
  if (!object || object->disk.kind != ObjectKind::frame) return corrupt("manifest lacks a frame", raw(id));
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  Status status = read_header(pager, *object, header);
  if (status.ok()) {
    StreamDisk const* stream = find_stream(*header, StreamKind::mean);
    int exponent = 0;
    bool power_of_two = header->unit > 0 && std::isfinite(header->unit) && std::frexp(header->unit, &exponent) == 0.5f;
    if (!stream || stream->byte_size != size_t(shape.padded_dim) * sizeof(float) || !power_of_two)
      status = corrupt("frame is malformed", raw(id));
    else
      status = read_stream(pager, *object, *stream, 0, stream->byte_size, mean);
    for (uint32_t i = 0; i < shape.padded_dim && status.ok(); i++)
      if (!std::isfinite(mean[i])) status = corrupt("mean of a frame is not finite", raw(id));
    frame->unit = header->unit;
  }
  pager.release(header);
  return status;
}

}  // namespace strata::store
