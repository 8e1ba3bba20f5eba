// First-stage scan of blocks that lie one after the other in a stream and straddle its pages.
#pragma once
#include <algorithm>
#include <limits>

#include "store/search_state.hpp"

namespace strata::store {

// lower_bounds[(block - first_block) * 32 + lane] = bound of every row of [first_block, end_block), in frame units.
template <Pager P>
Status scan_stream(P& pager, IndexShape const& shape, ManifestObject const& object, StreamDisk const& stream,
                   quant::QueryTable const* table, uint32_t first_block, uint32_t end_block,
                   quant::ScanBounds const& bounds, float* lower_bounds) {
  uint32_t const block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits);
  uint32_t const code_bytes = block_bytes - quant::block_factors_size;
  uint32_t done = 0;  // bytes of the block in progress
  uint32_t sums[quant::block_rows];
  std::byte factors[quant::block_factors_size];
  auto piece = [&](std::byte const* bytes, uint32_t part) {
    while (part > 0) {
      if (done == 0 && part >= block_bytes) {
        quant::scan_block(table, bytes, bounds, lower_bounds);
        lower_bounds += quant::block_rows;
        bytes += block_bytes;
        part -= block_bytes;
        continue;
      }
      if (done == 0) std::memset(sums, 0, sizeof sums);
      uint32_t take;
      if (done < code_bytes) {
        take = part < code_bytes - done ? part : code_bytes - done;
        quant::scan_fragment(table, bytes, done / quant::unit_size, take / quant::unit_size, sums);
      } else {
        take = part < block_bytes - done ? part : block_bytes - done;
        std::memcpy(factors + (done - code_bytes), bytes, take);
      }
      done += take;
      bytes += take;
      part -= take;
      if (done == block_bytes) {
        quant::finish_block(table, sums, factors, bounds, lower_bounds);
        lower_bounds += quant::block_rows;
        done = 0;
      }
    }
  };
  return visit_stream(pager, object, stream, uint64_t(first_block) * block_bytes,
                      uint64_t(end_block - first_block) * block_bytes, piece);
}

}  // namespace strata::store
