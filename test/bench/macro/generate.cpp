#include "macro/generate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "macro/failure.hpp"

namespace strata::bench {

uint64_t Generator::next() {
  uint64_t x = state_ += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

double Generator::unit() {
  return double(next() >> 11) * 0x1.0p-53;
}

uint64_t Generator::below(uint64_t bound) {
  return uint64_t((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

double Generator::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double const radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
  double const angle = 2.0 * std::numbers::pi * unit();
  has_spare_ = true;
  spare_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

namespace {

constexpr uint32_t stretch_directions = 24;
constexpr uint32_t shared_directions = 48;

struct Cluster {
  std::vector<float> center;
  std::vector<uint32_t> directions;  // rows of the shared directions
  float spread = 1;
};

// Unit-length random rows.
Matrix random_directions(uint32_t count, uint32_t dim, Generator& random) {
  Matrix directions(count, dim);
  for (uint32_t row = 0; row < count; ++row) {
    double sum = 0;
    for (uint32_t i = 0; i < dim; ++i) {
      double const value = random.normal();
      directions.row(row)[i] = float(value);
      sum += value * value;
    }
    for (uint32_t i = 0; i < dim; ++i) directions.row(row)[i] /= float(std::sqrt(sum));
  }
  return directions;
}

Matrix generate_clustered(uint64_t rows, uint32_t dim, Generator& random) {
  Matrix const directions = random_directions(shared_directions, dim, random);
  uint64_t const cluster_count = std::clamp<uint64_t>(uint64_t(std::sqrt(double(rows)) / 4), 4, 1000);
  std::vector<Cluster> clusters(cluster_count);
  std::vector<double> cumulative(cluster_count);
  double total = 0;
  for (uint64_t c = 0; c < cluster_count; ++c) {
    Cluster& cluster = clusters[c];
    cluster.center.resize(dim);
    for (float& value : cluster.center) value = float(random.normal() / std::sqrt(double(dim)));
    for (uint32_t d = 0; d < stretch_directions; ++d) {
      cluster.directions.push_back(uint32_t(random.below(shared_directions)));
    }
    cluster.spread = float(0.9 * std::exp(0.3 * random.normal()));
    total += std::exp(0.8 * random.normal());
    cumulative[c] = total;
  }
  Matrix matrix(rows, dim);
  for (uint64_t row = 0; row < rows; ++row) {
    auto const chosen = std::upper_bound(cumulative.begin(), cumulative.end() - 1, random.unit() * total);
    Cluster const& cluster = clusters[size_t(chosen - cumulative.begin())];
    float* values = matrix.row(row);
    float const noise = 0.35F * cluster.spread / std::sqrt(float(dim));
    for (uint32_t i = 0; i < dim; ++i) values[i] = cluster.center[i] + noise * float(random.normal());
    for (uint32_t direction : cluster.directions) {
      float const along = cluster.spread * float(random.normal() / std::sqrt(double(stretch_directions)));
      float const* unit = directions.row(direction);
      for (uint32_t i = 0; i < dim; ++i) values[i] += along * unit[i];
    }
  }
  return matrix;
}

double student_t3(Generator& random) {
  double const a = random.normal(), b = random.normal(), c = random.normal();
  return random.normal() / std::sqrt((a * a + b * b + c * c) / 3.0);
}

Matrix generate_heavy_tail(uint64_t rows, uint32_t dim, Generator& random) {
  std::vector<float> mean(dim), scale(dim);
  for (uint32_t i = 0; i < dim; ++i) {
    mean[i] = float(0.5 * random.normal());
    scale[i] = float(1.0 / std::sqrt(1.0 + i * 8.0 / dim));
  }
  Matrix matrix(rows, dim);
  for (uint64_t row = 0; row < rows; ++row) {
    float const length = float(std::exp(0.5 * random.normal()));
    for (uint32_t i = 0; i < dim; ++i) {
      matrix.row(row)[i] = length * (mean[i] + scale[i] * float(student_t3(random)));
    }
  }
  return matrix;
}

}  // namespace

Matrix generate(std::string const& shape, uint64_t rows, uint32_t dim, uint64_t seed) {
  if (rows == 0 || dim == 0) throw Failure("--generate needs --rows and --dim of at least 1");
  Generator random(seed);
  if (shape == "clustered") return generate_clustered(rows, dim, random);
  if (shape == "heavy-tail") return generate_heavy_tail(rows, dim, random);
  if (shape == "uniform") {
    Matrix matrix(rows, dim);
    for (uint64_t row = 0; row < rows; ++row) {
      for (uint32_t i = 0; i < dim; ++i) matrix.row(row)[i] = float(2.0 * random.unit() - 1.0);
    }
    return matrix;
  }
  throw Failure("unknown shape \"", shape, "\": clustered, heavy-tail or uniform");
}

}  // namespace strata::bench
