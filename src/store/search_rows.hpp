// Rows of a search by their place: TIDs, delete bits, and the rows that have no distance to be ordered by.
#pragma once
#include "core/sets/bitmap.hpp"
#include "store/search_state.hpp"

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
};

template <Pager P>
Status tid_of(P& pager, Search const& search, uint32_t at, uint32_t row, Tid* tid, uint16_t* flags = nullptr,
              bool* deleted = nullptr) {
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
    auto const& header = page.as<format::GrowingPageDisk>();
    format::GrowingRowDisk stored;
    std::memcpy(&stored, page.body() + sizeof header + size_t(slot) * growing.entry_size, sizeof stored);
    *tid = format::load_tid(stored.tid);
    if (flags) *flags = stored.flags;
    if (deleted) *deleted = sets::bitmap_test(header.deleted, slot);
    return status;
  });
}

// Asks for what tid_of() reads.
template <Pager P>
void prefetch_tid(P& pager, Search const& search, uint32_t at, uint32_t row) {
  SearchSource const& source = search.sources[at];
  if (!source.growing) prefetch_stream(pager, *source.object, source.ids, uint64_t(row) * 6, 6);
}

// The next row of the iterator's pass that is not deleted, in no particular order; *found = false at the end.
template <Pager P>
Status next_row(P& pager, Search& search, RowIterator& iterator, Tid* tid, bool* found) {
  *found = false;
  for (; iterator.source < search.sources.count; iterator.source++, iterator.row = 0) {
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
      uint32_t row = iterator.row++;
      if ((row & 0x3FF) == 0) pager.check_interrupts();
      uint16_t flags = 0;
      bool deleted = false;
      Status status = source.growing ? Status{} : detail::is_deleted(pager, source, row, &deleted);
      if (status.ok() && !deleted) status = tid_of(pager, search, iterator.source, row, tid, &flags, &deleted);
      if (!status.ok()) return status;
      RowPass kind = flags & format::row_is_null   ? RowPass::null
                     : flags & format::row_is_zero ? RowPass::zero
                                                   : RowPass::ranked;
      if (deleted || (source.growing && kind != iterator.pass)) continue;
      *found = true;
      return {};
    }
  }
  return {};
}

}  // namespace strata::store
