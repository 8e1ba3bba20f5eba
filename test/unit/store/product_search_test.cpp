// How searches by inner product order lists and stop.
#include <cmath>
#include <memory>

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

constexpr uint32_t dim = 24, row_count = 9000, query_count = 60, k = 10;

// Rows around 120 points, times factors from a quarter to four: uneven norms.
std::vector<Vector> uneven_rows(uint64_t seed, size_t count) {
  std::vector<Vector> rows = clustered_rows(seed, count, dim, 120);
  Random random(seed + 1);
  for (Vector& row : rows) {
    float const length = float(std::exp2(4 * random.unit() - 2));
    for (float& x : row) x *= length;
  }
  return rows;
}

std::vector<Vector> scaled(std::vector<Vector> rows, float scale) {
  for (Vector& row : rows)
    for (float& x : row) x *= scale;
  return rows;
}

struct Sample {
  std::vector<Vector> rows, queries;
};

Sample make_sample() {
  std::vector<Vector> all = uneven_rows(3, row_count + query_count);
  Sample sample{{all.begin(), all.begin() + row_count}, {all.begin() + row_count, all.end()}};
  return sample;
}

std::unique_ptr<StoreIndex> index_of(std::vector<Vector> const& rows) {
  auto index = std::make_unique<StoreIndex>(dim, Metric::inner_product);
  index->insert_all(rows);
  index->train(140);
  index->flush();
  index->locked([&] {
    store::CalibrateResult result;
    EXPECT_OK(store::calibrate(index->pager, uint64_t(500) * row_count, &result));
    EXPECT_GT(result.query_count, 200u);
  });
  index->free_memory();
  return index;
}

struct Outcome {
  double recall = 0;
  uint64_t list_count = 0;
};

Outcome outcome_of(StoreIndex& index, std::vector<Vector> const& queries, double target) {
  Outcome outcome;
  store::SearchOptions options;
  options.recall_target = target;
  for (Vector const& query : queries) {
    double const last = index.brute_force(query)[k - 1].score;
    for (Found const& found : index.search(query, k, options)) outcome.recall += found.score <= last;
    outcome.list_count += index.last_counters.list_count;
    index.free_memory();
  }
  outcome.recall /= double(queries.size() * k);
  return outcome;
}

// Rows and queries of another length make other products, in the same order: a search has to look as far.
TEST(ProductSearch, StopsAlikeAtAnyScale) {
  Sample const sample = make_sample();
  auto const index = index_of(sample.rows);
  auto const large = index_of(scaled(sample.rows, 0x1p10f)), small = index_of(scaled(sample.rows, 0x1p-10f));
  for (double const target : {0.9, 0.99}) {
    Outcome const plain = outcome_of(*index, sample.queries, target);
    EXPECT_GE(plain.recall, target - 0.02);
    EXPECT_LT(plain.list_count, query_count * 100u);
    EXPECT_EQ(outcome_of(*large, sample.queries, target).list_count, plain.list_count);
    EXPECT_EQ(outcome_of(*small, sample.queries, target).list_count, plain.list_count);
    for (float const scale : {0x1p-6f, 0x1p6f}) {
      Outcome const other = outcome_of(*index, scaled(sample.queries, scale), target);
      EXPECT_EQ(other.list_count, plain.list_count) << scale;
      EXPECT_EQ(other.recall, plain.recall) << scale;
    }
  }
}

// Of two lists, the one whose rows scatter holds the largest product, though its centroid has the smaller one.
TEST(ProductSearch, ListsOfScatteredRowsComeEarlier) {
  StoreIndex index(dim, Metric::inner_product);
  Random random(5);
  for (uint32_t row = 0; row < 3000; row++) {
    bool const scattered = row % 2;
    Vector vector(dim);
    for (float& x : vector) x = (scattered ? 3.0f : 0.1f) * float(random.unit() + random.unit() - 1);
    vector[0] += scattered ? -20.0f : 20.0f;
    vector[1] += scattered ? 0.0f : 0.5f;
    index.insert(vector);
  }
  ASSERT_EQ(index.train(2).list_count, 2u);
  index.flush();
  store::SearchOptions options;
  options.probes = 1;
  Vector query(dim);
  query[1] = 1;
  std::vector<Found> const found = index.search(query, 1, options);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].row, index.brute_force(query)[0].row);
}

}  // namespace
}  // namespace strata::testing
