#include "core/policy/merge_policy.hpp"

#include "core/base/check.hpp"

#include "core/base/core_only.hpp"

namespace strata::policy {
namespace {

constexpr uint32_t class_count_max = 65;  // powers of two or more in 64 bits, and zero

// Rows may be deleted while a merge runs; an output that was planned full is final all the same.
constexpr uint64_t final_bytes(uint64_t segment_bytes) {
  return segment_bytes - segment_bytes / 16;
}

uint64_t live_rows(SegmentFacts const& segment) {
  return segment.row_count - segment.deleted_count;
}

uint64_t live_bytes(SegmentFacts const& segment) {
  if (segment.row_count == 0) return 0;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(segment.byte_count) * live_rows(segment) /
                               segment.row_count);
}

uint32_t class_of(uint64_t rows, uint32_t fan_in) {
  uint32_t size_class = 0;
  for (; rows > 0; rows /= fan_in) ++size_class;
  return size_class;
}

// The view of one tier.
class TierPlanner {
 public:
  TierPlanner(std::span<SegmentFacts const> segments, MergeOptions const& options, uint8_t tier, bool rewriting_allowed)
      : segments_(segments), options_(options), tier_(tier), rewriting_allowed_(rewriting_allowed) {
    for (SegmentFacts const& segment : segments_) {
      if (segment.tier != tier_) continue;
      busy_ |= segment.state == SegmentState::merging;
      if (!is_candidate(segment)) continue;
      ++class_counts_[class_of(live_rows(segment), options_.fan_in)];
      candidate_bytes_ += live_bytes(segment);
      ++candidate_count_;
    }
  }

  // Fills inputs, in no order yet.
  MergePlan plan(std::span<uint32_t> inputs) {
    inputs_ = inputs;
    plan_ = {};
    plan_.tier = tier_;
    if (busy_) return plan_;
    if (discard()) return plan_;
    if (!rewriting_allowed_) return plan_;
    if (overdue() || complete() || force() || due_class() || settle() || compact() || carry()) return plan_;
    return plan_;
  }

  MergeReason reason(SegmentFacts const& segment) const {
    switch (segment.state) {
      case SegmentState::growing:
        return MergeReason::growing;
      case SegmentState::merging:
        return MergeReason::merging;
      case SegmentState::retired:
        return MergeReason::retired;
      case SegmentState::sealed:
        break;
    }
    bool class_due = is_candidate(segment) && candidate_count_ >= 2 &&
                     (options_.force || candidate_bytes_ >= options_.segment_bytes || in_due_class(segment));
    bool due = is_dead(segment) || class_due || needs_compact(segment) || needs_carry(segment);
    if (!due) return is_final(segment) ? MergeReason::final : MergeReason::waits_for_peers;
    if (busy_) return MergeReason::tier_busy;
    if (!rewriting_allowed_ && !is_dead(segment)) return MergeReason::retired_space;
    return MergeReason::waits_for_turn;
  }

 private:
  static bool is_dead(SegmentFacts const& segment) { return live_rows(segment) == 0; }
  bool is_final(SegmentFacts const& segment) const { return segment.byte_count >= final_bytes(options_.segment_bytes); }

  bool is_mine(SegmentFacts const& segment) const {
    return segment.tier == tier_ && segment.state == SegmentState::sealed;
  }
  bool is_candidate(SegmentFacts const& segment) const {
    return is_mine(segment) && !is_dead(segment) && !is_final(segment);
  }
  bool needs_compact(SegmentFacts const& segment) const {
    return !is_dead(segment) && segment.deleted_count > 0 &&
           static_cast<double>(segment.deleted_count) >
               options_.compact_threshold * static_cast<double>(segment.row_count);
  }
  bool needs_carry(SegmentFacts const& segment) const {
    if (is_dead(segment) || options_.newest_epoch == 0 || segment.epoch == options_.newest_epoch) return false;
    return segment.epoch != 0 || live_rows(segment) >= options_.list_row_count_min;
  }

  // A class that is due takes the smaller ones along.
  bool in_due_class(SegmentFacts const& segment) const {
    for (uint32_t c = class_of(live_rows(segment), options_.fan_in); c < class_count_max; ++c) {
      if (class_counts_[c] >= options_.fan_in) return true;
    }
    return false;
  }

  bool is_full() const { return plan_.input_count >= inputs_.size() || plan_.input_count >= options_.input_count_max; }

  void take(SegmentFacts const& segment) {
    inputs_[plan_.input_count++] = segment.id;
    plan_.live_row_count += live_rows(segment);
    plan_.live_byte_count += live_bytes(segment);
  }

  void drop_all() { plan_ = {.tier = tier_}; }

