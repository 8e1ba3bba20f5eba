#include "core/cluster/relocate.hpp"

#include <algorithm>
#include <cmath>

#include "core/math/distance.hpp"

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr int split_step_count = 3;
constexpr double clear_gain = 1.5;  // gains and costs are estimates, one list at a time

double distance2(uint32_t dim, float const* a, float const* b) {
  double sum = 0.0;
  for (uint32_t d = 0; d < dim; ++d) sum += (double{a[d]} - b[d]) * (double{a[d]} - b[d]);
  return sum;
}

double ward(double n1, double n2, double distance2) {
  return n1 * n2 / (n1 + n2) * distance2;
}

}  // namespace

Relocator::Relocator(uint32_t dim, uint32_t list_count)
    : gains_(list_count),
      costs_(list_count),
      by_gain_(list_count),
      by_cost_(list_count),
      used_(list_count),
      left_(dim),
      right_(dim),
      row_(dim),
      left_sum_(dim),
      sum_(dim) {}

size_t Relocator::memory_size(uint32_t dim, uint32_t list_count) {
  return size_t{list_count} * (2 * sizeof(double) + 2 * sizeof(uint32_t) + 1) +
         size_t{dim} * (3 * sizeof(float) + 2 * sizeof(double));
}

// 2-means within one list; leaves the two means in left_ and right_ and returns what the split gains, 0 when there is
// none. It starts with the farthest row and its mirror image.
double Relocator::split(GroupedRows const& grouped, float const* centroids, uint32_t list) {
  uint32_t dim = grouped.rows.dim;
  uint32_t const* begin = grouped.order + grouped.starts[list];
  uint32_t const* end = grouped.order + grouped.starts[list + 1];
  size_t count = static_cast<size_t>(end - begin);
  if (count < 2) return 0.0;
  float const* centroid = centroids + size_t{list} * dim;
  auto row_of = [&](uint32_t i) { return grouped.rows.read(i, row_.data()); };
  uint32_t farthest = *begin;
  float farthest2 = -1.0f;
  std::fill(sum_.begin(), sum_.end(), 0.0);
  for (uint32_t const* i = begin; i != end; ++i) {
    float const* row = row_of(*i);
    float norm2 = math::l2_squared(dim, row, centroid);
    for (uint32_t d = 0; d < dim; ++d) sum_[d] += row[d];
    if (norm2 > farthest2) {
      farthest2 = norm2;
      farthest = *i;
    }
  }
  if (!(farthest2 > 0.0f)) return 0.0;
  float const* far_row = row_of(farthest);
  for (uint32_t d = 0; d < dim; ++d) {
    right_[d] = far_row[d];
    left_[d] = centroid[d] - (far_row[d] - centroid[d]);
  }
  double gain = 0.0;
  for (int step = 0; step < split_step_count; ++step) {
    std::fill(left_sum_.begin(), left_sum_.end(), 0.0);
    size_t left_count = 0;
    for (uint32_t const* i = begin; i != end; ++i) {
      float const* row = row_of(*i);
      if (math::l2_squared(dim, row, right_.data()) < math::l2_squared(dim, row, left_.data())) continue;
      for (uint32_t d = 0; d < dim; ++d) left_sum_[d] += row[d];
      ++left_count;
    }
    size_t right_count = count - left_count;
    if (left_count == 0 || right_count == 0) return 0.0;
    for (uint32_t d = 0; d < dim; ++d) {
      right_[d] = static_cast<float>((sum_[d] - left_sum_[d]) / static_cast<double>(right_count));
      left_[d] = static_cast<float>(left_sum_[d] / static_cast<double>(left_count));
    }
    gain = ward(static_cast<double>(left_count), static_cast<double>(right_count),
                distance2(dim, left_.data(), right_.data()));
  }
  return gain;
}

double Relocator::removal_cost(GroupedRows const& grouped, float const* centroids, uint32_t list) const {
  size_t own = grouped.starts[list + 1] - grouped.starts[list];
  if (own == 0) return 0.0;
  uint32_t neighbour = grouped.neighbours[list];
  if (neighbour == list) return HUGE_VAL;
  size_t other = grouped.starts[neighbour + size_t{1}] - grouped.starts[neighbour];
  if (other == 0) return HUGE_VAL;  // the neighbour is about to move
  return ward(static_cast<double>(own), static_cast<double>(other),
              distance2(grouped.rows.dim, centroids + size_t{list} * grouped.rows.dim,
                        centroids + size_t{neighbour} * grouped.rows.dim));
}

// The best splits meet the cheapest removals. A list takes part once: as the one that moves, its heir, or the one
// split.
uint32_t Relocator::move(GroupedRows const& grouped, float* centroids) {
  uint32_t list_count = grouped.list_count;
  uint32_t dim = grouped.rows.dim;
  for (uint32_t j = 0; j < list_count; ++j) {
    costs_[j] = removal_cost(grouped, centroids, j);
    by_gain_[j] = by_cost_[j] = j;
    used_[j] = 0;
  }
  auto before = [](uint32_t a, uint32_t b, double x, double y) { return x != y ? x < y : a < b; };
  std::sort(by_gain_.begin(), by_gain_.end(),
            [&](uint32_t a, uint32_t b) { return before(a, b, -gains_[a], -gains_[b]); });
  std::sort(by_cost_.begin(), by_cost_.end(),
            [&](uint32_t a, uint32_t b) { return before(a, b, costs_[a], costs_[b]); });
  uint32_t moved_count = 0;
  uint32_t next_victim = 0;
  for (uint32_t donor : by_gain_) {
    if (!(gains_[donor] > 0.0)) break;
    if (used_[donor]) continue;
    // The first list that is still free, its heir too.
    uint32_t at = next_victim;
    auto is_free = [&](uint32_t victim) {
      if (used_[victim] || victim == donor) return false;
      if (grouped.starts[victim] == grouped.starts[victim + size_t{1}]) return true;
      uint32_t heir = grouped.neighbours[victim];
      return !used_[heir] && heir != donor;
    };
    while (at < list_count && !is_free(by_cost_[at])) ++at;
    if (at == list_count || gains_[donor] <= clear_gain * costs_[by_cost_[at]]) break;
    uint32_t victim = by_cost_[at];
    size_t own = grouped.starts[victim + size_t{1}] - grouped.starts[victim];
    if (own > 0) {
      uint32_t heir = grouped.neighbours[victim];
      size_t other = grouped.starts[heir + size_t{1}] - grouped.starts[heir];
      float share = static_cast<float>(static_cast<double>(own) / static_cast<double>(own + other));
      float* to = centroids + size_t{heir} * dim;
      float const* from = centroids + size_t{victim} * dim;
      for (uint32_t d = 0; d < dim; ++d) to[d] += share * (from[d] - to[d]);
      used_[heir] = 1;
    }
    split(grouped, centroids, donor);
    std::copy(left_.begin(), left_.end(), centroids + size_t{donor} * dim);
    std::copy(right_.begin(), right_.end(), centroids + size_t{victim} * dim);
    used_[donor] = used_[victim] = 1;
    while (next_victim < list_count && used_[by_cost_[next_victim]]) ++next_victim;
    ++moved_count;
  }
  return moved_count;
}

}  // namespace strata::cluster
