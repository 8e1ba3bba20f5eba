// Cells: near vectors share one, whatever codebooks there are.
#include "store/cells.hpp"

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

std::set<std::pair<uint32_t, uint32_t>> cells_of(StoreIndex& index, Vector const& vector, double radius) {
  store::Array<store::Cell> cells{};
  EXPECT_OK(store::find_cells(index.pager, vector.data(), radius, &cells));
  std::set<std::pair<uint32_t, uint32_t>> result;
  for (store::Cell const& cell : cells) result.insert({raw(cell.epoch), cell.list});
  EXPECT_EQ(result.size(), cells.count) << "a cell twice";
  return result;
}

double distance(Vector const& a, Vector const& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) sum += double(a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

TEST(Cells, NoneWithoutACodebook) {
  StoreIndex index(6);
  index.insert_all(clustered_rows(1, 100, 6, 3));
  EXPECT_TRUE(cells_of(index, index.vectors[0], 1).empty());
}

TEST(Cells, NearVectorsShareOneInEveryEpoch) {
  StoreIndex index(6);
  index.insert_all(clustered_rows(2, 3000, 6, 9));
  index.train(40);
  index.flush();
  index.train(60);
  Random random(3);
  size_t most = 0;
  for (double radius : {0.001, 0.05, 0.5}) {
    for (uint32_t i = 0; i < 300; i++) {
      Vector const& x = index.vectors[random.below(index.vectors.size())];
      Vector y = x;
      for (float& element : y) element += float((random.unit() * 2 - 1) * radius / std::sqrt(6.0));
      ASSERT_LE(distance(x, y), radius * 1.0001);
      auto const of_x = cells_of(index, x, radius), of_y = cells_of(index, y, radius);
      std::set<uint32_t> shared;
      for (auto const& cell : of_x)
        if (of_y.count(cell)) shared.insert(cell.first);
      ASSERT_EQ(shared.size(), 2u) << "radius " << radius;
      most = std::max(most, of_x.size());
    }
  }
  EXPECT_LT(most, 100u);
  EXPECT_LE(cells_of(index, index.vectors[5], 0).size(), 4u);
  EXPECT_EQ(cells_of(index, index.vectors[5], 1e6).size(), 100u);
}

}  // namespace
}  // namespace strata::testing
