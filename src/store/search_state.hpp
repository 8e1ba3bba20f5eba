// State of one ordered search. Everything lives in pager memory and is trivially destructible.
//
// Scores are "absolute": comparable between frames, and between the rows of all segments.
//   l2, cosine:     squared distance of the (normalised) vectors      = unit^2 * frame score
//   inner product:  minus the inner product of the raw vectors         = unit * frame score - unit <mean, w>
#pragma once
#include <limits>

#include "core/policy/stop_rule.hpp"
#include "store/column_search.hpp"
#include "store/epoch.hpp"
#include "store/growing.hpp"
#include "store/row_set.hpp"
#include "store/search_stage.hpp"

namespace strata::store {

namespace detail {
constexpr float infinity = std::numeric_limits<float>::infinity();
}

// Targets count this many rows more than the caller means to take: exact order at the end needs them, and rows dead to
// the caller's snapshot are among them.
constexpr uint32_t search_margin = 6;

constexpr uint32_t search_condition_count_max = 32;

struct SearchOptions {
  uint32_t probes = 0;  // lists probed for the first rows and for every continuation; 0: the stop rule decides
  double recall_target = 0.95;
  segment::Filter const* filter = nullptr;  // only rows that pass are found; outlives the search
  bool timed = false;                       // StageClock runs
  // Absolute; rows from here on are not looked for until the caller asks again: he has as many nearer ones as he wants.
  float reach = detail::infinity;
  bool hot = true, cold = true;  // tiers whose segments are searched; growing rows always are
};

struct SearchCounters {
  uint64_t list_count;                                             // lists probed
  uint64_t run_count;                                              // (segment, list) pairs and flat segments scanned
  uint64_t code_count;                                             // first-stage codes scanned
  uint64_t growing_count;                                          // growing rows evaluated
  uint64_t refined_count;                                          // second-stage codes evaluated
  uint64_t candidate_count;                                        // candidates handed out: heap rows
  uint64_t masked_count;                                           // rows of scanned blocks that the filter left out
  uint64_t bloom_test_count, bloom_skip_count, bloom_false_count;  // false: let through, and no row passed
  uint32_t segment_count;
  uint32_t skipped_segment_count;  // by the filter
  uint32_t skipped_list_count;     // by the filter
  uint32_t gather_count;           // how often all rows that pass were evaluated without regard to lists
  uint32_t left_out_count;         // segments of tiers that are not searched
  uint64_t left_out_rows;          // their rows
  uint32_t advance_count;          // how often the caller wanted more
};

// One frame in use and the query in it.
struct FrameQuery {
  ObjectId id;
  quant::Frame frame;
  bool mean_is_kept;  // by the pager: it is not ours to release
  float* w;
  quant::QueryTable* table;  // null: no scan codes are looked at
  quant::RefineQuery refine;
  float factor, offset;  // absolute = factor * frame score + offset
};

// Where a sealed segment has what.
struct SegmentFacts {
  uint32_t row_count;  // rows to read; of a growing object fixed when the search begins
  uint32_t ranked_count, zero_count, list_count;
  StreamDisk scan, refine, ids, bitmap, directory, hashes;
  StreamDisk spill_codes, spill_rows, spill_directory;  // byte_size 0: rows have one list
  bool spills() const { return spill_codes.byte_size != 0; }
};

// A growing object or a sealed segment; of the facts a growing one has its row count.
struct SearchSource : SegmentFacts {
  ManifestObject const* object;
  uint32_t query;  // index of its FrameQuery
  uint32_t epoch;  // index of its EpochRank, or none
  bool growing;
  bool has_deleted;
  uint32_t deleted_count;  // sealed, when the search began
  // What the filter leaves of a sealed source, see search_filter.hpp.
  ColumnView* columns;  // of every condition on a column
  uint8_t* pass_bits;   // rows that pass the conditions not in `blockwise`; null: all do
  uint32_t blockwise;   // bit i: condition i is evaluated block by block
  // One condition may be held back instead: the rows that pass it lie together in the codes of its column. Then
  // pass_bits is null, and all others are in `blockwise`.
  uint32_t held;                      // number of the condition, or none
  uint32_t held_count;                // rows that pass it
  uint32_t first_range, range_count;  // of Search::ranges: entries of the column's order that pass it
  uint32_t pass_count;                // rows that pass all conditions: exact when blockwise is 0, else estimated
  std::byte const* kept_directory;    // the whole directory kept by the pager, or null
  std::byte const* kept_spill_directory;
  static constexpr uint32_t none = UINT32_MAX;
};

struct EpochRank {
  EpochView* view;
  uint32_t query;
};

// A list in the order of probing.
struct ListRank {
  float key;   // absolute: expected score of a row of the list
  float base;  // frame score of its centroid; exact when `exact`
  uint32_t epoch;
  uint32_t list : 31;
  uint32_t exact : 1;
};

// Rows scanned together: their bounds are kept, so that a continuation never scans twice.
struct ScannedRun {
  uint32_t source;
  uint32_t first_row;
  uint32_t row_count;
  uint32_t bounds_at;    // index into Search::bounds; +inf: evaluated, deleted or not part of the run
  uint32_t const* rows;  // the rows one by one; null: they follow each other from first_row on
  uint32_t row(uint32_t at) const { return rows ? rows[at] : first_row + at; }
};

struct Candidate {
  float lower_bound;  // absolute; the true score is not below it
  float upper_bound;  // absolute; the true score is not above it; +inf: unknown
  float score;        // absolute, estimated
  uint32_t row;
  uint32_t source : 31;
  uint32_t is_narrow : 1;  // the bounds are those of a rounded copy, the narrowest there are
};

struct Pending {
  float bound;
  uint32_t run;
  uint32_t at;  // row within the run
};

struct Moments {
  double count, sum, sum2;
};

struct Search {
  IndexShape shape;
  SearchOptions options;
  Manifest const* manifest;
  Manifest* own_manifest;  // null, or what `manifest` is or was kept from
  float const* vector;     // float[dim], the caller's, normalised under cosine
  Array<FrameQuery> queries;
  Array<SearchSource> sources;
  Array<EpochRank> epochs;
  Array<ListRank> order;  // lists by key; [0, order_sorted) is in order
  uint32_t order_sorted;
  uint32_t probed;        // lists done
  uint32_t prefetched;    // lists asked for, when more than those done
  uint64_t ranked_total;  // rows with codes, at most
  Array<OrderRange> ranges;
  Array<ScannedRun> runs;
  Array<float> bounds;
  Array<Pending> pending;
  Array<Candidate> candidates;         // binary heap, smallest lower bound first
  Array<float> scores;                 // of all evaluated rows
  RowSet evaluated;                    // rows of sources that spill: they come up once for each of their lists
  Array<float> top;                    // binary heap, the `target` smallest scores, largest first
  policy::StopModelDisk const* model;  // of the newest calibrated epoch, or null
  void* own_model;                     // memory of the search's, or null
  uint32_t model_lists;                // lists of the epoch that the model is of; 0 without a model
  policy::StopTracker tracker;
  float tau_scale;                 // see policy::tau_scale
  float epsilon;                   // how many standard deviations first-stage bounds keep away from their estimates
  uint32_t skip_source, skip_row;  // a row that is passed over: calibration, the query itself
  uint32_t target;                 // rows wanted
  Array<float> near;               // the same for the rows asked for, see search_margin
  float tau_asked;                 // the largest of them, +inf while there are fewer: what the stop rule watches
  float tau;                       // the target-th smallest score, +inf while there are fewer; neither is above `reach`
  float reach;                     // see SearchOptions; +inf once the caller asked again
  segment::Filter const* filter;   // null: every row passes
  std::byte* keys;                 // scratch: keys of mask_chunk_blocks blocks
  uint64_t seen_rows, passed_rows;  // of probed lists: how many there were, how many passed
  uint64_t near_rows, near_passed;  // the same of the lists around the query
  Moments spread;                   // of the places of the rows that passed, less those of their keys; see place_of()
  bool gather;                      // rows that pass are so few that all of them are evaluated
  bool flat_done;
  std::byte* scratch;  // one growing entry or refine row
  float* centroid;
  SearchCounters counters;
  StageClock clock;
};

namespace detail {

// Of what was scanned, only what was evaluated stays known.
template <Pager P>
void forget_runs(P& pager, Search& search) {
  for (ScannedRun const& run : search.runs)
    if (run.rows) pager.release(const_cast<uint32_t*>(run.rows));
  search.runs.count = 0;
  search.bounds.count = 0;
}

}  // namespace detail

}  // namespace strata::store
