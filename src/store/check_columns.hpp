// The filter columns of a segment: every invariant of core/format/columns.hpp.
#pragma once
#include "core/sets/bloom.hpp"
#include "store/column_reader.hpp"
#include "store/ordered_codes.hpp"

namespace strata::store::detail {

// One whole stream of a column in pager memory.
template <Pager P>
Status load_column_stream(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, StreamKind kind,
                          uint32_t column, std::byte** bytes, uint64_t* size) {
  StreamDisk const* stream = find_stream(header, kind, format::stream_column(column));
  if (!stream) return corrupt("segment lacks a filter column", object.disk.id);
  *size = stream->byte_size;
  *bytes = static_cast<std::byte*>(pager.allocate(stream->byte_size + 8));
  return read_stream(pager, object, *stream, 0, stream->byte_size, *bytes);
}

struct LoadedColumn {
  std::byte *keys, *order, *summary, *bloom;  // bloom may be null
  uint64_t bloom_size;
  uint32_t key_size, row_count;
  std::byte const* nulls() const { return keys + size_t(row_count) * key_size; }
  uint64_t key(uint32_t row) const { return format::load_key(keys + size_t(row) * key_size, key_size); }
  uint32_t ordered(uint32_t at) const {
    uint32_t row;
    std::memcpy(&row, order + size_t(at) * sizeof row, sizeof row);
    return row;
  }
};

// `seen`: a zeroed bitmap of the rows.
inline Status check_column(LoadedColumn const& column, std::byte* seen, uint32_t id) {
  uint32_t const rows = column.row_count, padded = uint32_t(sets::bitmap_size(rows) * 8);
  uint32_t const blocks = uint32_t(column.bloom_size / sets::bloom_block_size);
  format::ColumnSummaryDisk summary, expected{UINT64_MAX, 0, 0, 0, 0};
  std::memcpy(&summary, column.summary, sizeof summary);
  if (sets::bitmap_any(column.nulls(), rows, padded)) return corrupt("filter column has NULLs past its end", id);
  uint64_t previous = 0;
  for (uint32_t at = 0; at < rows; at++) {
    uint32_t const row = column.ordered(at);
    if (row >= rows || !sets::bitmap_set(seen, row)) return corrupt("order of a filter column names a wrong row", id);
    bool const is_null = sets::bitmap_test(column.nulls(), row);
    uint64_t const key = column.key(row);
    uint64_t const fence = is_null ? UINT64_MAX : key;
    if (at % format::column_fence_rows == 0 &&
        std::memcmp(column.summary + sizeof summary + size_t(at / format::column_fence_rows) * 8, &fence, 8) != 0)
      return corrupt("fence of a filter column is wrong", id);
    if (is_null) {
      if (key != 0) return corrupt("NULL has a key", id);
      expected.null_count++;
      continue;
    }
    bool const first = at == 0;
    bool const ordered =
        expected.null_count == 0 && (first || key > previous || (key == previous && row > column.ordered(at - 1)));
    if (!ordered) return corrupt("order of a filter column is wrong", id);
    expected.distinct_count += first || key != previous;
    if (first) expected.min = key;
    expected.max = previous = key;
    if (column.bloom && !sets::bloom_may_contain(column.bloom, blocks, key))
      return corrupt("bloom filter denies a key of its column", id);
  }
  if (std::memcmp(&summary, &expected, sizeof summary) != 0) return corrupt("summary of a filter column is wrong", id);
  return {};
}

template <Pager P>
Status check_columns(P& pager, IndexShape const& shape, ManifestObject const& object, ObjectHeaderDisk const& header) {
  Status status = check_column_streams(shape.columns, header);
  size_t const seen_size = sets::bitmap_size(header.row_count) + 1;
  auto* seen = static_cast<std::byte*>(pager.allocate(seen_size));
  for (uint32_t at = 0; at < shape.columns.count && status.ok(); at++) {
    LoadedColumn column{};
    column.key_size = shape.columns.size[at];
    column.row_count = header.row_count;
    uint64_t ignored;
    auto load = [&](StreamKind kind, std::byte** bytes, uint64_t* size) {
      if (status.ok()) status = load_column_stream(pager, object, header, kind, at, bytes, size);
    };
    load(StreamKind::column, &column.keys, &ignored);
    load(StreamKind::column_order, &column.order, &ignored);
    load(StreamKind::column_summary, &column.summary, &ignored);
    if (format::column_has_bloom(column.key_size)) load(StreamKind::bloom, &column.bloom, &column.bloom_size);
    StreamDisk const* const codes = find_stream(header, StreamKind::column_codes, format::stream_column(at));
    if (status.ok() && codes) status = check_code_stream(shape, header, *codes);
    std::memset(seen, 0, seen_size);
    if (status.ok()) status = check_column(column, seen, object.disk.id);
    for (std::byte* bytes : {column.keys, column.order, column.summary, column.bloom})
      if (bytes) pager.release(bytes);
    pager.check_interrupts();
  }
  pager.release(seen);
  return status;
}

}  // namespace strata::store::detail
