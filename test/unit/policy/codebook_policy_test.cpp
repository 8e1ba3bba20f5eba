#include "core/policy/codebook_policy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "core/base/limits.hpp"
#include "core/base/random.hpp"
#include "core/cluster/assign.hpp"
#include "core/cluster/kmeans.hpp"

namespace strata::policy {
namespace {

TEST(CodebookPolicy, ListCountFollowsTheRoot) {
  EXPECT_EQ(list_count_for(0), 0U);
  EXPECT_EQ(list_count_for(19999), 0U);
  EXPECT_EQ(list_count_for(20000), 281U);  // 64 rows a list, one in ten kept out
  EXPECT_EQ(list_count_for(1000000), 4000U);
  EXPECT_EQ(list_count_for(10000000), 12649U);
  EXPECT_EQ(list_count_for(UINT64_MAX), list_count_max);
  uint32_t last = 0;
  for (uint64_t rows = 1; rows < uint64_t{1} << 40; rows = rows * 5 / 4 + 1) {
    uint32_t lists = list_count_for(rows);
    EXPECT_GE(lists, last);
    EXPECT_GE(training_row_count(lists, rows), uint64_t{lists} * training_rows_per_list);
    EXPECT_LE(training_row_count(lists, rows), trainable_row_count(rows));
    last = lists;
  }
}

TEST(CodebookPolicy, PlanTakesAllItWantsWhenMemoryAllows) {
  TrainingPlan plan = plan_training(1000000, 128, SIZE_MAX);
  EXPECT_EQ(plan.list_count, 4000U);
  EXPECT_EQ(plan.row_count, 256000U);
  EXPECT_EQ(plan.iteration_count, training_iteration_count);
  EXPECT_FALSE(plan.limited_by_memory);
  EXPECT_EQ(plan_training(19999, 128, SIZE_MAX).list_count, 0U);
}

size_t used_by(TrainingPlan const& plan, uint32_t dim) {
  return plan.row_count * quant::refine_row_size(dim) + plan.list_count * dim * sizeof(float) +
         cluster::train_memory_size(dim, plan.row_count, plan.list_count);
}

TEST(CodebookPolicy, PlanKeepsWithinMemoryAndUsesIt) {
  for (uint32_t dim : {3U, 128U, 768U, 1536U, 16000U}) {
    for (uint64_t rows : {20000ULL, 1000000ULL, 50000000ULL}) {
      uint32_t last = 0;
      for (size_t memory = size_t{1} << 20; memory <= size_t{1} << 36; memory *= 2) {
        TrainingPlan plan = plan_training(rows, dim, memory);
        if (plan.list_count == 0) {
          EXPECT_TRUE(plan.limited_by_memory);
          continue;
        }
        EXPECT_LE(used_by(plan, dim), memory);
        EXPECT_GE(plan.row_count, uint64_t{plan.list_count} * training_rows_per_list_min);
        EXPECT_GE(plan.list_count, last);  // more memory never gives less
        last = plan.list_count;
        if (plan.list_count < list_count_for(rows)) {
          EXPECT_TRUE(plan.limited_by_memory);
          if (memory >= size_t{64} << 20 && dim <= 1536) {
            EXPECT_GT(used_by(plan, dim), memory / 10 * 9);
          }
        }
      }
      EXPECT_EQ(last, list_count_for(rows));
    }
  }
}

TEST(CodebookPolicy, FreshRowsHaveLargerResiduals) {
  constexpr uint32_t dim = 24, list_count = 60, row_count = 60000;
  Random random(1);
  std::vector<float> rows(size_t{row_count} * dim);
  for (float& v : rows) v = static_cast<float>(random.unit() + random.unit() + random.unit());
  std::vector<float> centroids(list_count * dim);
  for (uint32_t rows_per_list : {64U, 32U}) {
    uint32_t sample_count = list_count * rows_per_list;
    cluster::TrainResult result;
    ASSERT_TRUE(cluster::train_centroids(cluster::float_rows(dim, rows.data(), sample_count),
                                         {.list_count = list_count}, centroids.data(), result)
                    .ok());
    std::vector<char> memory(cluster::centroid_set_size(dim, list_count));
    std::vector<char> scratch(cluster::assign_scratch_size(dim, list_count));
    cluster::CentroidSet set = cluster::prepare_centroids(dim, centroids.data(), result.list_count, memory.data());
    uint32_t fresh_count = row_count - sample_count;
    std::vector<uint32_t> lists(fresh_count);
    std::vector<float> distances2(fresh_count);
    cluster::assign_nearest(set, &rows[size_t{sample_count} * dim], fresh_count, lists.data(), distances2.data(),
                            scratch.data());
    double fresh = std::accumulate(distances2.begin(), distances2.end(), 0.0) / fresh_count;
    EXPECT_NEAR(fresh_residual2(result.mean_residual2, sample_count, list_count) / fresh, 1.0, 0.03) << rows_per_list;
  }
  EXPECT_EQ(fresh_residual2(2.0, 0, 10), 2.0);
}

CodebookFacts settled() {
  CodebookFacts facts;
  facts.row_count = 120000;
  facts.list_count = 1000;
  facts.trained_row_count = 100000;
  facts.trained_mean_residual2 = 2.0;
  facts.trained_list_skew = 1.2;
  facts.new_row_count = 30000;
  facts.new_mean_residual2 = 2.1;
  facts.now_list_skew = 1.3;
  return facts;
}

void expect(CodebookFacts const& facts, bool due, EpochReason reason) {
  EpochDecision decision = decide_epoch(facts);
  EXPECT_EQ(decision.due, due) << epoch_reason_text(decision.reason);
  EXPECT_EQ(decision.reason, reason) << epoch_reason_text(decision.reason);
}

TEST(CodebookPolicy, FirstEpochComesWithEnoughRows) {
  CodebookFacts facts;
  facts.row_count = flat_row_count_max - 1;
  expect(facts, false, EpochReason::too_few_rows);
  facts.row_count = flat_row_count_max;
  expect(facts, true, EpochReason::first);
}

TEST(CodebookPolicy, SettledDataKeepTheirCodebook) {
  expect(settled(), false, EpochReason::fits);
}

TEST(CodebookPolicy, GrowthByFour) {
  CodebookFacts facts = settled();
  facts.row_count = 399999;
  expect(facts, false, EpochReason::fits);
  facts.row_count = 400000;
  expect(facts, true, EpochReason::grown);
  facts.list_count = list_count_max;  // as many lists as there can be
  facts.new_row_count = 300000;
  expect(facts, false, EpochReason::fits);
}

TEST(CodebookPolicy, ShrinkingToASixteenth) {
  CodebookFacts facts = settled();
  facts.trained_row_count = 16 * facts.row_count;
  expect(facts, true, EpochReason::shrunk);
  facts.row_count = 5000;
  expect(facts, false, EpochReason::too_few_rows);
}

CodebookFacts rested() {
  CodebookFacts facts = settled();
  facts.best_list_count = 1095;
  facts.new_row_count = 16665;  // fewer than a sixth
  return facts;
}

void expect_at_rest(CodebookFacts const& facts, bool due, EpochReason reason) {
  EpochDecision decision = decide_epoch_at_rest(facts);
  EXPECT_EQ(decision.due, due) << epoch_reason_text(decision.reason);
  EXPECT_EQ(decision.reason, reason) << epoch_reason_text(decision.reason);
}

TEST(CodebookPolicyAtRest, AFittingCodebookStays) {
  expect_at_rest(rested(), false, EpochReason::fits);
  CodebookFacts facts;
  facts.row_count = flat_row_count_max - 1;
  expect_at_rest(facts, false, EpochReason::too_few_rows);
  facts.row_count = flat_row_count_max;
  expect_at_rest(facts, true, EpochReason::first);
}

TEST(CodebookPolicyAtRest, ListsFollowTheRows) {
  CodebookFacts facts = rested();
  facts.best_list_count = 1200;
  expect_at_rest(facts, true, EpochReason::grown);
  facts.best_list_count = 1199;
  expect_at_rest(facts, false, EpochReason::fits);
  facts.best_list_count = 5000;  // a codebook of fewer lists than planned is not trained for ever
  facts.trained_row_count = 101000;
  expect_at_rest(facts, false, EpochReason::fits);
  facts = rested();
  facts.best_list_count = 666;
  facts.row_count = 66666;
  expect_at_rest(facts, true, EpochReason::shrunk);
  facts.best_list_count = 667;
  expect_at_rest(facts, false, EpochReason::fits);
  facts.best_list_count = 0;  // no memory for any
  expect_at_rest(facts, false, EpochReason::fits);
}

TEST(CodebookPolicyAtRest, OtherRowsAreNoticedEarlier) {
  CodebookFacts facts = rested();
  facts.new_row_count++;
  expect_at_rest(facts, true, EpochReason::drift);
  facts.new_mean_residual2 = 2.05;
  expect_at_rest(facts, false, EpochReason::fits);
  facts.now_list_skew = 1.33;
  expect_at_rest(facts, true, EpochReason::lopsided);
  facts.new_row_count--;
  expect_at_rest(facts, false, EpochReason::fits);
}

TEST(CodebookPolicy, DriftNeedsEnoughNewRows) {
  CodebookFacts facts = settled();
  facts.new_mean_residual2 = 2.31;
  expect(facts, true, EpochReason::drift);
  facts.new_row_count = 24999;
  expect(facts, false, EpochReason::fits);
  facts.new_row_count = 25000;
  expect(facts, true, EpochReason::drift);
  facts.new_mean_residual2 = 2.29;
  expect(facts, false, EpochReason::fits);
  facts.trained_mean_residual2 = 0.0;  // constant data that vary now
  expect(facts, true, EpochReason::drift);
}

TEST(CodebookPolicy, LopsidedBeyondTheTraining) {
  CodebookFacts facts = settled();
  facts.now_list_skew = 1.67;
  expect(facts, false, EpochReason::fits);
  facts.now_list_skew = 1.69;
  expect(facts, true, EpochReason::lopsided);
  facts.new_row_count = 24999;  // lists do not get uneven by themselves
  expect(facts, false, EpochReason::fits);
  facts.new_row_count = 30000;
  facts.trained_list_skew = 2.0;  // it was lopsided before
  expect(facts, false, EpochReason::fits);
  facts.trained_list_skew = 0;  // not recorded
  expect(facts, false, EpochReason::fits);
  facts.now_list_skew = 2.2;
  expect(facts, true, EpochReason::lopsided);
}

TEST(CodebookPolicy, SkewIsTheLengthOfTheListOfARow) {
  EXPECT_EQ(list_skew({}), 0.0);
  std::vector<uint32_t> counts(100, 0);
  EXPECT_EQ(list_skew(counts), 0.0);
  for (size_t i = 0; i < 50; i++) counts[i] = 1000;
  EXPECT_NEAR(list_skew(counts), 2.0, 0.01) << "half of the lists hold all rows";
  counts.assign(100, 1000);
  EXPECT_NEAR(list_skew(counts), 1.0, 0.01);
  // Chance alone is not skew, however few the rows.
  Random random(3);
  counts.assign(2000, 0);
  for (int i = 0; i < 8000; i++) counts[random.below(2000)]++;
  EXPECT_NEAR(list_skew(counts), 1.0, 0.05);
}

TEST(CodebookPolicy, EveryReasonHasItsText) {
  std::set<std::string> texts;
  for (int i = 0; i < epoch_reason_count; ++i) texts.insert(epoch_reason_text(static_cast<EpochReason>(i)));
  EXPECT_EQ(texts.size(), size_t{epoch_reason_count});
  EXPECT_EQ(texts.count("unknown"), 0U);
}

CalibrationFacts calibrated(uint64_t rows, uint64_t new_rows) {
  CalibrationFacts facts;
  facts.row_count = facts.calibrated_row_count = rows;
  facts.new_row_count = new_rows;
  facts.mean_residual2 = facts.calibrated_mean_residual2 = 1.0;
  facts.code_count = rows * 1000;
  return facts;
}

TEST(CodebookPolicy, CalibratesAQuarterNewRows) {
  EXPECT_TRUE(calibration_is_due(calibrated(0, 0)));  // none yet
  EXPECT_FALSE(calibration_is_due(calibrated(100000, 0)));
  EXPECT_FALSE(calibration_is_due(calibrated(100000, 24999)));
  EXPECT_TRUE(calibration_is_due(calibrated(100000, 25000)));
  EXPECT_FALSE(calibration_is_due(calibrated(1, 0)));
  CalibrationFacts facts = calibrated(100000, 0);
  facts.row_count = 125000;
  EXPECT_TRUE(calibration_is_due(facts));
  facts.row_count = 75000;
  EXPECT_TRUE(calibration_is_due(facts));
  facts.row_count = 75001;
  EXPECT_FALSE(calibration_is_due(facts));
}

TEST(CodebookPolicy, CalibratesATenthNewRowsWhereItPays) {
  CalibrationFacts facts = calibrated(100000, 10000);
  EXPECT_FALSE(calibration_is_due(facts));
  facts.at_rest = true;
  EXPECT_TRUE(calibration_is_due(facts));
  facts.at_rest = false;
  for (double residual2 : {0.97, 1.03}) {  // other rows
    facts.mean_residual2 = residual2;
    EXPECT_TRUE(calibration_is_due(facts)) << residual2;
    facts.new_row_count = 9999;
    EXPECT_FALSE(calibration_is_due(facts)) << residual2;
    facts.new_row_count = 10000;
  }
  facts.mean_residual2 = 1.006;  // rows that did not train
  EXPECT_FALSE(calibration_is_due(facts));
  facts.calibrated_mean_residual2 = 0;  // not known
  EXPECT_FALSE(calibration_is_due(facts));
  facts.code_count = 10000 * 4000;  // cheap beside the rows written
  EXPECT_TRUE(calibration_is_due(facts));
}

// The same rows whatever the codebook, spread over pages and places on a page.
TEST(CodebookPolicy, OneRowInTenNeverTrains) {
  uint32_t held_out = 0;
  for (uint32_t block = 0; block < 1000; ++block) {
    uint32_t of_block = 0;
    for (uint16_t offset = 1; offset <= 100; ++offset) of_block += is_held_out(Tid::of(block, offset));
    EXPECT_LE(of_block, 30u);
    held_out += of_block;
  }
  EXPECT_NEAR(held_out, 10000, 400);
}

TEST(CodebookPolicy, SecondListsStayWhereTheyAreAboutAsGood) {
  EXPECT_TRUE(spill_pays(0.55, false));
  EXPECT_FALSE(spill_pays(0.65, false));
  EXPECT_TRUE(spill_pays(0.65, true));
  EXPECT_FALSE(spill_pays(0.75, true));
}

}  // namespace
}  // namespace strata::policy