  bool discard() {
    for (SegmentFacts const& segment : segments_) {
      if (is_mine(segment) && is_dead(segment) && !is_full()) take(segment);
    }
    if (plan_.input_count == 0) return false;
    plan_.kind = MergeKind::discard;
    return true;
  }

  // Fairness: small segments that keep coming cannot hold up a larger class for ever.
  bool overdue() {
    for (uint32_t c = class_count_max; c-- > 0;) {
      if (class_counts_[c] >= 2 * options_.fan_in && merge_class(c)) return true;
    }
    return false;
  }

  bool due_class() {
    for (uint32_t c = 0; c < class_count_max; ++c) {
      if (class_counts_[c] >= options_.fan_in && merge_class(c)) return true;
    }
    return false;
  }

  // Merges the segments of a class, oldest first, then the smaller ones, up to the full size.
  bool merge_class(uint32_t size_class) {
    for (bool smaller : {false, true}) {
      for (SegmentFacts const& segment : segments_) {
        if (!is_candidate(segment) || is_full() || plan_.live_byte_count >= options_.segment_bytes) continue;
        uint32_t own = class_of(live_rows(segment), options_.fan_in);
        if (smaller ? own < size_class : own == size_class) take(segment);
      }
    }
    return finish_merge();
  }

  // Largest first, so that as few segments as possible make up a full one.
  bool complete() {
    if (candidate_bytes_ < options_.segment_bytes) return false;
    uint64_t last_bytes = UINT64_MAX;
    uint32_t last_id = 0;
    while (plan_.live_byte_count < options_.segment_bytes && !is_full()) {
      SegmentFacts const* next = nullptr;
      for (SegmentFacts const& segment : segments_) {
        if (!is_candidate(segment)) continue;
        uint64_t bytes = live_bytes(segment);
        bool seen = bytes > last_bytes || (bytes == last_bytes && segment.id <= last_id);
        if (seen ||
            (next != nullptr && (bytes < live_bytes(*next) || (bytes == live_bytes(*next) && segment.id > next->id))))
          continue;
        next = &segment;
      }
      if (next == nullptr) break;
      take(*next);
      last_bytes = live_bytes(*next);
      last_id = next->id;
    }
    if (plan_.live_byte_count >= options_.segment_bytes) return finish_merge();
    drop_all();
    return false;
  }

  bool force() {
    if (!options_.force) return false;
    for (SegmentFacts const& segment : segments_) {
      if (is_candidate(segment) && !is_full() && plan_.live_byte_count < options_.segment_bytes) take(segment);
    }
    return finish_merge();
  }

  bool finish_merge() {
    if (plan_.input_count < 2) {
      drop_all();
      return false;
    }
    plan_.kind = MergeKind::merge;
    return true;
  }

  bool compact() {
    SegmentFacts const* worst = nullptr;
    uint64_t worst_bytes = 0;
    for (SegmentFacts const& segment : segments_) {
      if (!is_mine(segment) || !needs_compact(segment)) continue;
      uint64_t bytes = segment.byte_count - live_bytes(segment);
      if (worst == nullptr || bytes > worst_bytes) {
        worst = &segment;
        worst_bytes = bytes;
      }
    }
    return take_one(worst, MergeKind::compact);
  }

  bool carry() {
    SegmentFacts const* oldest = nullptr;
    for (SegmentFacts const& segment : segments_) {
      if (!is_mine(segment) || !needs_carry(segment)) continue;
      // Old epochs go first, so that they can be dropped; then flat segments.
      uint32_t age = segment.epoch == 0 ? UINT32_MAX : segment.epoch;
      uint32_t oldest_age = oldest == nullptr ? 0 : oldest->epoch == 0 ? UINT32_MAX : oldest->epoch;
      if (oldest == nullptr || age < oldest_age) oldest = &segment;
    }
    return take_one(oldest, MergeKind::carry);
  }

  // The smallest candidate after `last` in the order of rows and ids; null when that was the largest.
  SegmentFacts const* next_larger(SegmentFacts const* last) const {
    auto before = [](SegmentFacts const& a, SegmentFacts const& b) {
      return live_rows(a) < live_rows(b) || (live_rows(a) == live_rows(b) && a.id < b.id);
    };
    SegmentFacts const* next = nullptr;
    for (SegmentFacts const& segment : segments_) {
      bool seen = last != nullptr && !before(*last, segment);
      if (is_candidate(segment) && !seen && (next == nullptr || before(segment, *next))) next = &segment;
    }
    return next;
  }

