// Rows of a distribution that moves: overlapping clusters that travel from one place to another and grow on the way.
#pragma once
#include <cstdint>
#include <vector>

#include "macro/generate.hpp"
#include "macro/matrix.hpp"

namespace strata::bench {

// Shaped like generate("clustered"): clusters of uneven weight and spread, stretched along shared directions. At place
// 0 the centres are those of one draw, at place 1 those of another, and all rows have moved in a common direction by
// about the distance between two clusters. Immutable, so threads may share it; each brings its own generator.
class DriftingSource {
 public:
  DriftingSource(uint64_t rows, uint32_t dim, uint64_t seed);
  // One row of `dim` values, of the distribution at `place` in [0, 1].
  void draw(double place, Generator& random, float* row) const;
  uint32_t dim() const { return dim_; }

 private:
  struct Cluster {
    std::vector<uint32_t> directions;
    double spread;
  };
  uint32_t dim_;
  Matrix from_, to_, directions_;
  std::vector<Cluster> clusters_;
  std::vector<double> cumulative_;
};

}  // namespace strata::bench
