// Rows of a search by their place: TIDs, delete bits, and the rows that have no distance to be ordered by.
#pragma once
#include "core/sets/bitmap.hpp"
#include "store/search_filter.hpp"

namespace strata::store {

namespace detail {

template <Pager P>
Status is_deleted(P& pager, SearchSource const& source, uint32_t row, bool* deleted) {
  *deleted = false;
  if (!source.has_deleted) return {};
  uint8_t byte = 0;
  Status status = read_stream(pager, *source.object, source.bitmap, row / 8, 1, &byte);
  *deleted = byte >> (row % 8) & 1;
  return status;
}

}  // namespace detail

// Where the rows of one kind lie, for rows that have no place in the order.
enum class RowPass : uint8_t { ranked, zero, null };

struct RowIterator {
  RowPass pass;
  uint32_t source;
  uint32_t row;
  uint32_t block = 0;  // number of the block (of a sealed source) or page group that was looked at, from 1; 0: none yet
  uint32_t mask = 0;   // sealed: rows of the block that pass the filter
  uint8_t slots[format::growing_page_rows_max / 8] = {};  // growing: rows of the group that belong to the pass
};

template <Pager P>
Status tid_of(P& pager, Search const& search, uint32_t at, uint32_t row, Tid* tid) {
  SearchSource const& source = search.sources[at];
  if (!source.growing) {
    std::byte bytes[6];
    Status status = read_stream(pager, *source.object, source.ids, uint64_t(row) * 6, sizeof bytes, bytes);
    *tid = format::load_tid(bytes);
    return status;
  }
  auto const& growing = search.shape.growing;
  uint32_t page_no = row / growing.capacity * growing.group_page_count, slot = row % growing.capacity;
  return pager.read(block_of(*source.object, page_no), [&](format::PageView page) {
    Status status = format::check_page(page, format::PageKind::growing, source.object->id(), page_no);
    if (!status.ok()) return status;
    format::GrowingRowDisk stored;
    std::memcpy(&stored, page.body() + sizeof(format::GrowingPageDisk) + size_t(slot) * growing.entry_size,
                sizeof stored);
    *tid = format::load_tid(stored.tid);
    return status;
  });
}

// copy[0, shape.copy_size) = the copy of its vector that a ranked row carries. Requires an index whose rows do.
template <Pager P>
Status copy_of(P& pager, Search& search, uint32_t at, uint32_t row, std::byte* copy) {
  SearchSource const& source = search.sources[at];
  IndexShape const& shape = search.shape;
  if (!source.growing)
    return read_stream(pager, *source.object, source.refine, uint64_t(row) * shape.refine_size + shape.code_size,
                       shape.copy_size, copy);
  uint32_t seen = 0;
  bool found = false;
  Status const status = visit_growing_group(pager, shape, *source.object, row / shape.growing.capacity, search.scratch,
                                            &seen, [&](uint64_t candidate, RowView const& view, bool) {
                                              if (candidate != row) return;
                                              found = true;
                                              std::memcpy(copy, view.refine + shape.code_size, shape.copy_size);
                                            });
  return status.ok() && !found ? corrupt("growing row is missing", row) : status;
}

template <Pager P>
void prefetch_copy(P& pager, Search const& search, uint32_t at, uint32_t row) {
  SearchSource const& source = search.sources[at];
  if (!source.growing)
    prefetch_stream(pager, *source.object, source.refine,
                    uint64_t(row) * search.shape.refine_size + search.shape.code_size, search.shape.copy_size);
}

// Asks for what tid_of() reads.
template <Pager P>
void prefetch_tid(P& pager, Search const& search, uint32_t at, uint32_t row) {
  SearchSource const& source = search.sources[at];
  if (!source.growing) prefetch_stream(pager, *source.object, source.ids, uint64_t(row) * 6, 6);
}

namespace detail {

inline RowPass pass_of(uint16_t flags) {
  return flags & format::row_is_null ? RowPass::null : flags & format::row_is_zero ? RowPass::zero : RowPass::ranked;
}

// Finds the rows of one page group that belong to the pass, pass the filter and are not deleted. Columns lie on the
// first page of a group.
template <Pager P>
Status look_at_group(P& pager, Search const& search, SearchSource const& source, RowIterator& iterator,
                     uint32_t group) {
  auto const& growing = search.shape.growing;
  uint32_t const page_no = group * growing.group_page_count;
  iterator.block = group + 1;
  std::memset(iterator.slots, 0, sizeof iterator.slots);
  return pager.read(block_of(*source.object, page_no), [&](format::PageView page) {
    Status status = format::check_page(page, format::PageKind::growing, source.object->id(), page_no);
    if (!status.ok()) return status;
    auto const& header = page.as<format::GrowingPageDisk>();
    uint32_t const rows = header.row_count < growing.capacity ? header.row_count : growing.capacity;
    for (uint32_t slot = 0; slot < rows; slot++) {
      std::byte const* const entry = page.body() + sizeof header + size_t(slot) * growing.entry_size;
      format::GrowingRowDisk stored;
      std::memcpy(&stored, entry, sizeof stored);
      if (pass_of(stored.flags) == iterator.pass && !sets::bitmap_test(header.deleted, slot) &&
          growing_passes(search, entry + sizeof stored, stored.hash))
        sets::bitmap_set(iterator.slots, slot);
    }
    return status;
  });
}

// *found: whether `row` is one to return; when not, the iterator stands on the next row to ask about.
template <Pager P>
Status try_growing_row(P& pager, Search const& search, SearchSource const& source, RowIterator& iterator, uint32_t row,
                       bool* found) {
  uint32_t const capacity = search.shape.growing.capacity, group = row / capacity, slot = row % capacity;
  *found = false;
  if (iterator.block != group + 1)
    if (Status status = look_at_group(pager, search, source, iterator, group); !status.ok()) return status;
  *found = sets::bitmap_test(iterator.slots, slot);
  if (!*found && !sets::bitmap_any(iterator.slots, slot, capacity)) iterator.row = (group + 1) * capacity;
  return {};
}

template <Pager P>
Status try_sealed_row(P& pager, Search& search, SearchSource const& source, RowIterator& iterator, uint32_t row,
                      bool* found) {
  *found = true;
  if (search.filter) {
    uint32_t const block = row / quant::block_rows;
    if (iterator.block != block + 1) {
      Status status = mask_blocks(pager, search, source, block, block + 1, &iterator.mask);
      if (!status.ok()) return status;
      iterator.block = block + 1;
    }
    uint32_t const left = iterator.mask >> (row % quant::block_rows);
    *found = left & 1;
    if (left == 0) iterator.row = (block + 1) * quant::block_rows;
    if (!*found) return {};
  }
  bool deleted;
  Status status = is_deleted(pager, source, row, &deleted);
  *found = !deleted;
  return status;
}

}  // namespace detail

// The next row of the iterator's pass that passes the filter and is not deleted, in no particular order; *found = false
// at the end.
template <Pager P>
Status next_row(P& pager, Search& search, RowIterator& iterator, Tid* tid, bool* found) {
  *found = false;
  for (; iterator.source < search.sources.count; iterator.source++, iterator.row = 0, iterator.block = 0) {
    SearchSource const& source = search.sources[iterator.source];
    uint32_t first = 0, end = source.row_count;
    if (!source.growing) {
      uint32_t zero_end = source.ranked_count + source.zero_count;
      first = iterator.pass == RowPass::ranked ? 0 : iterator.pass == RowPass::zero ? source.ranked_count : zero_end;
      end = iterator.pass == RowPass::ranked ? source.ranked_count
            : iterator.pass == RowPass::zero ? zero_end
                                             : source.row_count;
    }
    if (iterator.row < first) iterator.row = first;
    while (iterator.row < end) {
      uint32_t const row = iterator.row++;
      if ((row & 0x3FF) == 0) pager.check_interrupts();
      Status status = source.growing ? detail::try_growing_row(pager, search, source, iterator, row, found)
                                     : detail::try_sealed_row(pager, search, source, iterator, row, found);
      if (status.ok() && *found) status = tid_of(pager, search, iterator.source, row, tid);
      if (!status.ok() || *found) return status;
    }
  }
  return {};
}

}  // namespace strata::store
