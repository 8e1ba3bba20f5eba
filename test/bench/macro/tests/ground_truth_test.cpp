#include "macro/ground_truth.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "macro/generate.hpp"
#include "macro/tests/test_support.hpp"

namespace strata::bench {
namespace {

std::vector<int32_t> brute_force(Matrix const& base, float const* query, Metric metric, uint32_t k) {
  std::vector<std::pair<double, int32_t>> all;
  for (uint64_t row = 0; row < base.rows(); ++row) {
    double const distance = exact_distance(metric, query, base.row(row), base.dim());
    if (!std::isnan(distance)) all.emplace_back(distance, int32_t(row));
  }
  std::sort(all.begin(), all.end());
  std::vector<int32_t> ids;
  for (uint32_t i = 0; i < k && i < all.size(); ++i) ids.push_back(all[i].second);
  return ids;
}

void expect_exact(Matrix const& base, Matrix const& queries, Metric metric, uint32_t k) {
  NeighborTable const table = compute_neighbors(base, queries, metric, k);
  for (uint64_t query = 0; query < queries.rows(); ++query) {
    std::vector<int32_t> const expected = brute_force(base, queries.row(query), metric, k);
    ASSERT_EQ(table.width, expected.size());
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), table.row(query)))
        << metric_name(metric) << " query " << query;
  }
}

TEST(GroundTruth, EqualsBruteForceInDouble) {
  for (char const* shape : {"clustered", "heavy-tail", "uniform"}) {
    Matrix base = generate(shape, 5000, 19, 7);
    Matrix const queries = take_last_rows(base, 300);
    for (Metric metric : {Metric::l2, Metric::ip, Metric::cosine}) expect_exact(base, queries, metric, 20);
  }
}

TEST(GroundTruth, DataFarFromTheOriginWithTies) {
  // Neighbours differ in the last bits of float32 products, and every row exists three times.
  Matrix base = generate("uniform", 999, 24, 3);
  for (uint64_t row = 0; row < base.rows(); ++row) {
    for (uint32_t i = 0; i < base.dim(); ++i) {
      base.row(row)[i] = row % 3 == 0 ? base.row(row)[i] * 0.01F + 1000.0F : base.row(row - row % 3)[i];
    }
  }
  Matrix const queries = take_last_rows(base, 9);
  expect_exact(base, queries, Metric::l2, 10);
  expect_exact(base, queries, Metric::cosine, 10);
}

TEST(GroundTruth, FewRowsAndZeroVectors) {
  Matrix base = generate("uniform", 8, 4, 1);
  Matrix const queries = take_last_rows(base, 2);
  for (uint32_t i = 0; i < 4; ++i) base.row(2)[i] = 0;
  expect_exact(base, queries, Metric::l2, 100);
  expect_exact(base, queries, Metric::cosine, 100);
  EXPECT_EQ(compute_neighbors(base, queries, Metric::cosine, 100).width, 5U);
  Matrix zero(1, 4);
  std::fill(zero.row(0), zero.row(0) + 4, 0.0F);
  EXPECT_FAILS(compute_neighbors(base, zero, Metric::cosine, 1), "zero vector");
  EXPECT_FAILS(compute_neighbors(base, generate("uniform", 2, 3, 1), Metric::l2, 1), "dimension");
}

class GroundTruthCache : public FileTest {};

TEST_F(GroundTruthCache, IsUsedForTheSameDataOnly) {
  Matrix base = generate("uniform", 100, 4, 1);
  Matrix const queries = take_last_rows(base, 3);
  NeighborTable const first = cached_neighbors(base, queries, Metric::l2, 5, path("cache"));
  NeighborTable const again = cached_neighbors(base, queries, Metric::l2, 5, path("cache"));
  EXPECT_EQ(first.ids, again.ids);
  auto count = [&] {
    return std::distance(std::filesystem::directory_iterator(path("cache")), std::filesystem::directory_iterator());
  };
  EXPECT_EQ(count(), 1);
  base.row(50)[2] += 0.5F;
  cached_neighbors(base, queries, Metric::l2, 5, path("cache"));
  EXPECT_EQ(count(), 2);
  cached_neighbors(base, queries, Metric::ip, 5, path("cache"));
  EXPECT_EQ(count(), 3);
}

class Judging : public testing::Test {
 protected:
  Judging() : base_(6, 1), queries_(1, 1) {
    // Distances from 0: rows 0..5 -> 1, 2, 2, 2, 3, 4
    float const values[] = {1, 2, -2, 2, 3, 4};
    std::copy(values, values + 6, base_.row(0));
    queries_.row(0)[0] = 0;
  }
  double recall(std::vector<int64_t> const& ids, uint32_t k) {
    NeighborTable const truth = compute_neighbors(base_, queries_, Metric::l2, 6);
    return RecallJudge(base_, queries_, Metric::l2, truth, k).recall(0, ids);
  }
  Matrix base_, queries_;
};

TEST_F(Judging, TiesCountAsEqual) {
  EXPECT_EQ(recall({0, 1}, 2), 1.0);
  EXPECT_EQ(recall({0, 3}, 2), 1.0);
  EXPECT_EQ(recall({2, 3}, 2), 1.0);  // both are at the distance of the second neighbour
}

TEST_F(Judging, MissesRepetitionsAndShortAnswers) {
  EXPECT_EQ(recall({0, 4}, 2), 0.5);
  EXPECT_EQ(recall({0, 0}, 2), 0.5);
  EXPECT_EQ(recall({0}, 2), 0.5);
  EXPECT_EQ(recall({}, 2), 0.0);
  EXPECT_EQ(recall({4, 5, 0, 1}, 2), 0.0);  // only the first k count
  EXPECT_EQ(recall({0, 1, 2, 3, 4, 5}, 100), 1.0);
  EXPECT_FAILS(recall({6}, 2), "never loaded");
}

TEST_F(Judging, TruthMustBeDeepEnough) {
  NeighborTable const truth = compute_neighbors(base_, queries_, Metric::l2, 2);
  EXPECT_FAILS(RecallJudge(base_, queries_, Metric::l2, truth, 3), "2 neighbours");
}

}  // namespace
}  // namespace strata::bench
