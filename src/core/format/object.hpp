// A sealed segment, an epoch or a frame: one header page, then streams, each a string of bytes over whole pages.
//
//   page 0: ObjectHeaderDisk          pages 1..: streams; bytes_per_page bytes of a stream on each of its pages
//
//   O1  streams do not overlap and lie in [1, page_count).
//   O2  all fields are fixed when the object is published, but for deleted_count and delete_generation (hints of the
//       delete bitmap, changed in the same action as the bitmap) and the bits of the delete bitmap.
//   O3  a stream has as many pages as its bytes need; the streams of a segment have the sizes that follow from its
//       counts and the shape of the index.
// Streams of a segment (rows in list order; ranked rows first, then rows whose vector is zero under cosine, then rows
// whose vector is NULL):
//
//   directory      {first_row (u32), mean squared residual (f32)} for every list, and one closing entry; flat: absent
//   ids            6 bytes a row: the TID
//   hashes         8 bytes a row: hash of the canonical vector
//   scan codes     blocks of 32 ranked rows (quant/scan_code.hpp), lists follow each other without padding
//   refine codes   quant/refine_code.hpp, one ranked row after the other, each followed by the copy of its vector where
//                  MetaDisk.copy_size is not 0
//   delete bitmap  1 bit a row
//   bloom          split blocks over the column: tid_column, hash_column, or a filter column
//   column, column_order, column_summary, column_codes  one filter column each: format/columns.hpp
//
// Where the epoch spills, every ranked row has a second list, and one more entry in it. A segment then also has
//
//   spill codes      scan codes as above, of the ranked rows in the order of their second lists
//   spill rows       the number of the row (u32) of each of them; every ranked row once, ascending within a list
//   spill directory  {first entry (u32), mean squared residual (f32)} for every list, and one closing entry
//
// Streams of an epoch: centroids (half[padded_dim] each), centroid codes (scan blocks against the origin), list
// residuals (f32 mean squared residual at training), stop model. Stream of a frame: mean (float[padded_dim]). History:
// v1 as here; `spills` was zero at first.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/format/manifest.hpp"
#include "core/format/page.hpp"

namespace strata::format {

enum class StreamKind : uint16_t {
  none = 0,
  directory = 1,
  ids = 2,
  hashes = 3,
  scan_codes = 4,
  refine_codes = 5,
  delete_bitmap = 6,
  bloom = 7,
  column = 8,
  centroids = 9,
  centroid_codes = 10,
  list_residuals = 11,
  stop_model = 12,
  mean = 13,
  column_order = 14,
  column_summary = 15,
  column_codes = 16,
  spill_codes = 17,
  spill_rows = 18,
  spill_directory = 19,
};
constexpr uint16_t stream_kind_count = 20;
static_assert(int(StreamKind::directory) == 1 && int(StreamKind::delete_bitmap) == 6 && int(StreamKind::mean) == 13 &&
              int(StreamKind::column_summary) == 15 && int(StreamKind::column_codes) == 16 &&
              int(StreamKind::spill_directory) == 19);

constexpr uint16_t no_column = 0;
constexpr uint16_t tid_column = 0xFFFF;   // bloom over TIDs
constexpr uint16_t hash_column = 0xFFFE;  // bloom over vector hashes

struct StreamDisk {
  StreamKind kind;
  uint16_t column;      // bloom and column streams
  uint32_t first_page;  // within the object
  uint32_t page_count;
  uint32_t bytes_per_page;  // <= page_body_size
  uint64_t byte_size;
  uint32_t item_size;  // bytes of one item, 0 when it has no items of one size
  uint32_t reserved;   // zero
};
static_assert(sizeof(StreamDisk) == 32 && std::has_unique_object_representations_v<StreamDisk>);

constexpr uint32_t stream_count_max = 80;

struct ObjectHeaderDisk {
  uint32_t id;
  ObjectKind kind;
  uint8_t stream_count;
  uint8_t scan_bits;
  uint8_t spills;  // epoch: 1 when the rows of its segments have a second list, else 0
  uint32_t row_count;
  uint32_t ranked_count;
  uint32_t zero_count;  // rows with a zero vector under cosine, after the ranked ones; the rest are NULL vectors
  uint32_t list_count;
  uint32_t frame;
  uint32_t epoch;
  uint32_t deleted_count;      // O2
  uint32_t delete_generation;  // O2
  float unit;                  // frame: its unit
  float mean_residual2;        // segment, epoch: mean squared residual of the ranked rows
  float list_skew;             // epoch: how uneven its lists were at training (core/policy), 0: not known
  float listed_residual2;      // calibration: mean squared residual of the rows in lists at the time, 0: not known
  uint8_t reserved[200];
  StreamDisk stream[stream_count_max];
};
static_assert(sizeof(ObjectHeaderDisk) == 256 + 32 * stream_count_max && offsetof(ObjectHeaderDisk, stream) == 256);
static_assert(sizeof(ObjectHeaderDisk) <= page_body_size);

struct DirectoryEntryDisk {
  uint32_t first_row;
  float mean_residual2;
};
static_assert(sizeof(DirectoryEntryDisk) == 8 && offsetof(DirectoryEntryDisk, mean_residual2) == 4);

constexpr uint32_t scan_stream_bytes_per_page = page_body_size / 64 * 64;  // units of 64 bytes never straddle a page

inline Status check_header(ObjectHeaderDisk const& header, ObjectDisk const& object) {
  if (header.id != object.id || header.kind != object.kind)
    return corrupt("object header does not match the manifest", object.id);
  if (header.stream_count > stream_count_max) return corrupt("object has too many streams", object.id);
  if (header.spills > (header.kind == ObjectKind::epoch ? 1 : 0))
    return corrupt("object header has an unknown kind of second lists", object.id);
  if (header.row_count != object.row_count || header.ranked_count != object.ranked_count ||
      header.ranked_count > header.row_count || header.zero_count > header.row_count - header.ranked_count ||
      header.list_count != object.list_count)
    return corrupt("object header has impossible counts", object.id);
  if (header.frame != object.frame || header.epoch != object.epoch)
    return corrupt("object header names another frame or epoch", object.id);
  for (uint32_t i = 0; i < header.stream_count; i++) {
    StreamDisk const& s = header.stream[i];
    if (s.first_page < 1 || s.first_page > object.page_count || s.page_count > object.page_count - s.first_page ||
        s.bytes_per_page == 0 || s.bytes_per_page > page_body_size)
      return corrupt("stream lies outside of its object", object.id);
    if (s.byte_size > uint64_t(s.page_count) * s.bytes_per_page ||
        (s.byte_size + s.bytes_per_page - 1) / s.bytes_per_page != s.page_count)
      return corrupt("stream does not have the pages of its size", object.id);
  }
  return {};
}

}  // namespace strata::format
