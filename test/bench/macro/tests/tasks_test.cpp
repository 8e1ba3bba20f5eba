#include "macro/tasks.hpp"

#include <algorithm>

#include "macro/generate.hpp"
#include "macro/tests/test_support.hpp"

namespace strata::bench {
namespace {

TEST(Labels, ReachTheirShares) {
  std::vector<int32_t> const labels = make_labels(20000, {0.1, 0.01}, 1);
  EXPECT_NEAR(double(std::count(labels.begin(), labels.end(), 0)), 2000, 200);
  EXPECT_NEAR(double(std::count(labels.begin(), labels.end(), 1)), 200, 60);
  EXPECT_EQ(labels, make_labels(20000, {0.1, 0.01}, 1));
  EXPECT_TRUE(make_labels(100, {}, 1).empty());
}

TEST(Tasks, LabelsOfRegionsAreHeldByNeighbours) {
  Matrix const base = generate("uniform", 4000, 2, 5);
  std::vector<int32_t> const labels = make_region_labels(base, {0.1, 0.01}, 1);
  EXPECT_EQ(std::count(labels.begin(), labels.end(), 0), 400);
  EXPECT_EQ(std::count(labels.begin(), labels.end(), 1), 40);
  EXPECT_TRUE(make_region_labels(base, {}, 1).empty());
  // A disc that holds a hundredth of the square [-1, 1)^2 is far narrower than the square.
  float least = 1, most = -1;
  for (uint64_t row = 0; row < base.rows(); ++row) {
    if (labels[row] != 1) continue;
    least = std::min(least, base.row(row)[0]);
    most = std::max(most, base.row(row)[0]);
  }
  EXPECT_LT(most - least, 0.6F);
}

TEST(Tasks, FilteredTruthIsThatOfTheRowsThatPass) {
  Matrix base = generate("uniform", 3000, 8, 5);
  Matrix const queries = take_last_rows(base, 5);
  Options options;
  options.k = {3};
  options.filter_shares = {0.05};
  std::vector<int32_t> const labels = make_labels(base.rows(), options.filter_shares, 1);
  NeighborTable const truth = compute_neighbors(base, queries, Metric::l2, 3);
  std::vector<Task> const tasks = make_tasks(options, base, queries, truth, labels);
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_FALSE(tasks[0].is_filtered());
  EXPECT_TRUE(tasks[1].is_filtered());
  std::vector<std::pair<double, int64_t>> passing;
  for (uint64_t row = 0; row < base.rows(); ++row) {
    if (labels[row] == 0) {
      passing.emplace_back(exact_distance(Metric::l2, queries.row(2), base.row(row), 8), int64_t(row));
    }
  }
  std::sort(passing.begin(), passing.end());
  EXPECT_EQ(tasks[1].judge.recall(2, {passing[0].second, passing[1].second, passing[2].second}), 1.0);
  EXPECT_NEAR(tasks[1].judge.recall(2, {passing[0].second, passing[3].second}), 1.0 / 3, 1e-12);
  int64_t const excluded = std::find(labels.begin(), labels.end(), -1) - labels.begin();
  EXPECT_FAILS(tasks[1].judge.recall(2, {excluded}), "the filter excludes");
}

TEST(Tasks, FewerPassingRowsThanK) {
  Matrix base = generate("uniform", 400, 4, 5);
  Matrix const queries = take_last_rows(base, 2);
  Options options;
  options.k = {100};
  options.filter_shares = {0.02};
  std::vector<int32_t> const labels = make_labels(base.rows(), options.filter_shares, 1);
  NeighborTable const truth = compute_neighbors(base, queries, Metric::l2, 100);
  std::vector<Task> const tasks = make_tasks(options, base, queries, truth, labels);
  std::vector<int64_t> all;
  for (uint64_t row = 0; row < base.rows(); ++row) {
    if (labels[row] == 0) all.push_back(int64_t(row));
  }
  EXPECT_EQ(tasks[1].judge.k(), all.size());
  EXPECT_EQ(tasks[1].judge.recall(0, all), 1.0);
}

}  // namespace
}  // namespace strata::bench
