// What is asked of every engine: k nearest rows, of all or of those that a filter lets through.
#pragma once
#include <cstdint>
#include <vector>

#include "macro/ground_truth.hpp"
#include "macro/options.hpp"

namespace strata::bench {

struct Task {
  uint32_t k;
  double share;   // of the rows that pass the filter; 1: no filter
  int32_t label;  // WHERE label = ...; -1: no filter
  RecallJudge judge;
  bool is_filtered() const { return label >= 0; }
};

// A label for each row, independent of its vector: i for about shares[i] of the rows, -1 for the rest. Empty without
// shares.
std::vector<int32_t> make_labels(uint64_t rows, std::vector<double> const& shares, uint64_t seed);

// The same, but a label is held by the rows nearest to a random row, as far as they have none yet: most queries lie far
// from them.
std::vector<int32_t> make_region_labels(Matrix const& base, std::vector<double> const& shares, uint64_t seed);

// One task for each k without a filter, then one for each filter and k. `truth` is that of all rows.
std::vector<Task> make_tasks(Options const& options, Matrix const& base, Matrix const& queries,
                             NeighborTable const& truth, std::vector<int32_t> const& labels);

}  // namespace strata::bench
