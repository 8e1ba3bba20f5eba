// The copy of its vector that a row of an index is to carry, for tests.
#pragma once
#include <cstddef>
#include <cstring>
#include <vector>

#include "core/quant/rounded_copy.hpp"
#include "store/shape.hpp"

namespace strata::sim {

// shape.copy_size bytes of the kind shape.copy_kind; whole copies are of floats. Empty: the row carries none.
inline std::vector<std::byte> copy_of(store::IndexShape const& shape, std::vector<float> const& vector) {
  if (vector.empty() || shape.copy_size == 0) return {};
  std::vector<std::byte> copy(shape.copy_size);
  if (store::has_rounded_copies(shape))
    quant::encode_rounded(shape.dim, vector.data(), copy.data());
  else
    std::memcpy(copy.data(), vector.data(), copy.size());
  return copy;
}

}  // namespace strata::sim
