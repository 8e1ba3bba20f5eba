// The growing segment: one object a lane, rows appended in place (core/format/growing.hpp).
//
// Insert, in short (README.md has the whole protocol):
//   cursor -> exclusive lock on the page it names -> owner, sealed flag, room? append, one action
//   page of another owner or sealed -> the lane was frozen: read the manifest again
//   page full -> the next page; past the last page -> an edit adds a chunk of stamped pages, or a lane
#pragma once
#include "store/object_writer.hpp"

namespace strata::store {

constexpr uint32_t lane_count_max = 4;
constexpr uint32_t chunk_pages_max = 128;

// A row as it goes into the index and as it is read back. Pointers are borrowed.
struct RowView {
  Tid tid;
  uint16_t flags;  // format::row_is_null, format::row_is_zero
  uint64_t hash;
  std::byte const* columns;  // shape.growing.columns_size bytes
  std::byte const* refine;   // shape.refine_size bytes; meaningless when flags != 0
};

constexpr uint32_t unknown_list = UINT32_MAX;

// The scan code of a row where it lies now.
struct ScanCode {
  std::byte const* block;  // of the row's segment; null: the code has to be made
  uint32_t lane;
  float residual2;  // squared distance to the centroid: of the row, or the mean of its list
  uint32_t second_list = unknown_list;
};

// Where the next row of one lane goes. Kept by an inserting backend between rows.
struct GrowingCursor {
  ObjectId object = ObjectId::none;
  ObjectId frame = ObjectId::none;
  Array<ExtentDisk> extents;
  uint32_t group_count = 0;  // page groups the object has
  uint32_t group = 0;        // the group that may have room
};

namespace detail {

struct GroupState {
  Status status;
  uint32_t row_count;
  bool sealed;
};

template <Pager P>
GroupState group_state(P& pager, IndexShape const& shape, ManifestObject const& object, uint32_t group) {
  uint32_t page_no = group * shape.growing.group_page_count;
  return pager.read(block_of(object, page_no), [&](format::PageView page) {
    GroupState state{};
    state.status = format::check_page(page, format::PageKind::growing, object.id(), page_no);
    if (!state.status.ok()) return state;
    auto const& header = page.as<format::GrowingPageDisk>();
    state.row_count = header.row_count;
    state.sealed = header.flags & format::growing_sealed;
    if (state.row_count > shape.growing.capacity) state.status = corrupt("growing page claims too many rows", page_no);
    return state;
  });
}

}  // namespace detail

inline uint32_t group_count_of(IndexShape const& shape, ManifestObject const& object) {
  return object.disk.page_count / shape.growing.group_page_count;
}

// *group = the first group that is not full (G2), or the group count. Binary search: log2(pages) page reads.
template <Pager P>
Status find_growing_end(P& pager, IndexShape const& shape, ManifestObject const& object, uint32_t* group) {
  uint32_t low = 0, high = group_count_of(shape, object);
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    auto state = detail::group_state(pager, shape, object, middle);
    if (!state.status.ok()) return state.status;
    if (state.row_count == shape.growing.capacity && !state.sealed)
      low = middle + 1;
    else
      high = middle;
  }
  *group = low;
  return {};
}

// *rows = rows of the object, deleted ones included.
template <Pager P>
Status count_growing_rows(P& pager, IndexShape const& shape, ManifestObject const& object, uint64_t* rows) {
  uint32_t group = 0;
  *rows = 0;
  if (Status status = find_growing_end(pager, shape, object, &group); !status.ok()) return status;
  *rows = uint64_t(group) * shape.growing.capacity;
  if (group == group_count_of(shape, object)) return {};
  auto state = detail::group_state(pager, shape, object, group);
  *rows += state.row_count;
  return state.status;
}

