// Writing sealed objects: pages go out in batches of full images and are unreachable until the object is published.
//
// Requires the object to be in the manifest already, in state building (or to be published by the edit in progress), so
// that a crash leaves pages that someone knows of. The relation is extended here.
#pragma once
#include "store/object_reader.hpp"

namespace strata::store {

struct StreamPlan {
  StreamKind kind;
  uint16_t column;
  uint32_t item_size;
  uint32_t bytes_per_page;
  uint64_t byte_size;
  Space space = Space::main;
};

struct PageCounts {
  uint32_t main;
  uint32_t companion;
};

// Lays the streams out behind the header page, those for the companion after all others, and returns the pages the
// object needs.
inline PageCounts plan_streams(StreamPlan const* plans, uint32_t count, ObjectHeaderDisk* header) {
  uint32_t next_page = 1, main_count = 1;
  for (Space const space : {Space::main, Space::companion}) {
    for (uint32_t i = 0; i < count; i++) {
      StreamPlan const& plan = plans[i];
      if (plan.space != space) continue;
      uint32_t pages = uint32_t((plan.byte_size + plan.bytes_per_page - 1) / plan.bytes_per_page);
      header->stream[i] = {plan.kind,           plan.column,    next_page,      pages,
                           plan.bytes_per_page, plan.byte_size, plan.item_size, 0};
      next_page += pages;
    }
    if (space == Space::main) main_count = next_page;
  }
  header->stream_count = uint8_t(count);
  return {main_count, next_page - main_count};
}

template <Pager P>
class ObjectWriter {
 public:
  // `header` must outlive the writer. Allocates one page a stream and one batch.
  ObjectWriter(P& pager, ManifestObject const& object, ObjectHeaderDisk* header)
      : pager_(pager), object_(object), header_(header) {
    contents_ = static_cast<std::byte*>(pager.allocate(size_t(fresh_pages_max) * format::page_content_size));
    tails_ = static_cast<Tail*>(pager.allocate(sizeof(Tail) * format::stream_count_max));
    for (uint32_t i = 0; i < header->stream_count; i++)
      tails_[i] = {static_cast<std::byte*>(pager.allocate(format::page_content_size)), 0, 0};
    for (Space const space : {Space::main, Space::companion}) {
      uint32_t end = 0;
      for (ExtentDisk const& extent : object.extents)
        if (detail::lies_in(extent.start, space) && extent.start + extent.count > end)
          end = extent.start + extent.count;
      if (end) pager.extend_to(end);
    }
  }

  // Appends to stream number `stream`. The sum of all sizes must be the planned byte_size at finish().
  void append(uint32_t stream, void const* bytes, size_t size) {
    auto const* from = static_cast<std::byte const*>(bytes);
    Tail& tail = tails_[stream];
    uint32_t room_total = header_->stream[stream].bytes_per_page;
    while (size > 0) {
      uint32_t part = room_total - tail.used;
      if (part > size) part = uint32_t(size);
      std::memcpy(tail.body + tail.used, from, part);
      tail.used += part;
      from += part;
      size -= part;
      if (tail.used == room_total) flush_tail(stream);
    }
  }

  // Appends `size` zero bytes.
  void append_zeros(uint32_t stream, uint64_t size) {
    static constexpr std::byte zeros[512]{};
    for (; size > 0; size -= size < sizeof zeros ? size : sizeof zeros)
      append(stream, zeros, size < sizeof zeros ? size : sizeof zeros);
  }

  // Makes what was appended to a stream readable. Requires that nothing more is appended to it.
  void flush_stream(uint32_t stream) {
    if (tails_[stream].used > 0) flush_tail(stream);
    flush_batch();
  }

  // Writes what is left and the header page. The object is complete afterwards, and still unreachable.
  Status finish() {
    for (uint32_t i = 0; i < header_->stream_count; i++) {
      if (tails_[i].used > 0) flush_tail(i);
      if (tails_[i].pages != header_->stream[i].page_count) return corrupt("stream is not as long as planned", i);
    }
    format::PageSpan page = next_page();
    format::init_page(page, format::PageKind::object_header, object_.id(), 0, sizeof *header_);
    std::memcpy(page.body(), header_, sizeof *header_);
    pages_[count_++] = {block_of(object_, 0), page.content};
    flush_batch();
    for (uint32_t i = 0; i < header_->stream_count; i++) pager_.release(tails_[i].body);
    pager_.release(tails_);
    pager_.release(contents_);
    return {};
  }

 private:
  struct Tail {
    std::byte* body;
    uint32_t used;   // bytes on the page being filled
    uint32_t pages;  // pages handed over
  };

  format::PageSpan next_page() {
    if (count_ == fresh_pages_max) flush_batch();
    return {contents_ + size_t(count_) * format::page_content_size};
  }

  void flush_tail(uint32_t stream) {
    Tail& tail = tails_[stream];
    uint32_t page_no = header_->stream[stream].first_page + tail.pages;
    format::PageSpan page = next_page();
    format::init_page(page, format::PageKind::stream, object_.id(), page_no, tail.used);
    std::memcpy(page.body(), tail.body, tail.used);
    pages_[count_++] = {block_of(object_, page_no), page.content};
    tail.used = 0;
    tail.pages++;
  }

  void flush_batch() {
    if (count_) pager_.write_fresh(pages_, count_);
    count_ = 0;
    pager_.check_interrupts();
  }

  P& pager_;
  ManifestObject const& object_;
  ObjectHeaderDisk* header_;
  std::byte* contents_;
  Tail* tails_;
  FreshPage pages_[fresh_pages_max];
  uint32_t count_ = 0;
};

// Writes a frame inside an edit in progress and makes it the frame of new rows. `mean` is in the new frame's own units.
template <Pager P>
Status add_frame(P& pager, IndexShape const& shape, Manifest& manifest, float const* mean, float unit, ObjectId* id) {
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  *header = ObjectHeaderDisk{};
  StreamPlan plan{StreamKind::mean, format::no_column, 4, format::page_body_size,
                  uint64_t(shape.padded_dim) * sizeof(float)};
  uint32_t page_count = plan_streams(&plan, 1, header).main;
  ManifestObject* object = add_object(pager, manifest, ObjectKind::frame, ObjectState::live);
  allocate_extents(pager, manifest, page_count, &object->extents);
  object->disk.page_count = page_count;
  header->id = object->disk.id;
  header->kind = ObjectKind::frame;
  header->unit = unit;
  ObjectWriter<P> writer(pager, *object, header);
  writer.append(0, mean, plan.byte_size);
  Status status = writer.finish();
  manifest.header.frame = object->disk.id;
  *id = object->id();
  pager.release(header);
  return status;
}

}  // namespace strata::store
