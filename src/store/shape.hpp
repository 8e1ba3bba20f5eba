// What follows from the meta page alone: sizes and kinds of everything an index holds.
#pragma once
#include "core/format/columns.hpp"
#include "core/format/growing.hpp"
#include "core/format/meta.hpp"
#include "core/quant/frame.hpp"
#include "core/quant/scan_code.hpp"
#include "store/pager.hpp"

namespace strata::store {

struct IndexShape {
  Metric metric;
  uint32_t dim;
  uint32_t padded_dim;
  uint64_t seed;
  quant::ScanShape scan;
  format::GrowingShape growing;
  uint32_t code_size;    // bytes of a refine code
  uint32_t copy_size;    // bytes of the copy of its vector that lies behind it; 0: none
  uint32_t refine_size;  // both together: a refine row
  format::CopyKind copy_kind;
  format::ColumnsShape columns;
};

inline IndexShape shape_of(format::MetaDisk const& meta) {
  format::ColumnsShape const columns = format::columns_shape(meta);
  uint32_t const code_size = quant::refine_row_size(meta.padded_dim), copy_size = format::copy_bytes(meta);
  return {meta.metric,
          meta.dim,
          meta.padded_dim,
          meta.seed,
          {meta.metric, meta.scan_bits, meta.padded_dim},
          format::growing_shape(meta.padded_dim, columns.total_size, copy_size),
          code_size,
          copy_size,
          code_size + copy_size,
          meta.copy_kind,
          columns};
}

// Whether rows of this shape can be inserted: a row is written by one action.
inline bool fits_one_action(IndexShape const& shape) {
  return shape.growing.group_page_count <= pages_per_action_max;
}

// Whether the parts of a meta page that passed format::check_meta() agree with each other.
inline Status check_shape(format::MetaDisk const& meta) {
  IndexShape const shape = shape_of(meta);
  if (meta.entry_size != shape.growing.entry_size) return corrupt("meta page has a wrong entry size", meta.entry_size);
  if (!fits_one_action(shape)) return corrupt("meta page describes rows that are too long", meta.entry_size);
  return {};
}

// Whether rows carry copies of their vectors that are known up to an error.
inline bool has_rounded_copies(IndexShape const& shape) {
  return shape.copy_size != 0 && shape.copy_kind == format::CopyKind::rounded;
}

// The copies of vectors in a new index; members as in MetaDisk.
struct CopyPlan {
  uint8_t size = 0;
  format::CopyKind kind = format::CopyKind::whole;
};
constexpr CopyPlan rounded_copies{2, format::CopyKind::rounded};

// The fixed part of the meta page of a new index. column_count <= indexed_column_count_max.
inline format::MetaDisk meta_for(uint32_t dim, Metric metric, uint64_t seed,
                                 format::ColumnDisk const* columns = nullptr, uint32_t column_count = 0,
                                 CopyPlan copies = {}) {
  format::MetaDisk meta{};
  meta.dim = dim;
  meta.padded_dim = quant::padded_dim_of(dim);
  meta.metric = metric;
  meta.scan_bits = uint8_t(quant::scan_bits_of(meta.padded_dim));
  meta.column_count = uint8_t(column_count);
  for (uint32_t i = 0; i < column_count; i++) meta.column[i] = columns[i];
  meta.copy_size = copies.size;
  meta.copy_kind = copies.kind;
  uint32_t const columns_size = format::columns_shape(meta).total_size;
  meta.entry_size = format::growing_shape(meta.padded_dim, columns_size, format::copy_bytes(meta)).entry_size;
  meta.seed = seed;
  return meta;
}

}  // namespace strata::store
