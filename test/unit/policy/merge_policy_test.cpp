#include "core/policy/merge_policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.hpp"

namespace strata::policy {
namespace {

constexpr uint64_t row_bytes = 100;

SegmentFacts segment(uint32_t id, uint64_t rows, uint64_t deleted = 0, uint8_t tier = 0, uint32_t epoch = 0) {
  return {.id = id,
          .tier = tier,
          .epoch = epoch,
          .row_count = rows,
          .deleted_count = deleted,
          .byte_count = rows * row_bytes};
}

MergeOptions small_options() {
  MergeOptions options;
  options.segment_bytes = 100000 * row_bytes;
  return options;
}

struct Answer {
  MergePlan plan;
  std::vector<uint32_t> ids;
  std::vector<MergeReason> reasons;
};
Answer ask(std::vector<SegmentFacts> const& segments, MergeOptions const& options) {
  Answer answer;
  answer.ids.resize(options.input_count_max);
  answer.reasons.resize(segments.size());
  answer.plan = plan_merge(segments, options, answer.ids, answer.reasons);
  answer.ids.resize(answer.plan.input_count);
  return answer;
}

std::vector<SegmentFacts> equal_segments(uint32_t count, uint64_t rows) {
  std::vector<SegmentFacts> segments;
  for (uint32_t i = 1; i <= count; ++i) segments.push_back(segment(i, rows));
  return segments;
}

TEST(MergePolicy, NothingOfNothing) {
  Answer answer = ask({}, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
}

TEST(MergePolicy, WaitsForFanIn) {
  Answer answer = ask(equal_segments(7, 100), small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
  EXPECT_EQ(answer.reasons[0], MergeReason::waits_for_peers);
  answer = ask(equal_segments(8, 100), small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::merge);
  EXPECT_EQ(answer.ids, (std::vector<uint32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(answer.plan.live_row_count, 800U);
  EXPECT_EQ(answer.plan.live_byte_count, 800 * row_bytes);
  EXPECT_EQ(answer.reasons[3], MergeReason::chosen);
}

TEST(MergePolicy, SmallerOnesComeAlong) {
  std::vector<SegmentFacts> segments = equal_segments(8, 1000);
  segments.push_back(segment(9, 10));
  segments.push_back(segment(10, 60000));
  Answer answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.input_count, 9U);
  EXPECT_EQ(answer.reasons[8], MergeReason::chosen);
  EXPECT_EQ(answer.reasons[9], MergeReason::waits_for_peers);
}

TEST(MergePolicy, TwoThatAreMoreThanHalfFullMeet) {
  Answer answer = ask({segment(1, 60000), segment(2, 60000)}, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::merge);
  EXPECT_EQ(answer.plan.input_count, 2U);
}

TEST(MergePolicy, CompletionTakesTheFewestInputs) {
  Answer answer = ask({segment(1, 30000), segment(2, 100), segment(3, 80000), segment(4, 5000)}, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::merge);
  EXPECT_EQ(answer.ids, (std::vector<uint32_t>{1, 3}));
}

TEST(MergePolicy, FinalSegmentsRest) {
  std::vector<SegmentFacts> segments = equal_segments(20, 100000);
  Answer answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
  for (MergeReason reason : answer.reasons) EXPECT_EQ(reason, MergeReason::final);
  MergeOptions options = small_options();
  options.force = true;
  EXPECT_EQ(ask(segments, options).plan.kind, MergeKind::none);
}

TEST(MergePolicy, ForceMergesWhateverThereIs) {
  MergeOptions options = small_options();
  options.force = true;
  Answer answer = ask({segment(1, 5), segment(2, 20000)}, options);
  EXPECT_EQ(answer.plan.kind, MergeKind::merge);
  EXPECT_EQ(answer.plan.input_count, 2U);
  EXPECT_EQ(ask({segment(1, 5)}, options).plan.kind, MergeKind::none);
}

TEST(MergePolicy, AnIndexAtRestSettles) {
  MergeOptions options = small_options();
  options.settle = true;
  EXPECT_EQ(ask(equal_segments(1, 100), options).plan.kind, MergeKind::none);
  EXPECT_EQ(ask(equal_segments(2, 100), options).ids, (std::vector<uint32_t>{1, 2}));
  // 900 rows are less than a quarter of 4000: the small ones meet, and that is all.
  EXPECT_EQ(ask({segment(1, 4000), segment(2, 800), segment(3, 100)}, options).plan.kind, MergeKind::none);
  EXPECT_EQ(ask({segment(1, 4000), segment(2, 700), segment(3, 200)}, options).ids, (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(ask({segment(1, 4000), segment(2, 800), segment(3, 200)}, options).plan.input_count, 3U);
  // Final ones stay, and nothing becomes larger than a full one.
  EXPECT_EQ(ask({segment(1, 100000), segment(2, 60000), segment(3, 50)}, options).plan.kind, MergeKind::none);
  EXPECT_EQ(ask({segment(1, 60000), segment(2, 30000), segment(3, 7000), segment(4, 1)}, options).plan.input_count, 4U);
  options.settle = false;
  EXPECT_EQ(ask(equal_segments(7, 100), options).plan.kind, MergeKind::none);
}

// However rows come: what is left has a size of its own.
TEST(MergePolicy, AtRestSegmentsAreFewAndOfDifferentSizes) {
  Random random(5);
  MergeOptions options = small_options();
  options.settle = true;
  for (int round = 0; round < 50; ++round) {
    std::vector<SegmentFacts> segments;
    uint32_t id = 1;
    for (uint64_t i = 0, count = random.below(40); i < count; ++i)
      segments.push_back(segment(id++, 1 + random.below(random.below(2) ? 30 : 3000)));
    for (;;) {
      Answer answer = ask(segments, options);
      if (answer.plan.kind == MergeKind::none) break;
      ASSERT_LT(id, 200U);
      std::erase_if(segments, [&](SegmentFacts const& one) {
        return std::find(answer.ids.begin(), answer.ids.end(), one.id) != answer.ids.end();
      });
      segments.push_back(segment(id++, answer.plan.live_row_count));
    }
    std::sort(segments.begin(), segments.end(),
              [](SegmentFacts const& a, SegmentFacts const& b) { return a.row_count < b.row_count; });
    uint64_t smaller = 0;
    for (SegmentFacts const& one : segments) {
      EXPECT_TRUE(smaller < (one.row_count + 3) / 4 || smaller == 0) << smaller << " " << one.row_count;
      smaller += one.row_count;
    }
  }
}

TEST(MergePolicy, CompactsAboveTheThreshold) {
  EXPECT_EQ(ask({segment(1, 1000, 100)}, small_options()).plan.kind, MergeKind::none);
  Answer answer = ask({segment(1, 1000, 101), segment(2, 100000, 20000)}, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::compact);
  EXPECT_EQ(answer.ids, std::vector<uint32_t>{2});  // most bytes to win
  EXPECT_EQ(answer.reasons[0], MergeReason::waits_for_turn);
  MergeOptions options = small_options();
  options.compact_threshold = 0.0;
  EXPECT_EQ(ask({segment(1, 1000, 1)}, options).plan.kind, MergeKind::compact);
  EXPECT_EQ(ask({segment(1, 1000, 0)}, options).plan.kind, MergeKind::none);
}

TEST(MergePolicy, DeadSegmentsAreDiscardedAtOnce) {
  std::vector<SegmentFacts> segments = equal_segments(8, 100);
  segments.push_back(segment(9, 500, 500));
  segments.push_back(segment(10, 0));
  MergeOptions options = small_options();
  options.retired_bytes = uint64_t{1} << 50;  // costs no space
  Answer answer = ask(segments, options);
  EXPECT_EQ(answer.plan.kind, MergeKind::discard);
  EXPECT_EQ(answer.ids, (std::vector<uint32_t>{9, 10}));
  EXPECT_EQ(answer.plan.live_row_count, 0U);
  EXPECT_EQ(answer.reasons[0], MergeReason::retired_space);
}

TEST(MergePolicy, TiersNeverMix) {
  std::vector<SegmentFacts> segments;
  for (uint32_t i = 1; i <= 14; ++i) segments.push_back(segment(i, 100, 0, i % 2));
  EXPECT_EQ(ask(segments, small_options()).plan.kind, MergeKind::none);
  segments.push_back(segment(15, 100, 0, 1));
  Answer answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::merge);
  EXPECT_EQ(answer.plan.tier, 1);
  EXPECT_EQ(answer.plan.input_count, 8U);
  for (uint32_t id : answer.ids) EXPECT_EQ(id % 2, 1U);
}

TEST(MergePolicy, ABusyTierWaitsAndOthersGoOn) {
  std::vector<SegmentFacts> segments = equal_segments(8, 100);
  segments.push_back(segment(9, 100));
  segments.back().state = SegmentState::merging;
  Answer answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
  EXPECT_EQ(answer.reasons[0], MergeReason::tier_busy);
  EXPECT_EQ(answer.reasons[8], MergeReason::merging);
  for (uint32_t i = 10; i < 18; ++i) segments.push_back(segment(i, 100, 0, 3));
  answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.tier, 3);
  EXPECT_EQ(answer.plan.input_count, 8U);
  EXPECT_EQ(answer.reasons[0], MergeReason::tier_busy);
}

TEST(MergePolicy, GrowingAndRetiredAreLeftAlone) {
  std::vector<SegmentFacts> segments = equal_segments(9, 100);
  segments[0].state = SegmentState::growing;
  segments[1].state = SegmentState::retired;
  Answer answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
  EXPECT_EQ(answer.reasons[0], MergeReason::growing);
  EXPECT_EQ(answer.reasons[1], MergeReason::retired);
}

TEST(MergePolicy, RetiredSpaceHoldsRewritesBack) {
  MergeOptions options = small_options();
  options.retired_bytes = 801 * row_bytes;
  Answer answer = ask(equal_segments(8, 100), options);
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
  EXPECT_EQ(answer.reasons[0], MergeReason::retired_space);
  options.retired_bytes = 800 * row_bytes;
  EXPECT_EQ(ask(equal_segments(8, 100), options).plan.kind, MergeKind::merge);
}

TEST(MergePolicy, OldEpochsAreCarriedOver) {
  MergeOptions options = small_options();
  options.newest_epoch = 30;
  std::vector<SegmentFacts> segments = {segment(1, 100000, 0, 0, 30), segment(2, 100000, 0, 0, 20),
                                        segment(3, 100000, 0, 0, 10), segment(4, 5000), segment(5, 999)};
  std::vector<uint32_t> order;
  for (int i = 0; i < 3; ++i) {
    Answer answer = ask(segments, options);
    ASSERT_EQ(answer.plan.kind, MergeKind::carry);
    ASSERT_EQ(answer.ids.size(), 1U);
    order.push_back(answer.ids[0]);
    segments[answer.ids[0] - 1].epoch = 30;
  }
  EXPECT_EQ(order, (std::vector<uint32_t>{3, 2, 4}));  // oldest epoch first, then flat ones worth lists
  Answer answer = ask(segments, options);
  EXPECT_EQ(answer.plan.kind, MergeKind::none);
  EXPECT_EQ(answer.reasons[4], MergeReason::waits_for_peers);
  EXPECT_EQ(answer.reasons[0], MergeReason::final);
}

TEST(MergePolicy, NoSegmentClassStarves) {
  std::vector<SegmentFacts> segments;
  uint32_t id = 0;
  for (int i = 0; i < 16; ++i) segments.push_back(segment(++id, 5000));
  for (int i = 0; i < 8; ++i) segments.push_back(segment(++id, 10));
  Answer answer = ask(segments, small_options());
  EXPECT_EQ(answer.plan.kind, MergeKind::merge);
  EXPECT_GE(answer.plan.live_row_count, 16U * 5000);  // the crowded class before the small one
}

TEST(MergePolicy, EveryReasonAndKindHasItsText) {
  std::set<std::string> texts;
  for (int i = 0; i < merge_reason_count; ++i) texts.insert(merge_reason_text(static_cast<MergeReason>(i)));
  EXPECT_EQ(texts.size(), size_t{merge_reason_count});
  for (int i = 0; i <= 4; ++i) texts.insert(merge_kind_text(static_cast<MergeKind>(i)));
  EXPECT_EQ(texts.size(), size_t{merge_reason_count} + 5);
  EXPECT_EQ(texts.count("unknown"), 0U);
}

// Runs plans on a model of an index.
class Model {
 public:
  explicit Model(MergeOptions const& options) : options_(options) {}

  void seal(uint64_t rows, uint8_t tier = 0) {
    add(rows, tier, 0);
    sealed_rows_ += rows;
  }

  void delete_share(Random& random, double share) {
    for (SegmentFacts& s : segments_) {
      uint64_t live = s.row_count - s.deleted_count;
      s.deleted_count += static_cast<uint64_t>(static_cast<double>(live) * share * random.unit());
    }
  }

  // One plan; false when nothing is due.
  bool step() {
    Answer answer = ask(segments_, options_);
    check(answer);
    if (answer.plan.kind == MergeKind::none) return false;
    uint32_t rewrites = 0;
    uint64_t live = 0;
    std::vector<SegmentFacts> rest;
    for (SegmentFacts const& s : segments_) {
      if (!std::count(answer.ids.begin(), answer.ids.end(), s.id)) {
        rest.push_back(s);
        continue;
      }
      EXPECT_EQ(s.tier, answer.plan.tier);
      live += s.row_count - s.deleted_count;
      rewrites = std::max(rewrites, rewrites_[s.id]);
    }
    EXPECT_EQ(live, answer.plan.live_row_count);
    segments_ = rest;
    if (answer.plan.kind == MergeKind::discard) {
      EXPECT_EQ(live, 0U);
      return true;
    }
    // A compaction is paid for by the rows it drops, a carry by the new epoch: the bound is about merges.
    add(live, answer.plan.tier, rewrites + (answer.plan.kind == MergeKind::merge), options_.newest_epoch);
    if (answer.plan.kind == MergeKind::merge) merged_rows_ += live;
    return true;
  }

  uint32_t settle() {
    uint32_t step_count = 0;
    while (step()) {
      if (++step_count > 10000) {
        ADD_FAILURE() << "does not terminate";
        break;
      }
    }
    return step_count;
  }

  uint32_t rewrites_max() const {
    uint32_t most = 0;
    for (SegmentFacts const& s : segments_) most = std::max(most, rewrites_.at(s.id));
    return most;
  }
  double write_amplification() const { return static_cast<double>(merged_rows_) / static_cast<double>(sealed_rows_); }
  std::vector<SegmentFacts> const& segments() const { return segments_; }

  // What the header promises of an index with nothing due.
  void check_settled() const {
    std::map<std::pair<int, int>, uint32_t> class_counts;
    std::map<int, uint64_t> open_bytes;
    for (SegmentFacts const& s : segments_) {
      uint64_t live = s.row_count - s.deleted_count;
      EXPECT_GT(live, 0U);
      EXPECT_LE(static_cast<double>(s.deleted_count), options_.compact_threshold * static_cast<double>(s.row_count));
      if (s.byte_count >= options_.segment_bytes / 16 * 15) continue;
      int size_class = 0;
      for (uint64_t n = live; n > 0; n /= options_.fan_in) ++size_class;
      ++class_counts[{s.tier, size_class}];
      open_bytes[s.tier] += live * row_bytes;
    }
    for (auto const& [key, count] : class_counts) EXPECT_LT(count, options_.fan_in);
    for (auto const& [tier, bytes] : open_bytes) EXPECT_LT(bytes, options_.segment_bytes);
  }

 private:
  void add(uint64_t rows, uint8_t tier, uint32_t rewrites, uint32_t epoch = 0) {
    uint32_t id = ++last_id_;
    segments_.push_back(segment(id, rows, 0, tier, epoch));
    rewrites_[id] = rewrites;
  }

  void check(Answer const& answer) const {
    ASSERT_LE(answer.plan.input_count, options_.input_count_max);
    ASSERT_TRUE(std::is_sorted(answer.ids.begin(), answer.ids.end()));
    ASSERT_EQ(std::set<uint32_t>(answer.ids.begin(), answer.ids.end()).size(), answer.ids.size());
    for (size_t i = 0; i < segments_.size(); ++i) {
      bool chosen = std::count(answer.ids.begin(), answer.ids.end(), segments_[i].id) != 0;
      ASSERT_EQ(answer.reasons[i] == MergeReason::chosen, chosen);
      if (answer.plan.kind == MergeKind::none) {
        ASSERT_NE(answer.reasons[i], MergeReason::waits_for_turn);
      }
    }
    if (answer.plan.kind == MergeKind::merge) {
      ASSERT_GE(answer.plan.input_count, 2U);
      ASSERT_LT(answer.plan.live_byte_count, 2 * options_.segment_bytes);
    }
  }

  MergeOptions options_;
  std::vector<SegmentFacts> segments_;
  std::map<uint32_t, uint32_t> rewrites_;
  uint32_t last_id_ = 0;
  uint64_t sealed_rows_ = 0;
  uint64_t merged_rows_ = 0;
};

TEST(MergePolicy, WriteAmplificationIsLogarithmic) {
  for (uint64_t seal_rows : {10, 100, 1000, 20000}) {
    MergeOptions options = small_options();  // 100,000 rows make a full segment
    Model model(options);
    uint64_t seal_count = std::min<uint64_t>(1000000 / seal_rows, 20000);
    for (uint64_t i = 0; i < seal_count; ++i) {
      model.seal(seal_rows);
      model.settle();
    }
    model.check_settled();
    double bound = std::log(100000.0 / static_cast<double>(seal_rows)) / std::log(8.0) + 2.0;
    EXPECT_LE(model.rewrites_max(), bound) << seal_rows;
    EXPECT_LE(model.write_amplification(), bound) << seal_rows;
  }
}

TEST(MergePolicy, SettlesWhateverHappens) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    MergeOptions options = small_options();
    options.fan_in = 2 + static_cast<uint32_t>(random.below(9));
    options.input_count_max = 64 + static_cast<uint32_t>(random.below(60));
    Model model(options);
    for (int round = 0; round < 300; ++round) {
      // Sizes over five decades, so that neighbouring classes and full segments all occur.
      model.seal(1 + static_cast<uint64_t>(std::exp(11 * random.unit())), static_cast<uint8_t>(random.below(2)));
      if (random.below(4) == 0) model.delete_share(random, 0.3);
      if (random.below(50) == 0) model.delete_share(random, 2.0);
      if (random.below(3) != 0) continue;
      model.settle();
      model.check_settled();
    }
  }
}

TEST(MergePolicy, OneStepAtATimeKeepsUp) {
  // A worker that gets one plan done a seal never falls far behind.
  MergeOptions options = small_options();
  Model model(options);
  size_t open_max = 0;
  for (int i = 0; i < 5000; ++i) {
    model.seal(50 + static_cast<uint64_t>(i * 37 % 100));
    model.step();
    size_t open = 0;
    for (SegmentFacts const& s : model.segments()) open += s.byte_count < options.segment_bytes / 16 * 15;
    open_max = std::max(open_max, open);
  }
  EXPECT_LE(open_max, 40U);
}

TEST(MergePolicy, NewEpochsReachEverySegment) {
  MergeOptions options = small_options();
  options.newest_epoch = 100;
  Model model(options);
  for (int i = 0; i < 300; ++i) model.seal(3000);
  model.settle();
  for (SegmentFacts const& s : model.segments()) EXPECT_EQ(s.epoch, 100U);
}

}  // namespace
}  // namespace strata::policy
