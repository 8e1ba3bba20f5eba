#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using store::MaintainOptions;
using store::Step;

// Steps until there is nothing to do, or 200.
std::vector<Step> work(StoreIndex& index, MaintainOptions const& options = {}) {
  std::vector<Step> steps;
  index.pager.horizon = UINT64_MAX;
  index.locked([&] {
    for (;;) {
      store::MaintainResult result;
      EXPECT_OK(store::maintain(index.pager, options, &result));
      if (result.step == Step::nothing || steps.size() == 200) break;
      steps.push_back(result.step);
      index.pager.xid++;
    }
  });
  return steps;
}

size_t count(std::vector<Step> const& steps, Step step) {
  return size_t(std::count(steps.begin(), steps.end(), step));
}

TEST(Maintain, EmptyIndexWantsNothing) {
  StoreIndex index(16);
  EXPECT_TRUE(work(index).empty());
}

TEST(Maintain, FewYoungRowsWait) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 900, 16));
  EXPECT_TRUE(work(index).empty());
  index.insert_all(gaussian_rows(1, 100, 16));
  EXPECT_EQ(work(index), (std::vector<Step>{Step::sealed, Step::reclaimed}));
  EXPECT_EQ(index.objects(ObjectKind::segment).size(), 1u);
}

TEST(Maintain, OldRowsAreSealedThoughTheyAreFew) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 10, 16));
  MaintainOptions options;
  options.max_growing_age_us = 0;
  EXPECT_EQ(count(work(index, options), Step::sealed), 1u);
}

TEST(Maintain, DeadSegmentsAreDiscardedAndSickOnesCompacted) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 2000, 16));
  index.flush();
  index.insert_all(gaussian_rows(2, 5000, 16));
  index.flush();
  index.reclaim();
  auto first = numbers(2000);
  std::set<uint64_t> dead(first.begin(), first.end());
  for (uint64_t i = 2000; i < 7000; i += 4) dead.insert(i);
  index.vacuum(dead);
  auto steps = work(index);
  EXPECT_EQ(count(steps, Step::discarded), 1u);
  EXPECT_EQ(count(steps, Step::compacted), 1u);
  EXPECT_EQ(index.check().deleted_count, 0u);
  EXPECT_EQ(index.check().row_count, 3750u);
}

TEST(Maintain, ForceMergesEverything) {
  StoreIndex index(16);
  for (uint64_t i = 0; i < 5; i++) {
    index.insert_all(gaussian_rows(i, 300, 16));
    index.flush();
  }
  EXPECT_EQ(index.objects(ObjectKind::segment).size(), 5u);
  MaintainOptions options;
  options.force_merge = true;
  auto steps = work(index, options);
  EXPECT_LT(steps.size(), 20u);
  EXPECT_EQ(index.objects(ObjectKind::segment).size(), 1u);
  EXPECT_EQ(index.live_rows(), numbers(1500));
}

// A small change is cheap: nothing is done twice, and the number of segments stays bounded.
TEST(Maintain, SegmentsStayBoundedWhileRowsCome) {
  StoreIndex index(16);
  size_t most = 0, merges = 0;
  for (uint64_t i = 0; i < 60; i++) {
    index.insert_all(gaussian_rows(i, 250, 16));
    MaintainOptions options;
    options.min_seal_rows = 200;
    auto steps = work(index, options);
    EXPECT_LT(steps.size(), 12u);
    merges += count(steps, Step::merged);
    most = std::max(most, index.objects(ObjectKind::segment).size());
    index.free_memory();
  }
  EXPECT_GE(merges, 6u);
  EXPECT_LE(most, 3u * 8);
  auto header = index.manifest().header;
  EXPECT_EQ(header.sealed_rows, 15000u);
  EXPECT_LE(header.merged_rows, 4 * header.sealed_rows);
  EXPECT_EQ(index.check().row_count, 15000u);
}

