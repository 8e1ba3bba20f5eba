// Distances between sparse vectors: sorted indices from 0 without duplicates, values that are not zero. Sums are kept
// in single precision, as in the dense distances. Pointers need no alignment.
#pragma once
#include <cstdint>

#include "core/math/distance.hpp"

namespace strata::math {

struct SparseView {
  uint32_t count;       // elements stored
  void const* indices;  // int32
  void const* values;   // float32
};

float l2_squared_sparse(SparseView a, SparseView b);
float inner_product_sparse(SparseView a, SparseView b);
float l1_sparse(SparseView a, SparseView b);
CosineParts cosine_parts_sparse(SparseView a, SparseView b);

}  // namespace strata::math
