// CREATE INDEX on a filled table, in three steps: a sample of the rows gives frame and codebook (build_sample), one
// scan of the table encodes every row and sorts it by segment and list (build_load), then the segments are written
// (build_write).
#pragma once
#include "pg/am/row.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/publish.hpp"
#include "store/segment_writer.hpp"

namespace strata::pg {

// Numbers of pg_stat_progress_create_index; 1 is the server's "initializing".
enum class BuildPhase : int64 { sample = 2, train = 3, encode = 4, sort = 5, write = 6, calibrate = 7 };
void report_phase(BuildPhase phase);

struct BuildState {
  Relation heap;
  Relation index;
  IndexInfo* info;
  RowShape row_shape;
  PgPager pager;
  store::IndexShape shape;
  size_t memory_max_size;  // bytes, maintenance_work_mem
};

// Creates the frame and, when the table is large enough for one, the codebook of the index.
void build_codebook(BuildState* build);

struct SegmentCounts {
  uint32_t ranked_count;
  uint32_t zero_count;
  uint32_t null_count;
};

// Rows sorted by segment and list, between build_load and build_write.
struct SortedRows {
  Tuplesortstate* sort;
  TupleDesc shape;
  store::Array<SegmentCounts> segments;
  double heap_tuples;
  uint64_t row_count;
};

// A row in the sort: behind the key (segment << 32 | list), as a bytea. Filter columns and refine codes follow.
struct SortedRowHead {
  uint64_t tid;
  uint64_t hash;
  uint16_t flags;
  uint16_t reserved[3];
};

SortedRows load_rows(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch);
void write_segments(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                    SortedRows* rows);

}  // namespace strata::pg
