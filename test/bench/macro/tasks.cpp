#include "macro/tasks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "macro/failure.hpp"
#include "macro/generate.hpp"

namespace strata::bench {

std::vector<int32_t> make_labels(uint64_t rows, std::vector<double> const& shares, uint64_t seed) {
  std::vector<int32_t> labels;
  if (shares.empty()) return labels;
  Generator random(seed ^ 0x1abe15);
  labels.assign(rows, -1);
  for (int32_t& label : labels) {
    double at = random.unit();
    for (size_t i = 0; i < shares.size() && label < 0; ++i) {
      if (at < shares[i]) label = int32_t(i);
      at -= shares[i];
    }
  }
  return labels;
}

std::vector<int32_t> make_region_labels(Matrix const& base, std::vector<double> const& shares, uint64_t seed) {
  std::vector<int32_t> labels;
  if (shares.empty()) return labels;
  Generator random(seed ^ 0x2e610);
  labels.assign(base.rows(), -1);
  for (size_t i = 0; i < shares.size(); ++i) {
    float const* const center = base.row(random.below(base.rows()));
    std::vector<std::pair<double, uint64_t>> rows;
    for (uint64_t row = 0; row < base.rows(); ++row) {
      if (labels[row] < 0) rows.emplace_back(exact_distance(Metric::l2, center, base.row(row), base.dim()), row);
    }
    size_t const count = std::min(rows.size(), size_t(std::llround(shares[i] * double(base.rows()))));
    std::nth_element(rows.begin(), rows.begin() + ptrdiff_t(count), rows.end());
    for (size_t at = 0; at < count; ++at) labels[rows[at].second] = int32_t(i);
  }
  return labels;
}

// The nearest rows among those of one label, by their numbers in the whole base.
static NeighborTable filtered_neighbors(Options const& options, Matrix const& base, Matrix const& queries,
                                        std::vector<int32_t> const& labels, int32_t label, uint32_t k) {
  std::vector<int32_t> rows;
  for (uint64_t row = 0; row < labels.size(); ++row) {
    if (labels[row] == label) rows.push_back(int32_t(row));
  }
  if (rows.empty()) throw Failure("no row passes the filter of share ", options.filter_shares[size_t(label)]);
  Matrix subset(rows.size(), base.dim());
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(subset.row(i), base.row(uint64_t(rows[i])), base.dim() * sizeof(float));
  }
  NeighborTable table = cached_neighbors(subset, queries, options.metric, k, options.cache_dir);
  for (int32_t& id : table.ids) id = rows[size_t(id)];
  return table;
}

std::vector<Task> make_tasks(Options const& options, Matrix const& base, Matrix const& queries,
                             NeighborTable const& truth, std::vector<int32_t> const& labels) {
  std::vector<Task> tasks;
  for (uint32_t k : options.k) {
    tasks.push_back({k, 1.0, -1, RecallJudge(base, queries, options.metric, truth, k)});
  }
  uint32_t const deepest = *std::max_element(options.k.begin(), options.k.end());
  for (size_t i = 0; i < options.filter_shares.size(); ++i) {
    int32_t const label = int32_t(i);
    NeighborTable const filtered = filtered_neighbors(options, base, queries, labels, label, std::max(100U, deepest));
    for (uint32_t k : options.k) {
      uint32_t const reachable = std::min(k, filtered.width);  // fewer rows than k may pass the filter
      RecallJudge judge(base, queries, options.metric, filtered, reachable);
      judge.expect_label(&labels, label);
      tasks.push_back({k, options.filter_shares[i], label, std::move(judge)});
    }
  }
  return tasks;
}

}  // namespace strata::bench
