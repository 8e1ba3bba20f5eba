// CREATE INDEX on a filled table, and what an import brings (bulk_insert), in three steps: a sample of the rows gives
// frame and codebook (build_sample), one scan of the table encodes every row and sorts it by segment and list
// (build_load), then the segments are written (build_write). Parallel workers (build_parallel) take part in the second
// step: each scans a share of the table and sorts what it found; the leader does the same and then merges all of it.
//
// maintenance_work_mem is the bound of each step: of sample, centroids and training together in the first; in the
// second each participant has an equal share of it for its copy of the centroids and its sort.
#pragma once
#include "pg/am/row.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/publish.hpp"
#include "store/segment_writer.hpp"

extern "C" {
// Where a parallel worker of a build starts.
extern PGDLLEXPORT void strata_build_worker(dsm_segment* segment, shm_toc* toc);
}

namespace strata::pg {

// Numbers of pg_stat_progress_create_index; 1 is the server's "initializing".
enum class BuildPhase : int64 { done = 0, sample = 2, train = 3, encode = 4, sort = 5, write = 6, calibrate = 7 };

// A row on its way into a segment. Pointers are borrowed until the next one.
struct LoadedRow {
  Tid tid;
  Row row;
  std::byte const* columns;  // columns.total_size bytes
  void const* copy;          // copy_size bytes, null without `row.vector` or when rows carry no copies
};

// Rows that do not come from a scan of the table. Embedded in what knows them.
struct RowFeed {
  uint64_t row_count;
  void (*rewind)(RowFeed* feed);
  bool (*next)(RowFeed* feed, LoadedRow* row);
};

struct BuildState {
  Relation heap;
  Relation index;
  IndexInfo* info;
  RowFeed* feed;  // null: all rows of the table
  RowShape row_shape;
  PgPager pager;
  store::IndexShape shape;
  size_t memory_max_size;  // bytes, maintenance_work_mem
  uint64_t row_estimate;   // rows to come, by build_codebook()
  BuildPhase phase;
  PGRUsage phase_usage;  // when it began
};

// Shows that a phase begins, and at DEBUG1 what the last one took. `done`: phase 0 begins. `row_count`: how many rows
// are to come, in phases that count them (encode, write), from 0 on; 0: not known.
void enter_phase(BuildState* build, BuildPhase phase, uint64_t row_count = 0);

// Creates the frame and, when there are rows enough for one and `trains` allows it, the codebook of the index.
void build_codebook(BuildState* build, bool trains = true);

// Rows that a segment of the index holds at most; `spills`: in two lists each.
uint64_t segment_row_count(Relation index, store::IndexShape const& shape, bool spills);

struct SegmentCounts {
  uint32_t ranked_count;
  uint32_t zero_count;
  uint32_t null_count;
};

struct ParallelBuild;

// Rows sorted by segment and list, between build_load and build_write.
struct SortedRows {
  Tuplesortstate* sort;
  TupleDesc shape;
  store::Array<SegmentCounts> segments;
  double heap_tuples;
  uint64_t row_count;
  ParallelBuild* parallel;  // what workers left, to be given back by end_parallel(); null without
};

// What one process contributes to the scan of the table, alone or as one of several.
struct LoadShare {
  TableScanDesc scan;           // null: the whole table
  SortCoordinate coordinate;    // null: the only one
  pg_atomic_uint64* row_count;  // places given out, of all participants
  uint64_t rows_per_segment;
  uint32_t segment_count_max;
  size_t memory_size;
  bool reports_progress;
};

// Scans the share, or takes what feeds the build, encodes and assigns its rows and sorts them; `epoch` is null for flat
// segments.
SortedRows load_share(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                      LoadShare const& share);

// A sort of what load_share() makes of rows.
Tuplesortstate* begin_row_sort(TupleDesc* shape, size_t memory_size, SortCoordinate coordinate);

// Bytes that a participant needs besides its sort.
size_t load_memory_size(store::IndexShape const& shape, store::EpochView const* epoch);

// Loads the table together with parallel workers. False: there are none to be had, or the index cannot be built that
// way, and nothing was done. The arguments of `share` that say how rows are placed hold for all.
bool load_in_parallel(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                      LoadShare const& share, SortedRows* rows);
void end_parallel(ParallelBuild* parallel);

// A row in the sort: behind the key (segment << 32 | list), as a bytea. Filter columns and refine codes follow.
struct SortedRowHead {
  uint64_t tid;
  uint64_t hash;
  uint16_t flags;
  uint16_t reserved[3];
};

SortedRows load_rows(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch);

struct BuiltRows {
  double heap_tuples;  // rows of the table that were looked at
  uint64_t row_count;  // of them, rows in the index
};

// Steps two and three: loads all rows, writes them as segments with the lists of the codebook in force (without lists
// when there is none, or `row_count` is too few for it) and, if told so, calibrates what has lists. Requires
// LockName::merge.
BuiltRows build_segments(BuildState* build, uint64_t row_count, bool calibrates);

}  // namespace strata::pg
