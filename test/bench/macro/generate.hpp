// Made-up data of a stated shape, the same for the same seed.
#pragma once
#include <cstdint>
#include <string>

#include "macro/matrix.hpp"

namespace strata::bench {

// clustered: overlapping Gaussian clusters of uneven weight and spread, each stretched along 24 of 48 shared
// directions,
//            so that the local dimension is far below `dim`, as in embeddings.
// heavy-tail: one cloud off the origin with Student-t components (3 degrees of freedom) and log-normal lengths:
//            uneven norms, hubs and outliers.
// uniform:   independent components in [-1, 1): no structure at all, the worst case of any index.
Matrix generate(std::string const& shape, uint64_t rows, uint32_t dim, uint64_t seed);

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014) with normal numbers by Box and Muller.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t next();
  double unit();  // [0, 1)
  uint64_t below(uint64_t bound);
  double normal();

 private:
  uint64_t state_;
  bool has_spare_ = false;
  double spare_ = 0;
};

}  // namespace strata::bench
