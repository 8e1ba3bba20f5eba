// Filter columns: keys of 1, 2, 4 or 8 bytes and a null bit, for every entry.
//
//   growing row:        | key of column 0 | key of column 1 | ... | null bits, bit c of byte c / 8 |
//   stream `column`:    | keys of all rows, in their order | null bits, bit r of byte r / 8 |
//   stream `column_order`:   row numbers (u32) in the order of their keys, rows with equal keys ascending, NULLs last
//   stream `column_summary`: ColumnSummaryDisk, then the keys (u64) of every column_fence_rows-th entry of the order
//   stream `bloom` (columns of 4 or 8 bytes): the keys that are not NULL
//   stream `column_codes` (first column of segments with lists, may be absent): scan codes against the origin, one for
//       each entry of the order in its place, so that rows with one key are scanned as if they were alone; lanes of
//       rows without codes are zero
//
//   C1  a key is an unsigned little-endian number. Of a column of kind `fixed` keys have the order of the values, of
//   kind
//       `hash` equal values have equal keys and nothing more.
//   C2  the key of NULL is zero.
//   C3  fences of NULLs are UINT64_MAX.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/format/meta.hpp"

namespace strata::format {

constexpr uint32_t column_fence_rows = 1024;

struct ColumnSummaryDisk {
  uint64_t min;             // over keys that are not NULL; when there are none: UINT64_MAX
  uint64_t max;             // the same: 0
  uint32_t null_count;      // rows
  uint32_t distinct_count;  // keys
  uint64_t reserved;        // zero
};
static_assert(sizeof(ColumnSummaryDisk) == 32 && offsetof(ColumnSummaryDisk, null_count) == 16 &&
              std::has_unique_object_representations_v<ColumnSummaryDisk>);

// Sizes that follow from the columns of an index.
struct ColumnsShape {
  uint32_t count;
  uint32_t null_offset;  // bytes of the keys of a row, its null bits come next
  uint32_t total_size;   // bytes of a row's columns
  uint8_t size[indexed_column_count_max];
  uint8_t offset[indexed_column_count_max];
};
static_assert(indexed_column_count_max * 8 <= 128);

inline ColumnsShape columns_shape(MetaDisk const& meta) {
  ColumnsShape shape{};
  shape.count = meta.column_count;
  for (uint32_t i = 0; i < shape.count && i < indexed_column_count_max; i++) {
    shape.size[i] = meta.column[i].size;
    shape.offset[i] = uint8_t(shape.null_offset);
    shape.null_offset += shape.size[i];
  }
  shape.total_size = shape.null_offset + (shape.count + 7) / 8;
  return shape;
}

inline uint64_t load_key(std::byte const* bytes, uint32_t size) {
  uint64_t key = 0;
  std::memcpy(&key, bytes, size);
  return key;
}
inline void store_key(uint64_t key, uint32_t size, std::byte* bytes) {
  std::memcpy(bytes, &key, size);
}
inline bool column_is_null(ColumnsShape const& shape, std::byte const* columns, uint32_t column) {
  return uint8_t(columns[shape.null_offset + column / 8]) >> (column % 8) & 1;
}
inline void set_column(ColumnsShape const& shape, uint32_t column, uint64_t key, bool is_null, std::byte* columns) {
  store_key(is_null ? 0 : key, shape.size[column], columns + shape.offset[column]);
  if (is_null) columns[shape.null_offset + column / 8] |= std::byte(1 << (column % 8));
}

// Sizes of the streams of one column.
inline uint64_t column_stream_size(uint64_t row_count, uint32_t key_size) {
  return row_count * key_size + (row_count + 7) / 8;
}
inline uint32_t column_fence_count(uint64_t row_count) {
  return uint32_t((row_count + column_fence_rows - 1) / column_fence_rows);
}
inline uint64_t column_summary_size(uint64_t row_count) {
  return sizeof(ColumnSummaryDisk) + uint64_t(column_fence_count(row_count)) * sizeof(uint64_t);
}
// Small keys have so few values that minimum and maximum serve as well.
inline bool column_has_bloom(uint32_t key_size) {
  return key_size >= 4;
}
// The codes of the rows once more, in the order of this column: worth their bytes for one column only, and not for one
// of two values. Users put the column that selects most first.
constexpr bool column_has_codes(uint32_t column, uint32_t key_size) {
  return column == 0 && key_size >= 2;
}
// Number of the column in StreamDisk.
inline uint16_t stream_column(uint32_t column) {
  return uint16_t(column + 1);
}

}  // namespace strata::format
