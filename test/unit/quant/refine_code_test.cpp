#include "core/quant/refine_code.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/math/half.hpp"
#include "unit/math/levels.hpp"

namespace strata::quant {
namespace {

using Row = std::vector<std::byte>;

// Encoded at an odd address, to see that none is required.
Row encoded(std::vector<float> const& z) {
  Row row(1 + refine_row_size(uint32_t(z.size())));
  encode_refine(uint32_t(z.size()), z.data(), row.data() + 1);
  return row;
}

RefineRowDisk header_of(Row const& row) {
  RefineRowDisk header;
  std::memcpy(&header, row.data() + 1, sizeof header);
  return header;
}

int code_of(Row const& row, size_t i) {
  return int(row[1 + sizeof(RefineRowDisk) + i]);
}

double norm(std::vector<float> const& v) {
  double sum = 0;
  for (float x : v) sum += double(x) * x;
  return std::sqrt(sum);
}

// Vectors that strain the encoder: n is a padded dimension.
std::vector<std::vector<float>> difficult_vectors(uint32_t n) {
  Random random(n);
  std::vector<std::vector<float>> all;
  all.push_back(std::vector<float>(n));
  all.push_back(std::vector<float>(n, 1.0f));
  all.push_back(std::vector<float>(n, -0.3f));
  std::vector<float> spike(n);
  spike[n / 2] = 5;
  all.push_back(spike);
  for (double scale : {1.0, 0.05, 1e-3, 1e-9, 1e-25, 1e-37, 1e4, 1e7, 1e14, 1e19, 1e30}) {
    all.push_back(testing::gaussian_vector(random, n, scale));
  }
  std::vector<float> heavy(n), two(n), tiny_and_huge(n);
  for (uint32_t i = 0; i < n; ++i) {
    heavy[i] = float(1 / (random.unit() + 1e-3));
    two[i] = i % 2 ? 1.0f : -127.5f / 126.5f;
    tiny_and_huge[i] = i % 2 ? 1e-20f : 1e3f;
  }
  all.push_back(heavy);
  all.push_back(two);
  all.push_back(tiny_and_huge);
  all.push_back(testing::gaussian_vector(random, n, 1 / std::sqrt(double(n))));
  all.push_back(all.back());
  return all;
}

std::vector<uint32_t> const padded_dims = {16, 32, 48, 64, 128, 304, 768, 1536, 16000};

TEST(RefineCode, HeaderDescribesTheReconstruction) {
  testing::at_every_level([] {
    for (uint32_t n : padded_dims) {
      for (std::vector<float> const& z : difficult_vectors(n)) {
        Row const row = encoded(z);
        RefineRowDisk const header = header_of(row);
        ASSERT_TRUE(std::isfinite(header.scale));
        ASSERT_TRUE(std::isfinite(header.norm2));
        EXPECT_EQ(header.reserved, 0);
        double norm2 = 0, error2 = 0;
        for (uint32_t i = 0; i < n; ++i) {
          double const y = double(header.scale) * (code_of(row, i) - 127.5);
          norm2 += y * y;
          error2 += (z[i] - y) * (z[i] - y);
        }
        if (norm2 < FLT_MAX) {
          EXPECT_NEAR(header.norm2, norm2, 1e-6 * norm2 + 1e-44);
        }
        EXPECT_GE(double(math::half_to_float(header.error)), std::sqrt(error2)) << n << " norm " << norm(z);
        std::vector<float> decoded(n);
        decode_refine(n, row.data() + 1, decoded.data());
        for (uint32_t i = 0; i < n; ++i) {
          EXPECT_NEAR(decoded[i], double(header.scale) * (code_of(row, i) - 127.5), 1e-7 * std::fabs(decoded[i]));
        }
      }
    }
  });
}

// The error bound must not only hold but be worth something: 8 bits of Gaussian coordinates.
TEST(RefineCode, ErrorOfGaussianRowsIsBelowOnePercent) {
  testing::at_every_level([] {
    Random random(8);
    for (uint32_t n : {128u, 768u}) {
      double sum = 0;
      for (int i = 0; i < 50; ++i) {
        std::vector<float> const z = testing::gaussian_vector(random, n, 1 / std::sqrt(double(n)));
        sum += math::half_to_float(header_of(encoded(z)).error) / norm(z);
      }
      EXPECT_LT(sum / 50, 0.010);
      EXPECT_GT(sum / 50, 0.004);
    }
  });
}

TEST(RefineCode, ZeroRowsAreZero) {
  testing::at_every_level([] {
    Row const row = encoded(std::vector<float>(48));
    RefineRowDisk const header = header_of(row);
    EXPECT_EQ(header.scale, 0);
    EXPECT_EQ(header.norm2, 0);
    EXPECT_EQ(header.error, 0);
  });
}

TEST(RefineCode, RowsThatAreNotFiniteBoundNothing) {
  testing::at_every_level([] {
    for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      for (float rest : {0.0f, 1.0f, 1e-35f}) {
        std::vector<float> z(64, rest);
        z[37] = bad;
        Row const row = encoded(z);
        RefineRowDisk const header = header_of(row);
        EXPECT_EQ(header.scale, 0);
        EXPECT_EQ(header.norm2, 0);
        EXPECT_EQ(header.error, 0x7c00);
        std::vector<float> const w(64, 1.0f);
        RefineEstimate const l2 = evaluate_refine(refine_query(Metric::l2, 64, w.data()), row.data() + 1);
        EXPECT_EQ(l2.lower_bound, 0);
        EXPECT_TRUE(std::isfinite(l2.score));
        RefineEstimate const ip = evaluate_refine(refine_query(Metric::inner_product, 64, w.data()), row.data() + 1);
        EXPECT_EQ(ip.lower_bound, -std::numeric_limits<float>::infinity());
        EXPECT_EQ(l2.upper_bound, std::numeric_limits<float>::infinity());
        EXPECT_EQ(ip.upper_bound, std::numeric_limits<float>::infinity());
        EXPECT_TRUE(std::isfinite(ip.score));
      }
    }
  });
}

TEST(RefineCode, EncodingChangesNoByteOutsideItsRow) {
  testing::at_every_level([] {
    Random random(3);
    for (uint32_t n : {16u, 48u, 128u}) {
      Row row(refine_row_size(n) + 64, std::byte{0xa5});
      std::vector<float> const z = testing::gaussian_vector(random, n);
      encode_refine(n, z.data(), row.data() + 32);
      for (size_t i = 0; i < 32; ++i) {
        EXPECT_EQ(row[i], std::byte{0xa5});
        EXPECT_EQ(row[row.size() - 1 - i], std::byte{0xa5});
      }
    }
  });
}

double true_score(Metric metric, std::vector<float> const& w, std::vector<float> const& z) {
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    sum += metric == Metric::inner_product ? -double(w[i]) * z[i] : (double(w[i]) - z[i]) * (double(w[i]) - z[i]);
  }
  return sum;
}

