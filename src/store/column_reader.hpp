// Reading the filter columns of a segment row by row, for rewrites and checks, which go mostly forward.
#pragma once
#include "core/sets/bitmap.hpp"
#include "core/sets/bloom.hpp"
#include "store/object_reader.hpp"

namespace strata::store {

// The columns of a segment have the streams that follow from its rows.
inline Status check_column_streams(format::ColumnsShape const& shape, ObjectHeaderDisk const& header) {
  for (uint32_t column = 0; column < shape.count; column++) {
    uint16_t const number = format::stream_column(column);
    StreamDisk const* values = find_stream(header, StreamKind::column, number);
    StreamDisk const* order = find_stream(header, StreamKind::column_order, number);
    StreamDisk const* summary = find_stream(header, StreamKind::column_summary, number);
    StreamDisk const* bloom = find_stream(header, StreamKind::bloom, number);
    bool const has_bloom = format::column_has_bloom(shape.size[column]);
    if (!values || !order || !summary || (has_bloom && !bloom))
      return corrupt("segment lacks a filter column", header.id);
    if (values->byte_size != format::column_stream_size(header.row_count, shape.size[column]) ||
        order->byte_size != uint64_t(header.row_count) * 4 ||
        summary->byte_size != format::column_summary_size(header.row_count) ||
        (has_bloom && (bloom->byte_size == 0 || bloom->byte_size % sets::bloom_block_size != 0 ||
                       bloom->bytes_per_page % sets::bloom_block_size != 0)))
      return corrupt("filter column does not match the rows of its segment", header.id);
  }
  return {};
}

struct ColumnReader {
  StreamCursor values[indexed_column_count_max];
  StreamCursor nulls[indexed_column_count_max];
  std::byte* columns;  // of the row read last, as they lie in a growing row
};

// *reader = null when the index has no columns.
template <Pager P>
Status open_columns(P& pager, format::ColumnsShape const& shape, ManifestObject const& object,
                    ObjectHeaderDisk const& header, ColumnReader** reader) {
  *reader = nullptr;
  if (shape.count == 0) return {};
  if (Status status = check_column_streams(shape, header); !status.ok()) return status;
  *reader = static_cast<ColumnReader*>(pager.allocate(sizeof(ColumnReader)));
  **reader = ColumnReader{};
  (*reader)->columns = static_cast<std::byte*>(pager.allocate(shape.total_size));
  for (uint32_t column = 0; column < shape.count; column++) {
    uint16_t const number = format::stream_column(column);
    for (StreamCursor* cursor : {&(*reader)->values[column], &(*reader)->nulls[column]})
      if (Status status = open_stream(pager, object, header, StreamKind::column, 8, cursor, number); !status.ok())
        return status;
  }
  return {};
}

template <Pager P>
void close_columns(P& pager, ColumnReader* reader) {
  if (!reader) return;
  for (StreamCursor& cursor : reader->values) close_stream(pager, &cursor);
  for (StreamCursor& cursor : reader->nulls) close_stream(pager, &cursor);
  pager.release(reader->columns);
  pager.release(reader);
}

// reader.columns = the columns of `row`.
template <Pager P>
Status read_columns(P& pager, format::ColumnsShape const& shape, ManifestObject const& object, uint32_t row_count,
                    ColumnReader& reader, uint32_t row) {
  std::memset(reader.columns, 0, shape.total_size);
  for (uint32_t column = 0; column < shape.count; column++) {
    uint32_t const size = shape.size[column];
    std::byte const *key, *nulls;
    Status status = next_bytes(pager, object, reader.values[column], uint64_t(row) * size, size, &key);
    if (!status.ok()) return status;
    uint64_t const value = format::load_key(key, size);
    status = next_bytes(pager, object, reader.nulls[column], uint64_t(row_count) * size + row / 8, 1, &nulls);
    if (!status.ok()) return status;
    format::set_column(shape, column, value, sets::bitmap_test(nulls, row % 8), reader.columns);
  }
  return {};
}

}  // namespace strata::store
