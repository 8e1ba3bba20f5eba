// Would a second list for every row pay? Tried on the sample that trained a codebook, before any row is in a list.
#pragma once
#include "core/base/metric.hpp"
#include "core/cluster/rows.hpp"

namespace strata::cluster {

// A codebook and the sample that trained it. All borrowed.
struct SpillTrial {
  Metric metric;
  uint32_t dim;       // of the vectors; that of rows and centroids is padded
  Rows rows;          // in the space of the centroids
  float const* mean;  // float[rows.dim]: what was taken off the rows; used by inner products
  uint32_t list_count;
  float const* centroids;      // float[list_count][rows.dim]
  float const* residuals2;     // float[list_count], as lists are ranked by
  uint32_t const* row_counts;  // of the sample in each list
  uint64_t seed;
};

// Codes that searches for the 10 nearest rows read with two lists a row, divided by those with one, at equal recall
// (the geometric mean at 0.9, 0.95 and 0.98): below 1, two lists read less. Rows of the sample play the queries, their
// true neighbours are those in the sample, and lists are read in the order of a search, as many for every query. A
// sample is less dense than the rows that it stands for, which lie nearer to their queries; so the outcome is a proxy.
// 1 when there are too few rows to tell. Costs a few 10^9 multiplications; allocates.
double spilled_code_ratio(SpillTrial const& trial);

}  // namespace strata::cluster