// What lies beyond a reach does so in truth, and the rest is evaluated as ever.
void check_reaches(RefineQuery const& query, Row const& row, double truth) {
  RefineEstimate const estimate = evaluate_refine(query, row.data() + 1);
  double const least = estimate.lower_bound;
  for (double const reach : {truth, truth * 0.99, truth * 1.01, least, least * 0.9, 0.0, -1.0, 1e30, -1e30, HUGE_VAL}) {
    RefineEstimate within{};
    if (evaluate_refine_within(query, row.data() + 1, float(reach), &within)) {
      ASSERT_EQ(within.score, estimate.score);
      ASSERT_EQ(within.lower_bound, estimate.lower_bound);
      ASSERT_EQ(within.upper_bound, estimate.upper_bound);
    } else {
      ASSERT_GE(truth, float(reach) - 1e-6 * std::fabs(reach));
    }
  }
}

void check_pair(std::vector<float> const& w, std::vector<float> const& z) {
  uint32_t const n = uint32_t(z.size());
  Row const row = encoded(z);
  RefineRowDisk const header = header_of(row);
  for (Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine}) {
    RefineQuery const query = refine_query(metric, n, w.data());
    RefineEstimate const estimate = evaluate_refine(query, row.data() + 1);
    ASSERT_FALSE(std::isnan(estimate.score));
    ASSERT_FALSE(std::isnan(estimate.lower_bound));
    double const truth = true_score(metric, w, z);
    ASSERT_LE(double(estimate.lower_bound), truth) << n << " |w| " << norm(w) << " |z| " << norm(z);
    ASSERT_FALSE(std::isnan(estimate.upper_bound));
    ASSERT_GE(double(estimate.upper_bound), truth) << n << " |w| " << norm(w) << " |z| " << norm(z);
    check_reaches(query, row, truth);
    if (header.error < 0x7c00 && query.norm2 < 1e30f) {
      ASSERT_TRUE(std::isfinite(estimate.score));
      ASSERT_TRUE(std::isfinite(estimate.lower_bound));
      std::vector<float> reconstructed(n);
      decode_refine(n, row.data() + 1, reconstructed.data());
      // The documented rounding, and that of the reconstruction above.
      double const norms = norm(w) * norm(w) + header.norm2, product = norm(w) * norm(reconstructed);
      double const slack = double(header.scale) * query.rounding + 0x1p-21 * (norms / 2 + product);
      double const factor = metric == Metric::inner_product ? 1 : 2;
      ASSERT_NEAR(estimate.score, true_score(metric, w, reconstructed), factor * slack + 1e-7 * product + 1e-37);
    }
  }
}

