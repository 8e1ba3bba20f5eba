// What an ordered scan keeps between two rows.
#pragma once
#include "pg/postgres.hpp"

#include <algorithm>

#include "core/quant/rounded_copy.hpp"
#include "pg/am/row.hpp"
#include "pg/am/scan_filter.hpp"
#include "pg/am/scan_heap.hpp"
#include "pg/am/scan_limit.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/search.hpp"

namespace strata::pg {

struct AccessSlot;

// A row whose exact distance is known.
struct FoundRow {
  double distance;  // comparable with the scores of store
  Tid tid;
  uint32_t source;  // index into Search::sources
};

inline bool farther(FoundRow const& a, FoundRow const& b) {
  return a.distance > b.distance;
}

// The scores of store are squared distances of unit vectors under cosine.
inline double score_scale(Metric metric) {
  return metric == Metric::cosine ? 2 : 1;
}

// Rows that get their exact distances together.
constexpr uint32 finalists_max = 64;

enum class ScanPhase : uint8_t {
  start,      // nothing was done since amrescan
  ordered,    // rows by their distance
  late,       // rows found too late for their place in the order
  unordered,  // rows without a distance: all rows when the query has none, else zero vectors, then NULLs
  done,
};

// See scan_merge.hpp. A scan pauses once at most.
enum class Pause : uint8_t { none, paused, over };

struct ScanState {
  MemoryContext context;  // of all below; reset by every rescan
  RowShape shape;
  ScanPlan plan;         // set by amrescan
  uint32_t wanted_rows;  // as far as the plan tells, 0: it does not; see scan_limit.hpp
  ScanFilter* filter;
  double distance_end;  // rows from here on are not wanted: a scan within a radius; else +inf
  ScanPhase phase;
  Pause pause;
  double frontier;  // while paused: no row that was not returned yet has a score below
  PgPager pager;
  ScanHeap* heap;
  store::Search* search;
  float* query;                  // float[dim]
  uint32_t target;               // rows the search has been told to look for
  store::Array<FoundRow> found;  // binary heap, nearest first
  store::Array<FoundRow> late;   // sorted when its phase begins
  uint32_t late_at;
  Finalist* finalists;
  std::byte* copy;  // of a vector, when rows carry copies
  float* restored;  // float[dim], when they are rounded
  quant::CopyQuery copy_query;
  double last_distance;     // of the row returned last; -inf before the first
  store::RowIterator rows;  // phase unordered
  uint64_t returned_count;
  uint8_t* source_hit;    // of every source: whether a row of it was returned; null: nobody counts
  AccessSlot* sample_to;  // null: rows of this scan are no sample
};

inline void push_found(ScanState* state, FoundRow const& row) {
  state->found.push(state->pager, row);
  std::push_heap(state->found.begin(), state->found.end(), farther);
}

}  // namespace strata::pg
