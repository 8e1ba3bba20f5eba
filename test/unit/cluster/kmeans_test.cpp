#include "core/cluster/kmeans.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "core/base/limits.hpp"
#include "core/base/random.hpp"
#include "core/quant/refine_code.hpp"
#include "unit/math/levels.hpp"

namespace strata::cluster {
namespace {

float gaussian(Random& random) {
  double sum = 0.0;
  for (int i = 0; i < 12; ++i) sum += random.unit();
  return static_cast<float>(sum - 6.0);
}

std::vector<float> mixture(Random& random, uint32_t dim, size_t row_count, uint32_t center_count, float spread) {
  std::vector<float> centers(size_t{center_count} * dim), rows(row_count * dim);
  for (float& c : centers) c = 10 * gaussian(random);
  for (size_t i = 0; i < row_count; ++i) {
    for (uint32_t d = 0; d < dim; ++d)
      rows[i * dim + d] = centers[i % center_count * dim + d] + spread * gaussian(random);
  }
  return rows;
}

// Lists that some row is nearest to, and the mean squared distance, in double precision.
struct Quality {
  size_t used_count;
  double mean_residual2;
};
Quality measure(uint32_t dim, std::vector<float> const& rows, std::vector<float> const& centroids,
                uint32_t list_count) {
  std::set<uint32_t> used;
  double sum = 0.0;
  for (size_t i = 0; i < rows.size() / dim; ++i) {
    double best = 1e300;
    uint32_t list = 0;
    for (uint32_t j = 0; j < list_count; ++j) {
      double distance2 = 0.0;
      for (uint32_t d = 0; d < dim; ++d) {
        double difference = double{rows[i * dim + d]} - centroids[size_t{j} * dim + d];
        distance2 += difference * difference;
      }
      if (distance2 < best) {
        best = distance2;
        list = j;
      }
    }
    used.insert(list);
    sum += best;
  }
  return {used.size(), sum / static_cast<double>(rows.size() / dim)};
}

struct Training {
  Status status;
  TrainResult result;
  std::vector<float> centroids;
};
Training train(uint32_t dim, std::vector<float> const& rows, TrainOptions options) {
  Training training;
  training.centroids.resize(size_t{options.list_count} * dim);
  training.status = train_centroids(float_rows(dim, rows.data(), rows.size() / dim), options, training.centroids.data(),
                                    training.result);
  return training;
}

TEST(Kmeans, FindsWellSeparatedCenters) {
  Random random(1);
  std::vector<float> rows = mixture(random, 16, 6000, 30, 0.1f);
  Training t = train(16, rows, {.list_count = 240, .seed = 4});
  ASSERT_TRUE(t.status.ok());
  ASSERT_EQ(t.result.list_count, 240U);
  Quality quality = measure(16, rows, t.centroids, 240);
  EXPECT_EQ(quality.used_count, 240U);
  // Each center has lists of its own: otherwise the mean were in the hundreds, not below the 16 * 0.01 of the centers.
  EXPECT_LT(quality.mean_residual2, 0.17);
  EXPECT_NEAR(t.result.mean_residual2, quality.mean_residual2, 1e-4 * quality.mean_residual2);
  EXPECT_GE(t.result.list_rows_max, 6000U / 240);
}

// A random start gives some clusters several lists and leaves others without: residuals would be near 50 on average.
TEST(Kmeans, AsManyListsAsClusters) {
  Random random(12);
  std::vector<float> rows = mixture(random, 24, 200 * 70, 200, 0.5f);
  Training t = train(24, rows, {.list_count = 200, .seed = 3});
  ASSERT_TRUE(t.status.ok());
  EXPECT_LT(t.result.mean_residual2, 24 * 0.25 * 1.5);
}

TEST(Kmeans, TwentyListsForTenFarApartClustersOfUnevenSize) {
  Random random(13);
  std::vector<float> rows;
  for (int cluster = 0; cluster < 10; ++cluster) {
    for (int i = 0; i < 40 << (cluster % 5); ++i) {
      for (int d = 0; d < 8; ++d)
        rows.push_back(1000.0f * static_cast<float>(cluster * (d + 1) % 11) + gaussian(random));
    }
  }
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Training t = train(8, rows, {.list_count = 20, .seed = seed});
    ASSERT_TRUE(t.status.ok());
    EXPECT_LT(t.result.mean_residual2, 8.0) << seed;  // the clusters' own: every cluster has a list
  }
}

TEST(Kmeans, OneListIsTheMean) {
  std::vector<float> rows = {0, 0, 2, 0, 0, 4, 2, 4};
  Training t = train(2, rows, {.list_count = 1});
  ASSERT_TRUE(t.status.ok());
  EXPECT_FLOAT_EQ(t.centroids[0], 1.0f);
  EXPECT_FLOAT_EQ(t.centroids[1], 2.0f);
  EXPECT_DOUBLE_EQ(t.result.mean_residual2, 5.0);
  EXPECT_EQ(t.result.list_rows_max, 4U);
}

TEST(Kmeans, FewerRowsThanListsGiveOneListEach) {
  Random random(2);
  std::vector<float> rows = mixture(random, 8, 13, 13, 1.0f);
  Training t = train(8, rows, {.list_count = 100});
  ASSERT_TRUE(t.status.ok());
  EXPECT_EQ(t.result.list_count, 13U);
  EXPECT_EQ(t.result.mean_residual2, 0.0);
}

TEST(Kmeans, DuplicatesShareAList) {
  Random random(3);
  std::vector<float> distinct = mixture(random, 12, 7, 7, 1.0f);
  std::vector<float> rows;
  for (int i = 0; i < 2000; ++i)
    rows.insert(rows.end(), distinct.begin() + i % 7 * 12, distinct.begin() + i % 7 * 12 + 12);
  Training t = train(12, rows, {.list_count = 50});
  ASSERT_TRUE(t.status.ok());
  EXPECT_EQ(t.result.list_count, 7U);
  EXPECT_LT(t.result.mean_residual2, 1e-8);
}

TEST(Kmeans, MostlyDuplicatesStillSplitTheRest) {
  Random random(4);
  std::vector<float> rows = mixture(random, 8, 1000, 40, 0.01f);
  rows.resize(rows.size() + size_t{9000} * 8, 3.0f);  // nine rows in ten are equal
  Training t = train(8, rows, {.list_count = 64});
  ASSERT_TRUE(t.status.ok());
  EXPECT_GT(t.result.list_count, 38U);
  EXPECT_EQ(measure(8, rows, t.centroids, t.result.list_count).used_count, t.result.list_count);
  EXPECT_GE(t.result.list_rows_max, 9000U);
}

TEST(Kmeans, ConstantDataGivesOneList) {
  for (float value : {0.0f, 1.0f, -3.7f, 1e10f}) {
    std::vector<float> rows(size_t{5000} * 10, value);
    Training t = train(10, rows, {.list_count = 32});
    ASSERT_TRUE(t.status.ok());
    EXPECT_EQ(t.result.list_count, 1U) << value;
    for (uint32_t d = 0; d < 10; ++d) EXPECT_FLOAT_EQ(t.centroids[d], value);
    EXPECT_LE(t.result.mean_residual2, 1e-12 * value * value);
  }
}

TEST(Kmeans, NoListIsEmptyOnSkewedData) {
  Random random(5);
  std::vector<float> rows(size_t{4000} * 4);
  for (float& v : rows) v = std::exp(3 * gaussian(random));  // heavy tail
  Training t = train(4, rows, {.list_count = 200});
  ASSERT_TRUE(t.status.ok());
  EXPECT_EQ(measure(4, rows, t.centroids, t.result.list_count).used_count, t.result.list_count);
  EXPECT_GT(t.result.list_count, 190U);
}

void check_unit_norms(std::vector<float> rows, uint32_t list_count) {
  for (size_t i = 0; i < 1500; ++i) {
    double norm2 = 0.0;
    for (int d = 0; d < 24; ++d) norm2 += double{rows[i * 24 + d]} * rows[i * 24 + d];
    for (int d = 0; d < 24; ++d) rows[i * 24 + d] /= static_cast<float>(std::sqrt(norm2));
  }
  Training t = train(24, rows, {.list_count = list_count, .spherical = true});
  ASSERT_TRUE(t.status.ok());
  for (uint32_t j = 0; j < t.result.list_count; ++j) {
    double norm2 = 0.0;
    for (int d = 0; d < 24; ++d) norm2 += double{t.centroids[j * 24 + d]} * t.centroids[j * 24 + d];
    EXPECT_NEAR(norm2, 1.0, 1e-5);
  }
}

TEST(Kmeans, SphericalCentroidsHaveUnitNorm) {
  Random random(6);
  std::vector<float> rows = mixture(random, 24, 1500, 20, 2.0f);
  check_unit_norms(rows, 20);
  std::copy(rows.begin(), rows.begin() + 24, rows.begin() + 24 * 700);
  for (size_t i = 24; i < rows.size() / 2; ++i) rows[i] = rows[i % 24];  // duplicates, so that lists run empty
  check_unit_norms(rows, 700);
}

TEST(Kmeans, SameSeedSameCentroids) {
  Random random(7);
  std::vector<float> rows = mixture(random, 10, 2000, 50, 3.0f);
  Training a = train(10, rows, {.list_count = 30, .seed = 1});
  Training b = train(10, rows, {.list_count = 30, .seed = 1});
  Training c = train(10, rows, {.list_count = 30, .seed = 2});
  EXPECT_EQ(a.centroids, b.centroids);
  EXPECT_NE(a.centroids, c.centroids);
}

TEST(Kmeans, MoreIterationsFitBetter) {
  Random random(8);
  std::vector<float> rows = mixture(random, 10, 5000, 300, 3.0f);
  Training one = train(10, rows, {.list_count = 64, .iteration_count = 1});
  Training ten = train(10, rows, {.list_count = 64, .iteration_count = 10});
  ASSERT_TRUE(one.status.ok() && ten.status.ok());
  EXPECT_LT(ten.result.mean_residual2, 0.97 * one.result.mean_residual2);
}

struct Countdown {
  int left;
  static bool stop(void* context) { return --static_cast<Countdown*>(context)->left < 0; }
};

TEST(Kmeans, StopsWhereverItIsTold) {
  Random random(9);
  std::vector<float> rows = mixture(random, 6, 9000, 20, 1.0f);
  Countdown never{1 << 30};
  TrainOptions options{.list_count = 50, .should_stop = Countdown::stop, .context = &never};
  ASSERT_TRUE(train(6, rows, options).status.ok());
  int question_count = (1 << 30) - never.left;
  ASSERT_GE(question_count, 10 * 3);  // ten steps, three batches each
  for (int left = 0; left < question_count; ++left) {
    Countdown countdown{left};
    options.context = &countdown;
    ASSERT_EQ(train(6, rows, options).status.code, Code::interrupted) << left;
  }
}

TEST(Kmeans, KeepsWithinItsMemory) {
  Random random(10);
  std::vector<float> rows = mixture(random, 32, 3000, 20, 1.0f);
  size_t needed = train_memory_size(32, 3000, 40);
  EXPECT_TRUE(train(32, rows, {.list_count = 40, .memory_max_bytes = needed}).status.ok());
  Training t = train(32, rows, {.list_count = 40, .memory_max_bytes = needed - 1});
  EXPECT_EQ(t.status.code, Code::out_of_memory);
  EXPECT_EQ(t.status.detail, needed);
}

TEST(Kmeans, RefusesBadInput) {
  std::vector<float> rows(40, 1.0f);
  EXPECT_EQ(train(4, {}, {.list_count = 2}).status.code, Code::invalid);
  EXPECT_EQ(train(4, rows, {.list_count = list_count_max + 1}).status.code, Code::limit);
  EXPECT_EQ(train(4, rows, {.list_count = 2, .iteration_count = 0}).status.code, Code::invalid);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f}) {
    rows[22] = bad;
    Training t = train(4, rows, {.list_count = 2});
    EXPECT_EQ(t.status.code, Code::invalid);
    EXPECT_EQ(t.status.detail, 5U);
  }
}

