// Scan codes in the order of a filter column: stream `column_codes` of core/format/columns.hpp.
#pragma once
#include <cstring>

#include "core/math/half.hpp"
#include "core/quant/refine_code.hpp"
#include "core/quant/scan_code.hpp"
#include "store/object_writer.hpp"

namespace strata::store {

// The stream has the size that follows from the rows of its segment.
inline Status check_code_stream(IndexShape const& shape, ObjectHeaderDisk const& header, StreamDisk const& codes) {
  uint64_t const blocks = (uint64_t(header.row_count) + quant::block_rows - 1) / quant::block_rows;
  if (codes.byte_size != blocks * quant::block_size(shape.padded_dim, shape.scan.bits) ||
      codes.bytes_per_page % quant::unit_size != 0)
    return corrupt("codes in the order of a filter column do not match the rows of their segment", header.id);
  return {};
}

namespace detail {

// The code of a row against the origin, made from its refine code: `z` is float[padded_dim] of scratch.
inline void encode_ordered(IndexShape const& shape, std::byte const* refine, float* z, std::byte* block,
                           uint32_t lane) {
  quant::decode_refine(shape.padded_dim, refine, z);
  quant::encode_scan_row(shape.scan, z, nullptr, block, lane);
  quant::RefineRowDisk code;
  std::memcpy(&code, refine, sizeof code);
  quant::widen_scan_row(shape.scan, math::half_to_float(code.error), block, lane);
}

// Reads the refine codes of the segment being written back, in `order` (of all its rows), and appends a code for each.
template <Pager P>
Status write_ordered_codes(P& pager, IndexShape const& shape, ManifestObject const& object,
                           ObjectHeaderDisk const& header, uint32_t const* order, ObjectWriter<P>& writer,
                           uint32_t stream) {
  constexpr uint32_t ahead = 8;  // rows whose pages are asked for early
  uint32_t const block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits), size = shape.code_size,
                 stride = shape.refine_size;
  StreamDisk const& refine = *find_stream(header, StreamKind::refine_codes);
  auto* block = static_cast<std::byte*>(pager.allocate(block_bytes));
  auto* row = static_cast<std::byte*>(pager.allocate(size));
  auto* z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  Status status;
  for (uint32_t first = 0; first < header.row_count && status.ok(); first += quant::block_rows) {
    uint32_t const left = header.row_count - first, rows = left < quant::block_rows ? left : quant::block_rows;
    std::memset(block, 0, block_bytes);
    for (uint32_t lane = 0; lane < rows && status.ok(); lane++) {
      uint32_t const at = first + lane;
      if (at + ahead < header.row_count && order[at + ahead] < header.ranked_count)
        prefetch_stream(pager, object, refine, uint64_t(order[at + ahead]) * stride, size);
      if (order[at] >= header.ranked_count) continue;  // a row without a direction
      status = read_stream(pager, object, refine, uint64_t(order[at]) * stride, size, row);
      if (status.ok()) encode_ordered(shape, row, z, block, lane);
    }
    writer.append(stream, block, block_bytes);
    if (first % 8192 == 0) pager.check_interrupts();
  }
  pager.release(z);
  pager.release(row);
  pager.release(block);
  return status;
}

}  // namespace detail

}  // namespace strata::store
