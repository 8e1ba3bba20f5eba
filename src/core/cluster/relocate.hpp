// The step that gets k-means out of a poor start: lists that cost little to do without move to where a list is worth
// splitting. Private to src/core/cluster.
//
// Lloyd's steps hardly move a centroid from one cluster to another, so when the data have about as many clusters as
// there are lists, a random start leaves some clusters with several lists and others with a part of one. Removing list
// j, whose rows then go to its nearest neighbour i, costs at most n_i n_j / (n_i + n_j) ||c_i - c_j||^2 (Ward, 1963);
// splitting a list in two by 2-means gains the same expression of its halves. Where a gain exceeds a cost clearly, the
// list moves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/cluster/rows.hpp"

namespace strata::cluster {

// An assignment of rows to lists, grouped: rows order[starts[j]] .. order[starts[j + 1] - 1] are those of list j, and
// centroids are their means. All borrowed.
struct GroupedRows {
  Rows const& rows;
  uint32_t list_count;
  uint32_t const* order;
  size_t const* starts;
  uint32_t const* neighbours;  // nearest other list of each list
};

class Relocator {
 public:
  Relocator(uint32_t dim, uint32_t list_count);
  static size_t memory_size(uint32_t dim, uint32_t list_count);

  // Moves lists by changing `centroids`, float[list_count][dim]; returns how many. Empty lists move before all others.
  // Calls pause() every few milliseconds; it may throw.
  template <class Pause>
  uint32_t run(GroupedRows const& grouped, float* centroids, Pause&& pause) {
    constexpr size_t work_between_pauses = size_t{1} << 22;
    size_t work = 0;
    for (uint32_t j = 0; j < grouped.list_count; ++j) {
      gains_[j] = split(grouped, centroids, j);
      work += (grouped.starts[j + 1] - grouped.starts[j]) * grouped.rows.dim;
      if (work < work_between_pauses) continue;
      pause();
      work = 0;
    }
    return move(grouped, centroids);
  }

 private:
  double split(GroupedRows const& grouped, float const* centroids, uint32_t list);
  uint32_t move(GroupedRows const& grouped, float* centroids);
  double removal_cost(GroupedRows const& grouped, float const* centroids, uint32_t list) const;

  std::vector<double> gains_;  // of splitting a list
  std::vector<double> costs_;  // of removing it
  std::vector<uint32_t> by_gain_, by_cost_;
  std::vector<unsigned char> used_;
  // Of the list that was split last.
  std::vector<float> left_, right_, row_;
  std::vector<double> left_sum_, sum_;
};

}  // namespace strata::cluster
