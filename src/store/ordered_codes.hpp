// Scan codes made once more from the refine codes of a segment, in another order than that of its rows: of a filter
// column (stream `column_codes` of core/format/columns.hpp), or of second lists (store/spill_writer.hpp).
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

// The code of a row against `centroid` (null: the origin), made from its refine code: `z` is float[padded_dim] of
// scratch. Returns the squared residual.
inline float encode_again(IndexShape const& shape, std::byte const* refine, float const* centroid, float* z,
                          std::byte* block, uint32_t lane) {
  quant::decode_refine(shape.padded_dim, refine, z);
  float const residual2 = quant::encode_scan_row(shape.scan, z, centroid, block, lane);
  quant::RefineRowDisk code;
  std::memcpy(&code, refine, sizeof code);
  quant::widen_scan_row(shape.scan, math::half_to_float(code.error), block, lane);
  return residual2;
}

// Reads the refine codes of the segment being written back, in `order` (row_count rows of it), and appends a code for
// each: encode(at, refine, block, lane) -> Status makes that of order[at]. Rows without a direction have none.
template <Pager P, class Encode>
Status write_codes_in_order(P& pager, IndexShape const& shape, ManifestObject const& object,
                            ObjectHeaderDisk const& header, uint32_t const* order, uint32_t row_count,
                            ObjectWriter<P>& writer, uint32_t stream, Encode&& encode) {
  constexpr uint32_t ahead = 8;  // rows whose pages are asked for early
  uint32_t const block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits), size = shape.code_size,
                 stride = shape.refine_size;
  StreamDisk const& refine = *find_stream(header, StreamKind::refine_codes);
  auto* block = static_cast<std::byte*>(pager.allocate(block_bytes));
  auto* row = static_cast<std::byte*>(pager.allocate(size));
  Status status;
  for (uint32_t first = 0; first < row_count && status.ok(); first += quant::block_rows) {
    uint32_t const left = row_count - first, rows = left < quant::block_rows ? left : quant::block_rows;
    std::memset(block, 0, block_bytes);
    for (uint32_t lane = 0; lane < rows && status.ok(); lane++) {
      uint32_t const at = first + lane;
      if (at + ahead < row_count && order[at + ahead] < header.ranked_count)
        prefetch_stream(pager, object, refine, uint64_t(order[at + ahead]) * stride, size);
      if (order[at] >= header.ranked_count) continue;
      status = read_stream(pager, object, refine, uint64_t(order[at]) * stride, size, row);
      if (status.ok()) status = encode(at, row, block, lane);
    }
    writer.append(stream, block, block_bytes);
    if (first % 8192 == 0) pager.check_interrupts();
  }
  pager.release(row);
  pager.release(block);
  return status;
}

// The codes of all rows against the origin, in `order`.
template <Pager P>
Status write_ordered_codes(P& pager, IndexShape const& shape, ManifestObject const& object,
                           ObjectHeaderDisk const& header, uint32_t const* order, ObjectWriter<P>& writer,
                           uint32_t stream) {
  auto* z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  Status const status =
      write_codes_in_order(pager, shape, object, header, order, header.row_count, writer, stream,
                           [&](uint32_t, std::byte const* refine, std::byte* block, uint32_t lane) -> Status {
                             encode_again(shape, refine, nullptr, z, block, lane);
                             return {};
                           });
  pager.release(z);
  return status;
}

}  // namespace detail

}  // namespace strata::store
