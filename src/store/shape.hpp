// What follows from the meta page alone: sizes and kinds of everything an index holds.
#pragma once
#include "core/format/growing.hpp"
#include "core/format/meta.hpp"
#include "core/quant/frame.hpp"
#include "core/quant/scan_code.hpp"

namespace strata::store {

struct IndexShape {
  Metric metric;
  uint32_t dim;
  uint32_t padded_dim;
  uint64_t seed;
  quant::ScanShape scan;
  format::GrowingShape growing;
  uint32_t refine_size;  // bytes of a refine row
};

inline uint32_t columns_size(format::MetaDisk const& meta) {
  uint32_t size = 0;
  for (uint32_t i = 0; i < meta.column_count; i++) size += meta.column[i].size;
  return size;
}

inline IndexShape shape_of(format::MetaDisk const& meta) {
  return {meta.metric,
          meta.dim,
          meta.padded_dim,
          meta.seed,
          {meta.metric, meta.scan_bits, meta.padded_dim},
          format::growing_shape(meta.padded_dim, columns_size(meta)),
          quant::refine_row_size(meta.padded_dim)};
}

// The fixed part of the meta page of a new index without filter columns.
inline format::MetaDisk meta_for(uint32_t dim, Metric metric, uint64_t seed) {
  format::MetaDisk meta{};
  meta.dim = dim;
  meta.padded_dim = quant::padded_dim_of(dim);
  meta.metric = metric;
  meta.scan_bits = uint8_t(quant::scan_bits_of(meta.padded_dim));
  meta.entry_size = format::growing_shape(meta.padded_dim, 0).entry_size;
  meta.seed = seed;
  return meta;
}

}  // namespace strata::store
