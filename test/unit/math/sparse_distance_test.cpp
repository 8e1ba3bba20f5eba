#include "core/math/sparse_distance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/random.hpp"

namespace strata::math {
namespace {

struct Sparse {
  std::vector<int32_t> indices;
  std::vector<float> values;
  SparseView view() const { return {static_cast<uint32_t>(indices.size()), indices.data(), values.data()}; }
};

// Small whole numbers: every sum is exact, so that the order of additions does not matter.
Sparse random_sparse(Random& random, std::vector<float>& dense) {
  Sparse sparse;
  for (size_t i = 0; i < dense.size(); ++i) {
    dense[i] = random.below(3) == 0 ? static_cast<float>(random.below(21)) - 10.0f : 0.0f;
    if (dense[i] == 0) continue;
    sparse.indices.push_back(static_cast<int32_t>(i));
    sparse.values.push_back(dense[i]);
  }
  return sparse;
}

TEST(SparseDistance, EqualsTheDenseSums) {
  Random random(3);
  for (int round = 0; round < 2000; ++round) {
    size_t const dim = random.below(40) + 1;
    std::vector<float> x(dim), y(dim);
    Sparse const a = random_sparse(random, x);
    Sparse const b = random_sparse(random, y);
    float l2 = 0, inner = 0, manhattan = 0, norm_x = 0, norm_y = 0;
    for (size_t i = 0; i < dim; ++i) {
      l2 += (x[i] - y[i]) * (x[i] - y[i]);
      inner += x[i] * y[i];
      manhattan += std::fabs(x[i] - y[i]);
      norm_x += x[i] * x[i];
      norm_y += y[i] * y[i];
    }
    ASSERT_EQ(l2_squared_sparse(a.view(), b.view()), l2);
    ASSERT_EQ(inner_product_sparse(a.view(), b.view()), inner);
    ASSERT_EQ(l1_sparse(a.view(), b.view()), manhattan);
    CosineParts const parts = cosine_parts_sparse(a.view(), b.view());
    ASSERT_EQ(parts.inner_product, inner);
    ASSERT_EQ(parts.norm2_a, norm_x);
    ASSERT_EQ(parts.norm2_b, norm_y);
  }
}

TEST(SparseDistance, TakesUnalignedElements) {
  int32_t const indices[] = {0, 2};
  float const values[] = {3, 4};
  alignas(8) char bytes[32];
  std::memcpy(bytes + 1, indices, sizeof indices);
  std::memcpy(bytes + 11, values, sizeof values);
  SparseView const view{2, bytes + 1, bytes + 11};
  EXPECT_EQ(inner_product_sparse(view, view), 25.0f);
  EXPECT_EQ(l1_sparse(view, {0, nullptr, nullptr}), 7.0f);
}

}  // namespace
}  // namespace strata::math