TEST(RefineCode, RowsFarBeyondAReachAreNotEvaluated) {
  testing::at_every_level([] {
    Random random(11);
    for (uint32_t n : {16u, 128u, 784u}) {
      Row const row = encoded(testing::gaussian_vector(random, n));
      std::vector<float> const w = testing::gaussian_vector(random, n);
      for (Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine}) {
        RefineQuery const query = refine_query(metric, n, w.data());
        float const least = evaluate_refine(query, row.data() + 1).lower_bound;
        RefineEstimate estimate;
        EXPECT_FALSE(evaluate_refine_within(query, row.data() + 1, least - 0.1f * std::fabs(least), &estimate));
        EXPECT_TRUE(evaluate_refine_within(query, row.data() + 1, least + 0.1f * std::fabs(least), &estimate));
      }
    }
  });
}

TEST(RefineCode, BoundHoldsForDifficultRowsAndQueries) {
  testing::at_every_level([] {
    for (uint32_t n : padded_dims) {
      std::vector<std::vector<float>> const all = difficult_vectors(n);
      for (std::vector<float> const& z : all) {
        for (std::vector<float> const& w : all) check_pair(w, z);
      }
    }
  });
}

// The worst query lies where the reconstruction error points: on the line through the row and its reconstruction.
TEST(RefineCode, BoundHoldsWhereTheReconstructionErrorPoints) {
  testing::at_every_level([] {
    Random random(4);
    for (uint32_t n : {16u, 64u, 768u}) {
      for (int i = 0; i < 100; ++i) {
        std::vector<float> const z = testing::gaussian_vector(random, n, i % 2 ? 1 : 0.03);
        std::vector<float> z_hat(n);
        Row const row = encoded(z);
        decode_refine(n, row.data() + 1, z_hat.data());
        for (float reach : {0.0f, 0.5f, 1.0f, 1.001f, 2.0f, 100.0f, -1.0f, -100.0f}) {
          std::vector<float> w(n);
          for (uint32_t k = 0; k < n; ++k) w[k] = z_hat[k] + reach * (z[k] - z_hat[k]);
          check_pair(w, z);
          for (uint32_t k = 0; k < n; ++k) w[k] = reach * (z[k] - z_hat[k]);
          check_pair(w, z);
        }
      }
    }
  });
}

TEST(RefineCode, BoundIsTightForNearRows) {
  testing::at_every_level([] {
    Random random(5);
    for (uint32_t n : {128u, 768u}) {
      std::vector<float> const z = testing::gaussian_vector(random, n, 1 / std::sqrt(double(n)));
      std::vector<float> w = z;
      for (float& x : w) x += float(testing::gaussian(random) * 0.7 / std::sqrt(double(n)));
      Row const row = encoded(z);
      RefineEstimate const estimate = evaluate_refine(refine_query(Metric::l2, n, w.data()), row.data() + 1);
      double const truth = std::sqrt(true_score(Metric::l2, w, z));
      double const reach = 2.01 * math::half_to_float(header_of(row).error) + 1e-4;
      EXPECT_GT(std::sqrt(estimate.lower_bound), truth - reach);
      EXPECT_LT(std::sqrt(estimate.upper_bound), truth + reach);
    }
  });
}

}  // namespace
}  // namespace strata::quant
