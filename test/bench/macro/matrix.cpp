#include "macro/matrix.hpp"

#include <cstring>

#include "macro/failure.hpp"

namespace strata::bench {

Matrix take_last_rows(Matrix& base, uint64_t count) {
  if (count == 0 || count >= base.rows()) {
    throw Failure("cannot hold out ", count, " query rows of a base file of ", base.rows(), " rows");
  }
  Matrix taken(count, base.dim());
  uint64_t const kept = base.rows() - count;
  std::memcpy(taken.row(0), base.row(kept), count * base.dim() * sizeof(float));
  base.resize(kept);
  return taken;
}

}  // namespace strata::bench