// The same rows as floats and as codes train codebooks of the same worth.
TEST(Kmeans, CodesTrainAsWellAsFloats) {
  constexpr uint32_t dim = 48, list_count = 60;
  constexpr size_t row_count = 6000, size = quant::refine_row_size(dim);
  Random random(5);
  std::vector<float> centers(size_t{90} * dim), rows(row_count * dim);
  for (float& c : centers) c = 2 * gaussian(random);
  std::vector<std::byte> codes(row_count * size);
  for (size_t i = 0; i < row_count; ++i) {
    for (uint32_t d = 0; d < dim; ++d) rows[i * dim + d] = centers[i % 90 * dim + d] + gaussian(random);
    quant::encode_refine(dim, &rows[i * dim], &codes[i * size]);
  }
  std::vector<float> centroids(size_t{list_count} * dim);
  TrainOptions options{.list_count = list_count, .seed = 3};
  std::vector<float> residuals2(list_count);
  options.residuals2 = residuals2.data();
  TrainResult by_floats, by_codes;
  ASSERT_TRUE(train_centroids(float_rows(dim, rows.data(), row_count), options, centroids.data(), by_floats).ok());
  testing::at_every_level([&] {
    ASSERT_TRUE(train_centroids(code_rows(dim, codes.data(), row_count), options, centroids.data(), by_codes).ok());
    EXPECT_EQ(by_codes.list_count, list_count);
    EXPECT_NEAR(by_codes.mean_residual2 / by_floats.mean_residual2, 1.0, 0.03);
    for (float residual2 : residuals2) {
      EXPECT_GT(residual2, 0.0f);
      EXPECT_LT(residual2, 10 * by_codes.mean_residual2);
    }
  });
  // A scale out of range is refused by its row.
  quant::RefineRowDisk head{};
  head.scale = 1e30f;
  std::memcpy(&codes[7 * size], &head, sizeof head);
  Status status = train_centroids(code_rows(dim, codes.data(), row_count), options, centroids.data(), by_codes);
  EXPECT_EQ(status.code, Code::invalid);
  EXPECT_EQ(status.detail, 7U);
}

TEST(Kmeans, PrintsNothing) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  Random random(11);
  std::vector<float> rows = mixture(random, 6, 300, 20, 1.0f);  // far fewer rows a list than FAISS asks for
  Status status = train(6, rows, {.list_count = 100}).status;
  std::string text = ::testing::internal::GetCapturedStdout() + ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace strata::cluster
