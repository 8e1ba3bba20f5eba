// Writing the filter columns of a segment (core/format/columns.hpp): keys as rows come, order, summary and bloom filter
// at the end. All keys are kept in memory until then: key size plus an eighth, and four bytes while the order is made.
#pragma once
#include <algorithm>

#include "core/sets/bitmap.hpp"
#include "core/sets/bloom.hpp"
#include "store/object_writer.hpp"
#include "store/shape.hpp"

namespace strata::store {

constexpr uint32_t column_stream_count = 4;  // of one column, at most; the first may have one more

namespace detail {

constexpr uint32_t bloom_page_size = format::page_body_size / sets::bloom_block_size * sets::bloom_block_size;

// Adds the streams of all columns to `plans`; returns how many there are. `code_block_bytes`: of a block of scan codes;
// 0: the segment has no lists, and no codes in the order of a column.
inline uint32_t plan_columns(format::ColumnsShape const& shape, uint64_t rows, uint32_t code_block_bytes,
                             StreamPlan* plans) {
  uint32_t count = 0;
  for (uint32_t column = 0; column < shape.count; column++) {
    uint32_t const size = shape.size[column];
    uint16_t const number = format::stream_column(column);
    constexpr uint32_t body = format::page_body_size;
    plans[count++] = {StreamKind::column, number, size, body, format::column_stream_size(rows, size)};
    plans[count++] = {StreamKind::column_order, number, 4, body, rows * 4};
    plans[count++] = {StreamKind::column_summary, number, 0, body, format::column_summary_size(rows)};
    if (format::column_has_bloom(size)) {
      uint64_t const bloom = uint64_t(sets::bloom_block_count(rows)) * sets::bloom_block_size;
      plans[count++] = {StreamKind::bloom, number, sets::bloom_block_size, bloom_page_size, bloom};
    }
    if (code_block_bytes == 0 || !format::column_has_codes(column, size)) continue;
    uint64_t const blocks = (rows + quant::block_rows - 1) / quant::block_rows;
    plans[count++] = {StreamKind::column_codes, number, code_block_bytes, format::scan_stream_bytes_per_page,
                      blocks * code_block_bytes};
  }
  return count;
}

}  // namespace detail

template <Pager P>
class ColumnWriter {
 public:
  // `first_stream`: number of the first stream that plan_columns() made.
  ColumnWriter(P& pager, format::ColumnsShape const& shape, uint32_t row_count, uint32_t first_stream)
      : pager_(pager), shape_(shape), row_count_(row_count), stream_(first_stream) {
    for (uint32_t column = 0; column < shape.count; column++) {
      size_t const size = size_t(format::column_stream_size(row_count, shape.size[column]));
      values_[column] = static_cast<std::byte*>(pager.allocate(size + 1));
      std::memset(values_[column], 0, size + 1);
    }
  }

  // `columns` of row number `row`, as they lie in a growing row.
  void set(uint32_t row, std::byte const* columns) {
    for (uint32_t column = 0; column < shape_.count; column++) {
      uint32_t const size = shape_.size[column];
      std::memcpy(values_[column] + size_t(row) * size, columns + shape_.offset[column], size);
      if (format::column_is_null(shape_, columns, column)) sets::bitmap_set(nulls_of(column), row);
    }
  }

  // Calls write_codes(order, stream) -> Status where the codes in the order of a column go, if the segment has any.
  template <class Fn>
  Status finish(ObjectWriter<P>& writer, ObjectHeaderDisk const& header, Fn&& write_codes) {
    Status status;
    if (shape_.count == 0) return status;
    auto* order = static_cast<uint32_t*>(pager_.allocate((size_t(row_count_) + 1) * sizeof(uint32_t)));
    for (uint32_t column = 0; column < shape_.count; column++) {
      writer.append(stream_++, values_[column], format::column_stream_size(row_count_, shape_.size[column]));
      sort_rows(column, order);
      writer.append(stream_++, order, size_t(row_count_) * sizeof(uint32_t));
      write_summary(writer, column, order);
      if (format::column_has_bloom(shape_.size[column])) write_bloom(writer, column);
      pager_.release(values_[column]);
      if (status.ok() && find_stream(header, StreamKind::column_codes, format::stream_column(column)))
        status = write_codes(order, stream_++);
    }
    pager_.release(order);
    return status;
  }

 private:
  std::byte* nulls_of(uint32_t column) { return values_[column] + size_t(row_count_) * shape_.size[column]; }
  uint64_t key_of(uint32_t column, uint32_t row) {
    return format::load_key(values_[column] + size_t(row) * shape_.size[column], shape_.size[column]);
  }

  template <class Key>
  void sort_keys(uint32_t column, uint32_t* order, uint32_t count) {
    auto key = [values = values_[column]](uint32_t row) {
      Key loaded;
      std::memcpy(&loaded, values + size_t(row) * sizeof(Key), sizeof loaded);
      return loaded;
    };
    std::sort(order, order + count, [key](uint32_t a, uint32_t b) {
      Key const x = key(a), y = key(b);
      return x != y ? x < y : a < b;
    });
  }

  // Leaves the number of rows that are not NULL in filled_.
  void sort_rows(uint32_t column, uint32_t* order) {
    std::byte const* nulls = nulls_of(column);
    uint32_t at = 0;
    for (uint32_t row = 0; row < row_count_; row++)
      if (!sets::bitmap_test(nulls, row)) order[at++] = row;
    filled_ = at;
    for (uint32_t row = 0; row < row_count_; row++)
      if (sets::bitmap_test(nulls, row)) order[at++] = row;
    switch (shape_.size[column]) {
      case 1:
        return sort_keys<uint8_t>(column, order, filled_);
      case 2:
        return sort_keys<uint16_t>(column, order, filled_);
      case 4:
        return sort_keys<uint32_t>(column, order, filled_);
      default:
        return sort_keys<uint64_t>(column, order, filled_);
    }
  }

  void write_summary(ObjectWriter<P>& writer, uint32_t column, uint32_t const* order) {
    format::ColumnSummaryDisk summary{UINT64_MAX, 0, row_count_ - filled_, 0, 0};
    uint64_t previous = 0;
    for (uint32_t at = 0; at < filled_; at++) {
      uint64_t const key = key_of(column, order[at]);
      summary.distinct_count += at == 0 || key != previous;
      previous = key;
    }
    if (filled_) {
      summary.min = key_of(column, order[0]);
      summary.max = previous;
    }
    writer.append(stream_, &summary, sizeof summary);
    for (uint64_t at = 0; at < row_count_; at += format::column_fence_rows) {
      uint64_t const fence = at < filled_ ? key_of(column, order[at]) : UINT64_MAX;
      writer.append(stream_, &fence, sizeof fence);
    }
    stream_++;
  }

  void write_bloom(ObjectWriter<P>& writer, uint32_t column) {
    uint32_t const blocks = sets::bloom_block_count(row_count_);
    size_t const size = size_t(blocks) * sets::bloom_block_size;
    void* const bloom = pager_.allocate(size);
    std::memset(bloom, 0, size);
    std::byte const* nulls = nulls_of(column);
    for (uint32_t row = 0; row < row_count_; row++)
      if (!sets::bitmap_test(nulls, row)) sets::bloom_add(bloom, blocks, key_of(column, row));
    writer.append(stream_++, bloom, size);
    pager_.release(bloom);
  }

  P& pager_;
  format::ColumnsShape const& shape_;
  uint32_t row_count_;
  uint32_t stream_;
  uint32_t filled_ = 0;
  std::byte* values_[indexed_column_count_max] = {};
};

}  // namespace strata::store
