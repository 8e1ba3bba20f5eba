// Pages of a growing segment: rows in the order of their arrival, appended in place.
//
//   0                    40
//   | GrowingPageDisk     | row 0 | row 1 | ...                    row = GrowingRowDisk | columns | refine row | copy
//
// A row that does not fit a page takes a group of pages: the first as above with one row, the others (growing_tail)
// carry the bytes that follow. group_page_count and capacity follow from entry_size alone.
//   G1  every page of a growing object carries its id from before the object's manifest entry names the page.
//   G2  pages fill in order: a page with row_count > 0 follows pages that are full.
//   G3  rows [0, row_count) never change, but for their bit in `deleted`.
//   G4  flag sealed: nothing is appended to this page or any page after it, for ever. It is set only after the object
//       was frozen in the manifest.
//   G5  the bytes in use end with the last row; bits of `deleted` at and past row_count are zero.
// Written by: insert (append), vacuum (deleted), seal (sealed flag). Read by: search, vacuum, seal, merge.
// The copy of the vector is there when MetaDisk.copy_size says so, of the kind that copy_kind says. History: v1 as
// here, first without copies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/limits.hpp"
#include "core/format/page.hpp"
#include "core/quant/refine_code.hpp"

namespace strata::format {

constexpr uint16_t growing_sealed = 1;
constexpr uint32_t growing_page_rows_max = 256;

struct GrowingPageDisk {
  uint16_t row_count;
  uint16_t flags;  // growing_sealed
  uint32_t reserved;
  uint8_t deleted[growing_page_rows_max / 8];
};
static_assert(sizeof(GrowingPageDisk) == 40 && std::has_unique_object_representations_v<GrowingPageDisk>);

constexpr uint16_t row_is_null = 1;  // the vector is NULL: no codes
constexpr uint16_t row_is_zero = 2;  // the vector is zero under cosine: no codes

struct GrowingRowDisk {
  uint16_t tid[3];  // block high, block low, offset, as in ItemPointerData
  uint16_t flags;
  uint64_t hash;  // of the canonical vector
};
static_assert(sizeof(GrowingRowDisk) == 16 && std::has_unique_object_representations_v<GrowingRowDisk>);

inline Tid load_tid(void const* bytes) {
  uint16_t part[3];
  std::memcpy(part, bytes, sizeof part);
  return Tid::of(uint32_t(part[0]) << 16 | part[1], part[2]);
}
inline void store_tid(Tid tid, void* bytes) {
  uint16_t part[3] = {uint16_t(tid.block() >> 16), uint16_t(tid.block()), tid.offset()};
  std::memcpy(bytes, part, sizeof part);
}

// Sizes that follow from the shape of the rows. entry_size is kept in the meta page.
struct GrowingShape {
  uint32_t entry_size;        // bytes of a row
  uint32_t columns_size;      // bytes of its filter columns
  uint32_t capacity;          // rows a page (group), >= 1
  uint32_t group_page_count;  // pages a group, 1..pages_per_action_max
};

constexpr GrowingShape growing_shape(uint32_t padded_dim, uint32_t columns_size, uint32_t copy_size = 0) {
  uint32_t size = uint32_t(sizeof(GrowingRowDisk)) + columns_size + quant::refine_row_size(padded_dim) + copy_size;
  uint32_t room = page_body_size - uint32_t(sizeof(GrowingPageDisk));
  if (size <= room) {
    uint32_t capacity = room / size;
    return {size, columns_size, capacity < growing_page_rows_max ? capacity : growing_page_rows_max, 1};
  }
  return {size, columns_size, 1, 1 + (size - room + page_body_size - 1) / page_body_size};
}
// Columns are at most 31 * 8 bytes: the longest row without a copy still fits one action.
static_assert(growing_shape(padded_dim_max, 248).group_page_count <= 3);

}  // namespace strata::format