// Rows of one group: fn(row_no in the object, RowView, deleted) for each, in order. For rows within one page fn runs
// under the page's share lock and must not call the pager. `scratch` holds shape.growing.entry_size bytes. *row_count =
// rows seen.
template <Pager P, class Fn>
Status visit_growing_group(P& pager, IndexShape const& shape, ManifestObject const& object, uint32_t group,
                           std::byte* scratch, uint32_t* row_count, Fn&& fn) {
  auto const& growing = shape.growing;
  uint32_t page_no = group * growing.group_page_count;
  auto view_of = [&growing](std::byte const* bytes) {
    format::GrowingRowDisk row;
    std::memcpy(&row, bytes, sizeof row);
    std::byte const* columns = bytes + sizeof row;
    return RowView{format::load_tid(row.tid), row.flags, row.hash, columns, columns + growing.columns_size};
  };
  *row_count = 0;
  bool whole = growing.group_page_count == 1, deleted = false;
  uint32_t gathered = 0;
  Status status = pager.read(block_of(object, page_no), [&](format::PageView page) {
    Status checked = format::check_page(page, format::PageKind::growing, object.id(), page_no);
    if (!checked.ok()) return checked;
    auto const& header = page.as<format::GrowingPageDisk>();
    if (header.row_count > growing.capacity) return corrupt("growing page claims too many rows", page_no);
    *row_count = header.row_count;
    std::byte const* rows = page.body() + sizeof header;
    if (!whole) {
      gathered = format::page_body_size - uint32_t(sizeof header);
      deleted = header.deleted[0] & 1;
      if (header.row_count) std::memcpy(scratch, rows, gathered);
      return checked;
    }
    for (uint32_t i = 0; i < header.row_count; i++)
      fn(uint64_t(group) * growing.capacity + i, view_of(rows + size_t(i) * growing.entry_size),
         bool(header.deleted[i / 8] >> (i % 8) & 1));
    return checked;
  });
  if (!status.ok() || whole || *row_count == 0) return status;
  for (uint32_t i = 1; i < growing.group_page_count; i++) {
    uint32_t part = growing.entry_size - gathered;
    if (part > format::page_body_size) part = format::page_body_size;
    status = pager.read(block_of(object, page_no + i), [&](format::PageView page) {
      Status checked = format::check_page(page, format::PageKind::growing_tail, object.id(), page_no + i);
      if (checked.ok()) std::memcpy(scratch + gathered, page.body(), part);
      return checked;
    });
    if (!status.ok()) return status;
    gathered += part;
  }
  fn(group, view_of(scratch), deleted);
  return {};
}

namespace detail {

// Stamps pages [first_page_no, ...) of a growing object before the manifest names them (G1).
template <Pager P>
void stamp_chunk(P& pager, IndexShape const& shape, ObjectId id, ExtentDisk const* extents, uint32_t extent_count,
                 uint32_t first_page_no) {
  auto* contents = static_cast<std::byte*>(pager.allocate(size_t(fresh_pages_max) * format::page_content_size));
  FreshPage pages[fresh_pages_max];
  uint32_t count = 0, page_no = first_page_no;
  for (uint32_t e = 0; e < extent_count; e++) {
    pager.extend_to(extents[e].start + extents[e].count);
    for (uint32_t i = 0; i < extents[e].count; i++, page_no++) {
      format::PageSpan page{contents + size_t(count) * format::page_content_size};
      bool first = page_no % shape.growing.group_page_count == 0;
      format::init_page(page, first ? format::PageKind::growing : format::PageKind::growing_tail, id, page_no,
                        first ? sizeof(format::GrowingPageDisk) : 0);
      pages[count++] = {BlockNo(extents[e].start + i), page.content};
      if (count == fresh_pages_max) {
        pager.write_fresh(pages, count);
        count = 0;
      }
    }
  }
  if (count) pager.write_fresh(pages, count);
  pager.release(contents);
}

// Adds a chunk to `object` inside an edit in progress: as many pages as it has, at least one group, at most
// chunk_pages_max.
template <Pager P>
void add_chunk(P& pager, IndexShape const& shape, Manifest& manifest, ManifestObject& object) {
  uint32_t group = shape.growing.group_page_count;
  uint32_t pages = object.disk.page_count < chunk_pages_max ? object.disk.page_count : chunk_pages_max;
  pages = pages < group ? group : pages / group * group;
  Array<ExtentDisk> chunk;
  allocate_extents(pager, manifest, pages, &chunk);
  stamp_chunk(pager, shape, object.id(), chunk.items, chunk.count, object.disk.page_count);
  for (ExtentDisk const& extent : chunk) {
    auto& extents = object.extents;
    if (extents.count && extents[extents.count - 1].start + extents[extents.count - 1].count == extent.start)
      extents[extents.count - 1].count += extent.count;
    else
      extents.push(pager, extent);
  }
  object.disk.page_count += pages;
}

}  // namespace detail

// The live growing object of `lane`, or null.
inline ManifestObject* find_lane(Manifest& manifest, uint32_t lane) {
  for (auto& object : manifest.objects)
    if (object.disk.kind == ObjectKind::growing && object.disk.state == ObjectState::live && object.disk.lane == lane)
      return &object;
  return nullptr;
}

}  // namespace strata::store
