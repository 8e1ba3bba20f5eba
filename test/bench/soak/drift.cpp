#include "soak/drift.hpp"

#include <algorithm>
#include <cmath>

namespace strata::bench {
namespace {

constexpr uint32_t direction_count = 48;
constexpr uint32_t stretch_count = 24;

void fill_normal(Matrix& matrix, double scale, Generator& random) {
  for (uint64_t row = 0; row < matrix.rows(); ++row) {
    for (uint32_t i = 0; i < matrix.dim(); ++i) matrix.row(row)[i] = float(scale * random.normal());
  }
}

}  // namespace

DriftingSource::DriftingSource(uint64_t rows, uint32_t dim, uint64_t seed)
    : dim_(dim), directions_(direction_count + 1, dim) {
  Generator random(seed);
  double const scale = 1 / std::sqrt(double(dim));
  fill_normal(directions_, scale, random);
  uint64_t const count = std::clamp<uint64_t>(uint64_t(std::sqrt(double(rows)) / 4), 4, 1000);
  from_ = Matrix(count, dim);
  to_ = Matrix(count, dim);
  fill_normal(from_, scale, random);
  fill_normal(to_, scale, random);
  float const* common = directions_.row(direction_count);
  double total = 0;
  for (uint64_t c = 0; c < count; ++c) {
    for (uint32_t i = 0; i < dim; ++i) to_.row(c)[i] += 1.5F * common[i];
    Cluster cluster;
    for (uint32_t d = 0; d < stretch_count; ++d) cluster.directions.push_back(uint32_t(random.below(direction_count)));
    cluster.spread = 0.9 * std::exp(0.3 * random.normal());
    clusters_.push_back(std::move(cluster));
    total += std::exp(0.8 * random.normal());
    cumulative_.push_back(total);
  }
}

void DriftingSource::draw(double place, Generator& random, float* row) const {
  auto const found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, random.unit() * cumulative_.back());
  size_t const c = size_t(found - cumulative_.begin());
  double const spread = clusters_[c].spread * (1 + 0.3 * place);
  float const* from = from_.row(c);
  float const* to = to_.row(c);
  double const noise = 0.35 * spread / std::sqrt(double(dim_));
  for (uint32_t i = 0; i < dim_; ++i) {
    row[i] = float(from[i] + place * (double(to[i]) - from[i]) + noise * random.normal());
  }
  for (uint32_t direction : clusters_[c].directions) {
    float const along = float(spread * random.normal() / std::sqrt(double(stretch_count)));
    float const* unit = directions_.row(direction);
    for (uint32_t i = 0; i < dim_; ++i) row[i] += along * unit[i];
  }
}

}  // namespace strata::bench
