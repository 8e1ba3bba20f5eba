#include "core/cluster/spill_trial.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.hpp"
#include "core/cluster/kmeans.hpp"
#include "unit/math/levels.hpp"

namespace strata::cluster {
namespace {

using strata::testing::gaussian_vector;

struct Trained {
  uint32_t dim;
  std::vector<float> rows, centroids, residuals2;
  std::vector<uint32_t> row_counts;
  uint32_t list_count;
};

Trained train(uint32_t dim, std::vector<float> rows, uint32_t list_count) {
  Trained trained{dim,
                  std::move(rows),
                  std::vector<float>(size_t{list_count} * dim),
                  std::vector<float>(list_count),
                  std::vector<uint32_t>(list_count),
                  0};
  TrainOptions options;
  options.list_count = list_count;
  options.seed = 3;
  options.residuals2 = trained.residuals2.data();
  options.row_counts = trained.row_counts.data();
  TrainResult result;
  EXPECT_TRUE(train_centroids(float_rows(dim, trained.rows.data(), trained.rows.size() / dim), options,
                              trained.centroids.data(), result)
                  .ok());
  trained.list_count = result.list_count;
  return trained;
}

double ratio(Trained const& trained, Metric metric, std::vector<float> const& mean = {}) {
  return spilled_code_ratio({metric, trained.dim,
                             float_rows(trained.dim, trained.rows.data(), trained.rows.size() / trained.dim),
                             mean.empty() ? nullptr : mean.data(), trained.list_count, trained.centroids.data(),
                             trained.residuals2.data(), trained.row_counts.data(), 11});
}

std::vector<float> noise(uint32_t dim, size_t count) {
  Random random(dim);
  std::vector<float> rows;
  for (size_t i = 0; i < count; ++i) {
    auto const row = gaussian_vector(random, dim);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

// Clusters far from each other, one list each: a row's neighbours lie in its own list.
std::vector<float> islands(uint32_t dim, size_t count, uint32_t island_count) {
  Random random(5);
  std::vector<float> rows, middles;
  for (uint32_t i = 0; i < island_count; ++i) {
    auto const middle = gaussian_vector(random, dim, 50);
    middles.insert(middles.end(), middle.begin(), middle.end());
  }
  for (size_t i = 0; i < count; ++i) {
    auto row = gaussian_vector(random, dim);
    for (uint32_t d = 0; d < dim; ++d) row[d] += middles[i % island_count * dim + d];
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

TEST(SpillTrial, SecondListsDoubleTheCodesWhereOneListHasAll) {
  EXPECT_NEAR(ratio(train(16, islands(16, 4000, 40), 40), Metric::l2), 2.0, 0.1);
}

TEST(SpillTrial, SecondListsCostLessWhereNeighboursLieAnywhere) {
  EXPECT_LT(ratio(train(32, noise(32, 8000), 125), Metric::l2), 1.25);
}

// Of vectors of one length far from the origin, the products order rows as distances do.
TEST(SpillTrial, ProductsAndDistancesAgreeWhereTheyOrderAlike) {
  uint32_t const dim = 16;
  Trained const trained = train(dim, noise(dim, 4000), 60);
  double const by_distance = ratio(trained, Metric::cosine),
               by_product = ratio(trained, Metric::inner_product, std::vector<float>(dim, 0.0f));
  EXPECT_GT(by_distance, 0.5);
  EXPECT_LT(by_distance, 2.0);
  EXPECT_GT(by_product, 0.5);
  EXPECT_LT(by_product, 2.0);
}

TEST(SpillTrial, TellsNothingOfFewRowsOrLists) {
  EXPECT_EQ(ratio(train(8, noise(8, 150), 4), Metric::l2), 1.0);
  EXPECT_EQ(ratio(train(8, noise(8, 2000), 2), Metric::l2), 1.0);
}

}  // namespace
}  // namespace strata::cluster
