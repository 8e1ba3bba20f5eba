// Recall of filtered searches, with filters that know nothing of the vectors and with such that do.
#pragma once
#include <cstdint>
#include <vector>

#include "macro/matrix.hpp"
#include "macro/metric.hpp"
#include "recall/memory_index.hpp"

namespace strata::bench {

// Two columns for each share: labels drawn at random, then labels of cells, each row that of the nearest of 1 / share
// rows. One label is held by such a share of the rows, in cells by more or less.
struct FilterLabels {
  std::vector<double> shares;
  std::vector<std::vector<uint32_t>> columns;
  std::vector<Matrix> centers;  // of the cells, for each share
};
FilterLabels make_filter_labels(Matrix const& base, Metric metric, std::vector<double> const& shares, uint64_t seed);

// One line for each share, filter, k and target. Filters: `random`; `own`: the cell that the query lies in; `other`:
// one it does not lie in. `rows`: the indexed ones. Throws Failure when a search returns fewer rows than k though more
// pass, or a row that does not pass.
void print_filtered(MemoryIndex& index, Matrix const& base, Matrix const& queries, Metric metric,
                    std::vector<uint32_t> const& rows, FilterLabels const& labels, std::vector<uint32_t> const& k,
                    std::vector<double> const& targets, uint64_t seed);

}  // namespace strata::bench
