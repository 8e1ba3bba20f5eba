// The meta page, block 0: what never changes about an index, and the pointer to the manifest in force.
//
// Written by: create (once), store/manifest (the pointer). Read by everyone, share lock.
//   M1  magic and format_version come first and never move.
//   M2  the manifest in force is the first manifest_size bytes of slot[active_slot], whose pages carry generation.
//   M3  only the slot that is not active is ever written, every page of it carrying the generation it was written for
//   (low
//       32 bits, in page_no of the tail); it becomes active by a change of this page. A reader that finds another
//       generation on a slot page was overtaken by two edits and starts again from this page.
// History: v1 as here; copy_size was zero at first, copy_kind later still.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/limits.hpp"
#include "core/base/metric.hpp"
#include "core/format/page.hpp"
#include "core/quant/rounded_copy.hpp"

namespace strata::format {

constexpr uint64_t meta_magic = 0x3149564153525453;  // "STRSAVI1", little-endian
constexpr uint32_t index_format_version = 1;

// How the value of a filter column lies in the entries.
enum class ColumnKind : uint8_t { none = 0, fixed = 1, hash = 2 };

struct ColumnDisk {
  ColumnKind kind;
  uint8_t size;   // bytes of a value: 1, 2, 4 or 8
  uint8_t flags;  // zero
  uint8_t reserved;
};
static_assert(sizeof(ColumnDisk) == 4 && std::has_unique_object_representations_v<ColumnDisk>);

// What lies behind the refine code of a row when MetaDisk.copy_size is not 0: the elements of its vector as they are in
// the table, or rounded to 16 bits (quant/rounded_copy.hpp).
enum class CopyKind : uint8_t { whole = 0, rounded = 1 };

struct SlotDisk {
  uint32_t start;  // first block
  uint32_t page_count;
};
static_assert(sizeof(SlotDisk) == 8 && offsetof(SlotDisk, page_count) == 4);

struct MetaDisk {
  uint64_t magic;
  uint32_t format_version;
  uint32_t flags;  // zero
  uint32_t dim;    // of the indexed vectors
  uint32_t padded_dim;
  Metric metric;
  uint8_t scan_bits;       // bits a dimension of first-stage codes
  uint8_t column_count;    // filter columns
  uint8_t copy_size;       // bytes a dimension of the copy of its vector that a row carries: 0 (no copy), 2 or 4
  uint32_t entry_size;     // bytes of a growing row: see growing.hpp
  uint64_t seed;           // of the rotation and of everything random
  uint64_t generation;     // of the manifest in force; grows by one with every edit
  uint32_t active_slot;    // 0 or 1
  uint32_t manifest_size;  // bytes
  SlotDisk slot[2];
  ColumnDisk column[filter_column_count_max];
  CopyKind copy_kind;
  uint8_t reserved[307];
};
static_assert(sizeof(MetaDisk) == 504 && offsetof(MetaDisk, seed) == 32 && offsetof(MetaDisk, slot) == 56 &&
              offsetof(MetaDisk, column) == 72 && offsetof(MetaDisk, copy_kind) == 196);
static_assert(std::has_unique_object_representations_v<MetaDisk>);

// Bytes of the copy of its vector that a row carries.
constexpr uint32_t copy_bytes(MetaDisk const& meta) {
  return meta.copy_kind == CopyKind::rounded ? quant::rounded_copy_size(meta.dim) : meta.dim * meta.copy_size;
}

inline Status check_meta(MetaDisk const& meta) {
  if (meta.magic != meta_magic) return corrupt("meta page has no magic number");
  if (meta.format_version != index_format_version)
    return corrupt("index has an unknown format version", meta.format_version);
  if (meta.dim == 0 || meta.dim > vector_dim_max ||
      meta.padded_dim != (meta.dim + padding_unit - 1) / padding_unit * padding_unit)
    return corrupt("meta page has impossible dimensions", meta.dim);
  if (int(meta.metric) < 1 || int(meta.metric) > 3 || meta.scan_bits < 1 || meta.scan_bits > 2 ||
      meta.column_count > indexed_column_count_max || meta.active_slot > 1 ||
      (meta.copy_size != 0 && meta.copy_size != 2 && meta.copy_size != 4) ||
      (meta.copy_kind != CopyKind::whole && (meta.copy_kind != CopyKind::rounded || meta.copy_size != 2)))
    return corrupt("meta page has impossible values");
  for (uint32_t i = 0; i < meta.column_count; i++) {
    ColumnDisk const& column = meta.column[i];
    bool sized = column.size == 1 || column.size == 2 || column.size == 4 || column.size == 8;
    if (!sized || (column.kind != ColumnKind::fixed && column.kind != ColumnKind::hash))
      return corrupt("meta page describes an impossible column", i);
  }
  for (SlotDisk const& slot : meta.slot)
    if (slot.start == 0 || slot.page_count == 0 || uint64_t(slot.start) + slot.page_count > UINT32_MAX)
      return corrupt("manifest slot lies outside of the index", slot.start);
  if (uint64_t(meta.manifest_size) > uint64_t(meta.slot[meta.active_slot].page_count) * page_body_size)
    return corrupt("manifest is larger than its slot");
  return {};
}

}  // namespace strata::format