  bool settle() {
    if (!options_.settle) return false;
    uint64_t rows = 0, bytes = 0;
    SegmentFacts const* end = nullptr;  // the largest segment that is worth it
    uint32_t count = 0;
    for (SegmentFacts const* next = next_larger(nullptr); next != nullptr; next = next_larger(next)) {
      bytes += live_bytes(*next);
      if (++count > inputs_.size() || count > options_.input_count_max || bytes > options_.segment_bytes) break;
      if (rows > 0 && rows >= live_rows(*next) / options_.settle_factor) end = next;
      rows += live_rows(*next);
    }
    if (end == nullptr) return false;
    SegmentFacts const* next = nullptr;
    do {
      next = next_larger(next);
      take(*next);
    } while (next != end);
    return finish_merge();
  }

  bool take_one(SegmentFacts const* segment, MergeKind kind) {
    if (segment == nullptr) return false;
    take(*segment);
    plan_.kind = kind;
    return true;
  }

  std::span<SegmentFacts const> segments_;
  MergeOptions const& options_;
  uint8_t tier_;
  bool rewriting_allowed_;
  bool busy_ = false;
  uint32_t class_counts_[class_count_max] = {};
  uint64_t candidate_bytes_ = 0;
  uint32_t candidate_count_ = 0;
  std::span<uint32_t> inputs_;
  MergePlan plan_;
};

bool rewriting_allowed(std::span<SegmentFacts const> segments, MergeOptions const& options) {
  double live = 0.0;
  for (SegmentFacts const& segment : segments) {
    if (segment.state != SegmentState::retired) live += static_cast<double>(live_bytes(segment));
  }
  return static_cast<double>(options.retired_bytes) <= options.retired_share_max * live;
}

void sort(std::span<uint32_t> ids) {
  for (size_t i = 1; i < ids.size(); ++i) {
    for (size_t j = i; j > 0 && ids[j] < ids[j - 1]; --j) {
      uint32_t id = ids[j];
      ids[j] = ids[j - 1];
      ids[j - 1] = id;
    }
  }
}

bool holds(std::span<uint32_t const> ids, uint32_t id) {
  for (uint32_t other : ids) {
    if (other == id) return true;
  }
  return false;
}

}  // namespace

MergePlan plan_merge(std::span<SegmentFacts const> segments, MergeOptions const& options, std::span<uint32_t> inputs,
                     std::span<MergeReason> reasons) {
  STRATA_ASSERT(options.fan_in >= 2 && options.fan_in <= 64 && options.input_count_max >= options.fan_in);
  STRATA_ASSERT(inputs.size() >= options.fan_in && (reasons.empty() || reasons.size() == segments.size()));
  bool allowed = rewriting_allowed(segments, options);
  bool tier_seen[256] = {};
  for (SegmentFacts const& segment : segments) tier_seen[segment.tier] = true;
  MergePlan chosen;
  for (uint32_t tier = 0; tier < 256; ++tier) {
    if (!tier_seen[tier]) continue;
    TierPlanner planner(segments, options, static_cast<uint8_t>(tier), allowed);
    bool is_first = chosen.kind == MergeKind::none;
    if (is_first) chosen = planner.plan(inputs);
    if (is_first) sort(inputs.first(chosen.input_count));
    if (reasons.empty()) {
      if (chosen.kind != MergeKind::none) break;
      continue;
    }
    std::span<uint32_t const> ids = inputs.first(chosen.input_count);
    for (size_t i = 0; i < segments.size(); ++i) {
      if (segments[i].tier != tier) continue;
      reasons[i] = holds(ids, segments[i].id) ? MergeReason::chosen : planner.reason(segments[i]);
    }
  }
  return chosen;
}

char const* merge_reason_text(MergeReason reason) {
  switch (reason) {
    case MergeReason::chosen:
      return "is about to be merged";
    case MergeReason::growing:
      return "is still growing";
    case MergeReason::merging:
      return "is being merged";
    case MergeReason::retired:
      return "is retired";
    case MergeReason::final:
      return "has reached segment_size";
    case MergeReason::tier_busy:
      return "waits for the merge of its tier that is under way";
    case MergeReason::retired_space:
      return "waits for retired space, which old snapshots hold";
    case MergeReason::waits_for_turn:
      return "is due, after others";
    case MergeReason::waits_for_peers:
      return "waits for more segments of its size";
  }
  return "unknown";
}

char const* merge_kind_text(MergeKind kind) {
  switch (kind) {
    case MergeKind::none:
      return "none";
    case MergeKind::discard:
      return "discard";
    case MergeKind::merge:
      return "merge";
    case MergeKind::compact:
      return "compact";
    case MergeKind::carry:
      return "carry";
  }
  return "unknown";
}

}  // namespace strata::policy
