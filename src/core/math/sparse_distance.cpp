#include "core/math/sparse_distance.hpp"

#include <cmath>
#include <cstring>

#include "core/base/core_only.hpp"

namespace strata::math {

namespace {

int32_t index_at(SparseView v, uint32_t i) {
  int32_t index;
  std::memcpy(&index, static_cast<char const*>(v.indices) + size_t{i} * sizeof index, sizeof index);
  return index;
}

float value_at(SparseView v, uint32_t i) {
  float value;
  std::memcpy(&value, static_cast<char const*>(v.values) + size_t{i} * sizeof value, sizeof value);
  return value;
}

// Calls visit(x, y) for every index at which a or b has an element, with 0 for the one that has none.
template <class Visit>
void merge(SparseView a, SparseView b, Visit visit) {
  uint32_t i = 0;
  uint32_t j = 0;
  while (i < a.count && j < b.count) {
    int32_t const ai = index_at(a, i);
    int32_t const bj = index_at(b, j);
    if (ai == bj) {
      visit(value_at(a, i++), value_at(b, j++));
    } else if (ai < bj) {
      visit(value_at(a, i++), 0.0f);
    } else {
      visit(0.0f, value_at(b, j++));
    }
  }
  while (i < a.count) visit(value_at(a, i++), 0.0f);
  while (j < b.count) visit(0.0f, value_at(b, j++));
}

float norm2(SparseView v) {
  float sum = 0;
  for (uint32_t i = 0; i < v.count; ++i) sum += value_at(v, i) * value_at(v, i);
  return sum;
}

}  // namespace

float l2_squared_sparse(SparseView a, SparseView b) {
  float sum = 0;
  merge(a, b, [&](float x, float y) { sum += (x - y) * (x - y); });
  return sum;
}

float inner_product_sparse(SparseView a, SparseView b) {
  float sum = 0;
  for (uint32_t i = 0, j = 0; i < a.count && j < b.count;) {
    int32_t const ai = index_at(a, i);
    int32_t const bj = index_at(b, j);
    if (ai == bj) sum += value_at(a, i) * value_at(b, j);
    // Both steps at once where they are equal; no branch to predict.
    i += ai <= bj;
    j += bj <= ai;
  }
  return sum;
}

float l1_sparse(SparseView a, SparseView b) {
  float sum = 0;
  merge(a, b, [&](float x, float y) { sum += std::fabs(x - y); });
  return sum;
}

CosineParts cosine_parts_sparse(SparseView a, SparseView b) {
  return {inner_product_sparse(a, b), norm2(a), norm2(b)};
}

}  // namespace strata::math