// The index of design: created on an empty table, filled by inserts, never told to retrain.
TEST(Maintain, IndexCreatedEmptyAndFilledEndsWithACodebookAndFewSegments) {
  uint32_t const dim = 16, count_of_rows = 60000, query_count = 2000, k = 10;
  StoreIndex index(dim);
  auto rows = clustered_rows(1, count_of_rows + query_count, dim, 100);
  size_t trained = 0;
  for (uint32_t i = 0; i < count_of_rows; i++) {
    index.insert(rows[i], 0, i % 4);
    if (i % 2500 != 2499) continue;
    auto steps = work(index);
    EXPECT_LT(steps.size(), 30u);
    trained += count(steps, Step::trained);
    index.free_memory();
  }
  EXPECT_TRUE(work(index).empty()) << "it had come to rest";
  EXPECT_GE(trained, 1u);
  EXPECT_LE(trained, 3u);
  EXPECT_NE(index.manifest().header.epoch, 0u);
  EXPECT_LE(index.objects(ObjectKind::segment).size(), 16u);
  EXPECT_EQ(index.objects(ObjectKind::growing).size(), 0u);
  EXPECT_EQ(index.check().row_count, count_of_rows);
  auto recall = [&](store::SearchOptions const& options) {
    double hits = 0;
    std::vector<double> scores(count_of_rows);
    for (uint32_t i = count_of_rows; i < rows.size(); i++) {
      for (uint32_t row = 0; row < count_of_rows; row++) scores[row] = index.exact_score(rows[i], row);
      std::nth_element(scores.begin(), scores.begin() + (k - 1), scores.end());
      for (Found const& found : index.search(rows[i], k, options)) hits += found.score <= scores[k - 1];
      index.free_memory();
    }
    return hits / k / query_count;
  };
  double const reached = recall({});
  EXPECT_GE(reached, 0.95) << "default recall target";
  EXPECT_LE(reached, 0.98) << "and not by reading everything";
  store::SearchOptions many;
  many.probes = 40;
  EXPECT_GE(recall(many), 0.99);
}

// The k nearest of the rows seen so far, of each query.
class Neighbours {
 public:
  Neighbours(std::vector<Vector> queries, size_t k) : queries_(std::move(queries)), nearest_(queries_.size()), k_(k) {}

  void add(Vector const& row) {
    for (size_t at = 0; at < queries_.size(); at++) {
      double score = 0;
      for (size_t i = 0; i < row.size(); i++) score += std::pow(double(row[i]) - queries_[at][i], 2);
      auto& nearest = nearest_[at];
      nearest.insert(std::upper_bound(nearest.begin(), nearest.end(), score), score);
      if (nearest.size() > k_) nearest.pop_back();
    }
  }
  double recall(StoreIndex& index) const {
    double hits = 0;
    for (size_t at = 0; at < queries_.size(); at++) {
      double const reach = nearest_[at].back() * (1 + 1e-5);
      for (Found const& found : index.search(queries_[at], uint32_t(k_), {})) hits += found.score <= reach;
      index.free_memory();
    }
    return hits / double(k_ * queries_.size());
  }

 private:
  std::vector<Vector> queries_;
  std::vector<std::vector<double>> nearest_;
  size_t k_;
};

// A new codebook takes over segment by segment, and is calibrated in between: whoever searches meanwhile finds what he
// would find before and after.
TEST(Maintain, RecallHoldsWhileCodebooksChange) {
  uint32_t const dim = 16, chunk = 2000, count_of_rows = 80000, query_count = 100;
  StoreIndex index(dim);
  auto const rows = gaussian_rows(1, count_of_rows + query_count, dim);
  Neighbours neighbours({rows.begin() + count_of_rows, rows.end()}, 10);
  size_t trained = 0;
  double least = 1;
  Step after = Step::nothing;
  for (uint32_t i = 0; i < count_of_rows; i++) {
    index.insert(rows[i], 0, i % 4);
    neighbours.add(rows[i]);
    if (i % chunk != chunk - 1) continue;
    index.pager.horizon = UINT64_MAX;
    bool unsettled = false;
    for (store::MaintainResult result{Step::sealed, 0, 0, ObjectId::none, {}}; result.step != Step::nothing;) {
      MaintainOptions options;
      index.locked([&] { EXPECT_OK(store::maintain(index.pager, options, &result)); });
      index.pager.xid++;
      trained += result.step == Step::trained;
      unsettled = unsettled || trained >= 2;
      if (!unsettled || result.step == Step::reclaimed) continue;
      double const reached = neighbours.recall(index);
      if (reached < least) after = result.step;
      least = std::min(least, reached);
    }
  }
  EXPECT_GE(trained, 2u);
  EXPECT_GE(least, 0.93) << "after step " << int(after);
}

TEST(Maintain, ForcedTrainingAndItsLists) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 21000, 16));
  MaintainOptions options;
  options.force_train = true;
  index.locked([&] {
    store::MaintainResult result;
    options.seal = false;
    EXPECT_OK(store::maintain(index.pager, options, &result));
    EXPECT_EQ(result.step, Step::trained);
    EXPECT_EQ(result.output, ObjectId(index.manifest().header.epoch));
  });
}

}  // namespace
}  // namespace strata::testing
