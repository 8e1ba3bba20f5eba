// The exact nearest rows of every query, and recall that treats equally distant rows as equal.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "macro/matrix.hpp"
#include "macro/metric.hpp"
#include "macro/readers.hpp"

namespace strata::bench {

// By matrix products, with the candidates that rounding could hide kept and measured again in double: exact.
// Rows without a distance (zero vectors under cosine) are never neighbours. Width is min(k, rows with a distance).
NeighborTable compute_neighbors(Matrix const& base, Matrix const& queries, Metric metric, uint32_t k);

// The same, from a file in `cache_dir` when one was written for exactly this data, metric and k.
NeighborTable cached_neighbors(Matrix const& base, Matrix const& queries, Metric metric, uint32_t k,
                               std::string const& cache_dir);

class RecallJudge {
 public:
  // Keeps references to base and queries. `truth` needs at least min(k, width) neighbours of each query.
  RecallJudge(Matrix const& base, Matrix const& queries, Metric metric, NeighborTable const& truth, uint32_t k);

  // The share of the k true neighbours that `ids` (row numbers) reaches: a row counts when its distance is not above
  // that of the k-th true neighbour, and once however often it is named.
  double recall(uint64_t query, std::vector<int64_t> const& ids) const;

  // Every answer must be a row of this label: another one is not a miss but a wrong answer, and a Failure.
  // `labels` outlives the judge.
  void expect_label(std::vector<int32_t> const* labels, int32_t label) {
    labels_ = labels;
    label_ = label;
  }

  uint32_t k() const { return k_; }

 private:
  Matrix const& base_;
  Matrix const& queries_;
  Metric metric_;
  uint32_t k_;
  std::vector<double> limits_;
  std::vector<int32_t> const* labels_ = nullptr;
  int32_t label_ = -1;
};

}  // namespace strata::bench
