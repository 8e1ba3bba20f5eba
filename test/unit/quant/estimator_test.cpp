// The statistics that the search relies on: on generated data, the scan codes' estimate of the nearest rows is
// unbiased, its error in units of the stored err is standard normal or a little narrower, and the lower bound fails as
// rarely as the normal law says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/math/distance.hpp"
#include "core/quant/frame.hpp"
#include "core/quant/query_table.hpp"
#include "unit/math/levels.hpp"

namespace strata::quant {
namespace {

struct Generated {
  uint32_t dim;
  std::vector<std::vector<float>> centers;
  std::vector<std::vector<float>> rows;
  std::vector<uint32_t> list_of_row;
  std::vector<std::vector<float>> queries;
};

// Gaussian clusters around Gaussian centres, all moved by `offset` along every axis; `decay` makes the variance of
// dimension i fall like (i + 1)^-decay.
Generated generate(uint32_t dim, double spread, double offset, double decay, uint64_t seed) {
  Random random(seed);
  Generated data{dim, {}, {}, {}, {}};
  constexpr uint32_t center_count = 24, row_count = 1200, query_count = 60;
  auto draw = [&](double scale) {
    std::vector<float> v(dim);
    for (uint32_t i = 0; i < dim; ++i) v[i] = float(testing::gaussian(random) * scale * std::pow(i + 1.0, -decay / 2));
    return v;
  };
  for (uint32_t i = 0; i < center_count; ++i) {
    data.centers.push_back(draw(1));
    for (float& x : data.centers.back()) x += float(offset);
  }
  auto near_center = [&](uint32_t list) {
    std::vector<float> v = draw(spread);
    for (uint32_t i = 0; i < dim; ++i) v[i] += data.centers[list][i];
    return v;
  };
  for (uint32_t i = 0; i < row_count; ++i) {
    data.list_of_row.push_back(i % center_count);
    data.rows.push_back(near_center(i % center_count));
  }
  for (uint32_t i = 0; i < query_count; ++i) data.queries.push_back(near_center(uint32_t(random.below(center_count))));
  return data;
}

// Everything of `data` in frame space.
Generated framed(Generated const& data, uint64_t seed) {
  uint32_t const n = padded_dim_of(data.dim);
  std::vector<float> mean(data.dim), frame_mean(n);
  for (uint32_t i = 0; i < data.dim; ++i) {
    double sum = 0;
    for (std::vector<float> const& row : data.rows) sum += row[i];
    mean[i] = float(sum / double(data.rows.size()));
  }
  double spread2 = 0;
  for (std::vector<float> const& row : data.rows) {
    for (uint32_t i = 0; i < data.dim; ++i) spread2 += (row[i] - mean[i]) * (row[i] - mean[i]);
  }
  float const unit = unit_of(std::sqrt(spread2 / double(data.rows.size())));
  rotate(seed, data.dim, mean.data(), frame_mean.data());
  for (float& x : frame_mean) x /= unit;
  Frame const frame{seed, data.dim, n, unit, frame_mean.data()};
  Generated result = data;
  for (std::vector<std::vector<float>>* vectors : {&result.centers, &result.rows, &result.queries}) {
    for (std::vector<float>& v : *vectors) {
      std::vector<float> z(n);
      to_frame(frame, v.data(), z.data());
      v = z;
    }
  }
  return result;
}

double distance2(std::vector<float> const& a, std::vector<float> const& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return sum;
}

double product(std::vector<float> const& a, std::vector<float> const& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * b[i];
  return sum;
}

// (estimate - truth) / (err gain at eps = 1) of the 50 best rows of every query.
struct Scores {
  std::vector<double> z;
  double bias = 0;  // sum of (estimate - truth) / (||z|| ||w||)
};

void collect(Generated const& data, ScanShape const& shape, Scores& scores) {
  std::vector<char> memory(query_table_size(shape.padded_dim) + 64);
  void* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
  bool const ip = shape.metric == Metric::inner_product;
  for (std::vector<float> const& w : data.queries) {
    std::vector<float> near;
    for (std::vector<float> const& z : data.rows) {
      near.push_back(ip ? -math::inner_product(shape.padded_dim, z.data(), w.data())
                        : math::l2_squared(shape.padded_dim, z.data(), w.data()));
    }
    std::vector<uint32_t> order(data.rows.size());
    std::iota(order.begin(), order.end(), 0u);
    std::partial_sort(order.begin(), order.begin() + 50, order.end(),
                      [&](uint32_t a, uint32_t b) { return near[a] < near[b]; });
    QueryTable const* table = build_query_table(shape, w.data(), aligned);
    double const noise = query_table_noise(table);
    for (uint32_t i = 0; i < 50; ++i) {
      std::vector<float> const& z = data.rows[order[i]];
      std::vector<float> const& c = data.centers[data.list_of_row[order[i]]];
      std::vector<std::byte> block(block_size(shape.padded_dim, shape.bits));
      encode_scan_row(shape, z.data(), c.data(), block.data(), 0);
      double const truth = ip ? -product(z, w) : distance2(z, w);
      double const base = ip ? -product(c, w) : distance2(w, c);
      double const reach = std::sqrt((ip ? product(w, w) : base) + noise * noise);
      float estimate[32], bound[32];
      scan_block(table, block.data(), {float(base), 0, 0}, estimate);
      scan_block(table, block.data(), {float(base), float(reach), 0}, bound);
      double const sigma = double(estimate[0]) - bound[0];
      scores.z.push_back((estimate[0] - truth) / sigma);
      scores.bias += (estimate[0] - truth) / std::sqrt(product(z, z) * product(w, w));
    }
  }
}

struct Case {
  char const* name;
  uint32_t dim;
  double spread, offset, decay;
};

std::vector<Case> const cases = {
    {"clusters with a common offset, 128", 128, 0.5, 3, 0},
    {"clusters with a common offset, 200", 200, 0.3, 10, 0},
    {"broad spectrum, 384", 384, 1, 0, 0.7},
    {"tight clusters, 768", 768, 0.2, 1, 0.5},
    // Here most of the error is that of the look-up table.
    {"clusters far apart, 96", 96, 0.03, 0, 0},
};

double miss_rate(std::vector<double> const& z, double eps) {
  return double(std::count_if(z.begin(), z.end(), [&](double x) { return x > eps; })) / double(z.size());
}

void check(Case const& c, ScanShape const& shape) {
  Scores scores;
  Generated const data = generate(c.dim, c.spread, c.offset, c.decay, c.dim);
  for (uint64_t seed = 1; seed <= 4; ++seed) collect(framed(data, seed), shape, scores);
  double const count = double(scores.z.size());
  double const mean = std::accumulate(scores.z.begin(), scores.z.end(), 0.0) / count;
  double square = 0;
  for (double x : scores.z) square += (x - mean) * (x - mean);
  double const sd = std::sqrt(square / count);
  EXPECT_NEAR(mean, 0, 0.06);
  EXPECT_NEAR(scores.bias / count, 0, 0.002);
  EXPECT_GT(sd, 0.90);
  EXPECT_LT(sd, 1.02);
  // The normal law says 15.9, 6.7, 2.9, 0.6 and 0.13 %.
  struct Limits {
    double eps, low, high;
  };
  for (Limits const& limits : {Limits{1.0, 0.125, 0.170}, Limits{1.5, 0.045, 0.076}, Limits{1.9, 0.017, 0.036},
                               Limits{2.5, 0.002, 0.010}, Limits{3.0, 0.0, 0.003}}) {
    double const rate = miss_rate(scores.z, limits.eps);
    EXPECT_GE(rate, limits.low) << "eps " << limits.eps;
    EXPECT_LE(rate, limits.high) << "eps " << limits.eps;
  }
}

TEST(Estimator, BoundsFailAsRarelyAsTheNormalLawSays) {
  for (Case const& c : cases) {
    for (uint32_t bits : {1u, 2u}) {
      for (Metric metric : {Metric::l2, Metric::inner_product}) {
        SCOPED_TRACE(c.name);
        check(c, {metric, bits, padded_dim_of(c.dim)});
      }
    }
  }
}

// Few dimensions, padded to 16 and rotated: nothing is random any more but the seed, and the bound must not fail more
// often than the normal law says.
TEST(Estimator, BoundsHoldForOneToThreeDimensions) {
  for (uint32_t dim = 1; dim <= 3; ++dim) {
    for (uint32_t bits : {1u, 2u}) {
      Scores scores;
      for (uint64_t seed = 1; seed <= 150; ++seed) {
        Generated data = generate(dim, 0.5, 1, 0, seed);
        data.queries.resize(2);
        collect(framed(data, seed), {Metric::l2, bits, 16}, scores);
      }
      SCOPED_TRACE(dim);
      EXPECT_LE(miss_rate(scores.z, 1.0), 0.19) << bits;
      EXPECT_LE(miss_rate(scores.z, 1.5), 0.08) << bits;
      EXPECT_LE(miss_rate(scores.z, 1.9), 0.035) << bits;
      EXPECT_LE(miss_rate(scores.z, 3.0), 0.004) << bits;
    }
  }
}

}  // namespace
}  // namespace strata::quant
