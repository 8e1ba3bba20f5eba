// Where the rows with a key lie in a segment: fences in the summary, then a binary search in the order of one column.
#pragma once
#include "core/segment/filter.hpp"
#include "store/column_reader.hpp"

namespace strata::store {

// One column of a segment, opened for a search. Trivial; memory is the pager's.
struct ColumnView {
  StreamDisk values, order, bloom, codes;  // byte_size 0 of bloom and codes: there are none
  format::ColumnSummaryDisk summary;
  std::byte const* fences;
  uint32_t key_size;
  uint32_t row_count;
  uint32_t filled_count() const { return row_count - summary.null_count; }  // rows that are not NULL
  uint64_t fence(uint32_t at) const {
    uint64_t key;
    std::memcpy(&key, fences + size_t(at) * sizeof key, sizeof key);
    return key;
  }
};

// Entries [first, end) of the order of a column.
struct OrderRange {
  uint32_t first, end;
};

template <Pager P>
Status open_column(P& pager, format::ColumnsShape const& shape, ManifestObject const& object,
                   ObjectHeaderDisk const& header, uint32_t column, ColumnView* view) {
  uint16_t const number = format::stream_column(column);
  StreamDisk const* bloom = find_stream(header, StreamKind::bloom, number);
  StreamDisk const* summary = find_stream(header, StreamKind::column_summary, number);
  StreamDisk const* codes = find_stream(header, StreamKind::column_codes, number);
  *view = ColumnView{};
  view->values = *find_stream(header, StreamKind::column, number);
  view->order = *find_stream(header, StreamKind::column_order, number);
  if (bloom) view->bloom = *bloom;
  if (codes) view->codes = *codes;
  view->key_size = shape.size[column];
  view->row_count = header.row_count;
  std::byte const* bytes;
  Status status = cached_stream(pager, object, *summary, &bytes);
  if (status.ok() && !bytes) {
    void* const read = pager.allocate(summary->byte_size);
    status = read_stream(pager, object, *summary, 0, summary->byte_size, read);
    bytes = static_cast<std::byte const*>(read);
  }
  if (!status.ok()) return status;
  std::memcpy(&view->summary, bytes, sizeof view->summary);
  view->fences = bytes + sizeof view->summary;
  if (view->summary.null_count > view->row_count) return corrupt("summary of a filter column is wrong", object.disk.id);
  return {};
}

// Whether a bloom filter lets a key through.
template <Pager P>
Status test_bloom(P& pager, ManifestObject const& object, StreamDisk const& bloom, uint64_t key, bool* may_contain) {
  std::byte block[sets::bloom_block_size];
  uint32_t const blocks = uint32_t(bloom.byte_size / sets::bloom_block_size);
  uint64_t const at = uint64_t(sets::bloom_block_of(blocks, key)) * sets::bloom_block_size;
  Status const status = read_stream(pager, object, bloom, at, sizeof block, block);
  *may_contain = status.ok() && sets::bloom_test_block(block, key);
  return status;
}

// *position = entries of the order, NULLs left out, whose key is below `key`.
template <Pager P>
Status find_key(P& pager, ManifestObject const& object, ColumnView const& view, uint64_t key, uint32_t* position) {
  uint32_t const filled = view.filled_count();
  uint32_t low = 0, high = (filled + format::column_fence_rows - 1) / format::column_fence_rows;
  while (low < high) {  // the first fence that is not below
    uint32_t const middle = low + (high - low) / 2;
    if (view.fence(middle) < key)
      low = middle + 1;
    else
      high = middle;
  }
  *position = 0;
  if (low == 0) return {};
  uint32_t first = (low - 1) * format::column_fence_rows;
  uint32_t end = first + format::column_fence_rows < filled ? first + format::column_fence_rows : filled;
  uint32_t const base = first;
  uint32_t rows[format::column_fence_rows];
  Status status = read_stream(pager, object, view.order, uint64_t(first) * 4, uint64_t(end - first) * 4, rows);
  while (status.ok() && first < end) {
    uint32_t const middle = first + (end - first) / 2, row = rows[middle - base];
    if (row >= view.row_count) return corrupt("order of a filter column names a wrong row", object.disk.id);
    std::byte bytes[8];
    status = read_stream(pager, object, view.values, uint64_t(row) * view.key_size, view.key_size, bytes);
    if (format::load_key(bytes, view.key_size) < key)
      first = middle + 1;
    else
      end = middle;
  }
  *position = first;
  return status;
}

template <Pager P>
Status find_range(P& pager, ManifestObject const& object, ColumnView const& view, uint64_t low, uint64_t high,
                  OrderRange* range) {
  *range = {0, view.filled_count()};
  Status status;
  if (low > view.summary.min) status = find_key(pager, object, view, low, &range->first);
  if (status.ok() && high < view.summary.max) status = find_key(pager, object, view, high + 1, &range->end);
  if (range->end < range->first) range->end = range->first;
  return status;
}

// Calls fn(OrderRange) -> Status for the entries that pass.
template <Pager P, class Fn>
Status for_each_range(P& pager, ManifestObject const& object, ColumnView const& view,
                      segment::Condition const& condition, Fn&& fn) {
  using segment::Test;
  uint32_t const filled = view.filled_count();
  OrderRange range{};
  switch (condition.test) {
    case Test::never:
      return {};
    case Test::null:
      return fn(OrderRange{filled, view.row_count});
    case Test::not_null:
      return fn(OrderRange{0, filled});
    case Test::range:
      if (Status status = find_range(pager, object, view, condition.low, condition.high, &range); !status.ok())
        return status;
      return fn(range);
    case Test::any_of:
      break;
  }
  for (uint32_t i = 0; i < condition.key_count; i++) {
    uint64_t const key = condition.keys[i];
    if (key < view.summary.min || key > view.summary.max) continue;
    if (Status status = find_range(pager, object, view, key, key, &range); !status.ok()) return status;
    if (Status status = fn(range); !status.ok()) return status;
  }
  return {};
}

// Sets the bits of the rows at these entries.
template <Pager P>
Status mark_range(P& pager, ManifestObject const& object, ColumnView const& view, OrderRange range, uint8_t* bits) {
  bool strange = false;
  Status const status = visit_stream(pager, object, view.order, uint64_t(range.first) * 4,
                                     uint64_t(range.end - range.first) * 4, [&](std::byte const* bytes, uint32_t size) {
                                       for (uint32_t at = 0; at < size; at += 4) {
                                         uint32_t row;
                                         std::memcpy(&row, bytes + at, sizeof row);
                                         if (row < view.row_count)
                                           sets::bitmap_set(bits, row);
                                         else
                                           strange = true;
                                       }
                                     });
  return status.ok() && strange ? corrupt("order of a filter column names a wrong row", object.disk.id) : status;
}

}  // namespace strata::store
