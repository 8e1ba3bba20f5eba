// Which sealed segments to merge or rewrite next. Counts and sizes in, one plan out; never sees a page.
//
// By their live rows (those not deleted) segments fall into size classes, powers of fan_in. A class with fan_in
// segments is merged, and what is smaller comes along: every merge lifts each of its rows by a class or more, so a row
// is rewritten at most log_fan_in(rows of a full segment / rows of a seal) + 1 times, and once more by the merge that
// completes a segment of the full size. That one does not wait for fan_in inputs: it is due as soon as the segments
// that are not full hold enough together, so two that are each 60 % full never stay apart. A segment that reached
// segment_bytes is final: never merged, only compacted or carried into a new epoch.
//
// With nothing due, at most fan_in - 1 segments are left in each class, and less than segment_bytes in all of them
// together. Each of them costs every search: a list of few rows is scanned in blocks as well. So an index at rest is
// settled: segments are merged with all smaller ones that hold a quarter of their rows or more, until each has more
// than four times the rows of all smaller ones together. A row is rewritten again only when the smaller ones have
// become a quarter of its segment. Tiers never mix; a tier with a merge under way gets no second one.
#pragma once
#include <cstdint>
#include <span>

namespace strata::policy {

enum class SegmentState : uint8_t {
  growing = 0,
  sealed = 1,   // readable, immutable
  merging = 2,  // input of a merge that is under way
  retired = 3,
};

struct SegmentFacts {
  uint32_t id = 0;  // ascending in the order of creation
  SegmentState state = SegmentState::sealed;
  uint8_t tier = 0;
  uint32_t epoch = 0;  // codebook of its lists; 0: flat
  uint64_t row_count = 0;
  uint64_t deleted_count = 0;  // <= row_count
  uint64_t byte_count = 0;
};

struct MergeOptions {
  uint64_t segment_bytes = uint64_t{1} << 30;
  uint32_t fan_in = 8;                 // 2..64
  uint32_t input_count_max = 64;       // of one merge; at least fan_in
  double compact_threshold = 0.1;      // deleted share above which a segment is rewritten on its own; 0: any
  uint32_t newest_epoch = 0;           // 0: none
  uint64_t list_row_count_min = 1000;  // a flat segment of fewer live rows is not worth lists
  uint64_t retired_bytes = 0;          // of the index, waiting for old snapshots
  double retired_share_max = 1.0;      // of the live bytes; above it nothing is rewritten
  bool force = false;                  // merge whatever is not final, due or not
  bool settle = false;                 // the index is at rest
  uint32_t settle_factor = 4;          // then: a segment stays with more than so many times the rows of all smaller
};

enum class MergeKind : uint8_t {
  none = 0,
  discard = 1,  // the inputs hold deleted rows only: retire them, write nothing
  merge = 2,    // two or more inputs into one output
  compact = 3,  // one input, rewritten without its deleted rows
  carry = 4,    // one input, rewritten into the lists of newest_epoch
};

struct MergePlan {
  MergeKind kind = MergeKind::none;
  uint8_t tier = 0;
  uint32_t input_count = 0;
  uint64_t live_row_count = 0;  // of the inputs
  uint64_t live_byte_count = 0;
};

// Why a segment is not part of the plan, or that it is.
enum class MergeReason : uint8_t {
  chosen = 0,
  growing = 1,
  merging = 2,
  retired = 3,
  final = 4,
  tier_busy = 5,
  retired_space = 6,
  waits_for_turn = 7,
  waits_for_peers = 8,
};
constexpr uint8_t merge_reason_count = 9;

// The next thing to do. `segments` are in the order of their ids. Writes the ids of its inputs, ascending, to
// inputs[0..plan.input_count); inputs.size() bounds the number of inputs like input_count_max and must be at least
// fan_in. reasons (empty, or as long as segments) gets the reason of each segment. Deterministic; ask again when
// something has changed or another tier may be served. Order of preference: discard; a class that holds twice its due;
// a merge that completes a segment; the smallest class that is due; settle, which does the work of the rest for its
// inputs; compact, most deleted bytes first; carry, oldest epoch first.
MergePlan plan_merge(std::span<SegmentFacts const> segments, MergeOptions const& options, std::span<uint32_t> inputs,
                     std::span<MergeReason> reasons);

// For people: "waits for more segments of its size".
char const* merge_reason_text(MergeReason reason);
char const* merge_kind_text(MergeKind kind);

}  // namespace strata::policy
