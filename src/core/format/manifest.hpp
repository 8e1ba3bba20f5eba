// The manifest: the live set of an index as one string of bytes, replaced as a whole by every edit.
//
//   | ManifestHeaderDisk | ObjectDisk[object_count] | ExtentDisk[extent_count] of the objects, in their order
//   | ExtentDisk[free_extent_count], sorted by start |
//
// An index may keep pages in a second file, its companion: block numbers with cold_bit set. Both files are described by
// the one manifest, so that one edit changes what is where.
//
//   F1  the blocks [0, frontier) are exactly: block 0, the two slots, the extents of the objects, the free extents;
//       each once. Those of the companion, [cold_bit, cold_bit + cold_frontier), are extents of segments, and free
//       ones. Blocks at and past a frontier belong to nobody.
//   F2  ids are unique, ascending in the order of creation and below next_object_id.
//   F3  free extents are sorted, neither empty nor adjacent, and none ends at a frontier.
//   F4  an object in state building belongs to whoever holds the merge lock; when nobody does, it is garbage.
//   F5  an object in state retired was in force until generation changed at retired_xid; readers older than that may
//       still read it.
//   F6  pages of objects in state live or frozen lie within the file.
//   F7  of a live object only segments of tier 1 have extents in the companion, after all their others. Without a
//       companion cold_frontier is 0.
// History: v1 as here. hits_at, last_hit_at, moved_at, rows_since, tier, companion and cold_frontier were zero at
// first, and hits of segments too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/base/ids.hpp"

namespace strata::format {

enum class ObjectKind : uint8_t { none = 0, growing = 1, segment = 2, epoch = 3, frame = 4, calibration = 5 };
enum class ObjectState : uint8_t {
  none = 0,
  building = 1,  // being written, not readable
  live = 2,
  frozen = 3,   // growing only: no more inserts, read like growing, waiting to be sealed
  retired = 4,  // replaced; pages wait for the horizon
};
static_assert(int(ObjectKind::growing) == 1 && int(ObjectKind::segment) == 2 && int(ObjectKind::epoch) == 3 &&
              int(ObjectKind::frame) == 4 && int(ObjectKind::calibration) == 5);
static_assert(int(ObjectState::building) == 1 && int(ObjectState::live) == 2 && int(ObjectState::frozen) == 3 &&
              int(ObjectState::retired) == 4);

constexpr uint32_t cold_bit = uint32_t{1} << 31;  // of a block number

struct ExtentDisk {
  uint32_t start;  // block, with cold_bit for the companion
  uint32_t count;  // > 0
};
static_assert(sizeof(ExtentDisk) == 8 && std::has_unique_object_representations_v<ExtentDisk>);

struct ObjectDisk {
  uint32_t id;
  ObjectKind kind;
  ObjectState state;
  uint8_t lane;  // growing: which inserters
  uint8_t tier;  // 0 hot, 1 cold
  uint32_t extent_count;
  uint32_t page_count;  // sum of the extents
  uint32_t frame;       // ObjectId of the frame its codes live in; 0 for a frame
  uint32_t epoch;       // segment, calibration: ObjectId of the codebook, 0 when flat
  uint32_t
      row_count;  // segment: entries, fixed; epoch: rows of the index at training; calibration: rows in lists; else 0
  uint32_t ranked_count;  // segment: entries with codes (not NULL, not zero under cosine), they come first
  uint32_t list_count;    // segment, epoch: inverted lists, 0 when flat
  uint32_t flags;         // zero
  uint64_t retired_xid;   // state retired: F5
  int64_t created_at;     // microseconds since 2000-01-01 UTC
  uint64_t hits;          // segment, growing: searches that returned rows of it, decayed, in policy::hit_units as of
                          // hits_at; epoch, calibration: rows that were ever sealed when it was made
  int32_t born_min;       // bounds of strata_born over its rows, when the index has that column
  int32_t born_max;
  uint32_t merge_count;  // how many times its rows were rewritten, at most
  uint32_t hits_at;      // minutes since 2000-01-01 UTC; 0: never counted
  uint32_t last_hit_at;  // the same, of the last search that returned rows of it, as far as was recorded; 0: none
  uint32_t moved_at;     // the same, of the last change of its tier; 0: none
  uint32_t rows_since;   // segment: minutes of the seal of its newest rows; 0: as created_at
  uint32_t reserved;     // zero
};
static_assert(sizeof(ObjectDisk) == 96 && offsetof(ObjectDisk, retired_xid) == 40);
static_assert(std::has_unique_object_representations_v<ObjectDisk>);

struct ManifestHeaderDisk {
  uint64_t generation;
  uint32_t next_object_id;
  uint32_t frontier;  // F1
  uint32_t object_count;
  uint32_t extent_count;
  uint32_t free_extent_count;
  uint32_t frame;        // ObjectId of the frame for new rows, 0 before the first row
  uint32_t epoch;        // ObjectId of the codebook for new segments, 0 before the first training
  uint32_t crc;          // CRC-32C of the whole string with this field zero
  uint64_t sealed_rows;  // rows ever written by seals and builds: write amplification = (sealed + merged) / sealed
  uint64_t merged_rows;  // rows ever rewritten by merges and compactions
  uint64_t sealed_bytes;
  uint64_t merged_bytes;
  uint32_t companion;      // the name its pager knows the companion by, 0: none
  uint32_t cold_frontier;  // F1
  uint8_t reserved[48];    // zero
};
static_assert(sizeof(ManifestHeaderDisk) == 128 && offsetof(ManifestHeaderDisk, companion) == 72 &&
              offsetof(ManifestHeaderDisk, sealed_rows) == 40);
static_assert(std::has_unique_object_representations_v<ManifestHeaderDisk>);

}  // namespace strata::format
