// An index that is never told to retrain keeps up with its data: frame, lists and recall are those of a fresh one.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using store::Step;

uint32_t const dim = 16;

std::vector<policy::EpochReason> work(StoreIndex& index, bool at_rest = false) {
  std::vector<policy::EpochReason> reasons;
  store::MaintainOptions options;
  options.at_rest = at_rest;
  index.pager.horizon = UINT64_MAX;
  index.locked([&] {
    for (int step = 0; step < 60; step++) {
      store::MaintainResult result;
      EXPECT_OK(store::maintain(index.pager, options, &result));
      if (result.step == Step::nothing) break;
      EXPECT_LT(step, 50);
      if (result.step == Step::trained) reasons.push_back(result.epoch_reason);
      index.pager.xid++;
    }
  });
  index.free_memory();
  return reasons;
}

struct Quality {
  double recall;  // at 10
  double cost;    // codes scanned and centroids ranked, a query
};

// Rows of the same data that are not in the index, with the ten rows nearest to each.
struct Queries {
  std::vector<Vector> vectors;
  std::vector<std::vector<uint64_t>> nearest;
};

// Rows before `first_live` are deleted.
Queries queries_of(StoreIndex const& index, std::vector<Vector> const& vectors, uint64_t first_live) {
  Queries queries{vectors, {}};
  for (Vector const& vector : vectors) {
    std::vector<std::pair<double, uint64_t>> truth;
    for (uint64_t row = first_live; row < index.vectors.size(); row++)
      truth.push_back({index.exact_score(vector, row), row});
    std::partial_sort(truth.begin(), truth.begin() + 10, truth.end());
    queries.nearest.emplace_back();
    for (size_t i = 0; i < 10; i++) queries.nearest.back().push_back(truth[i].second);
  }
  return queries;
}

Quality measure(StoreIndex& index, Queries const& queries, uint32_t probes) {
  Quality quality{};
  uint32_t lists = 0;
  for (ObjectId id : index.objects(ObjectKind::epoch)) lists += index.object(id).disk.list_count;
  double const share = 1.0 / double(queries.vectors.size());
  for (size_t at = 0; at < queries.vectors.size(); at++) {
    store::SearchOptions options;
    options.probes = probes;
    store::Search* search = index.start(queries.vectors[at], options);
    EXPECT_OK(store::advance_search(index.pager, *search, 16));
    quality.cost += share * double(search->counters.code_count + search->counters.growing_count + lists);
    std::vector<Found> found;
    index.drain(*search, queries.vectors[at], &found);
    std::set<uint64_t> rows;
    for (Found const& one : found) rows.insert(one.row);
    for (uint64_t row : queries.nearest[at]) quality.recall += share * double(rows.count(row)) / 10;
    index.free_memory();
  }
  return quality;
}

// What a recall of 0.99 costs at the least: the stop rule, calibrated on few queries here, would blur the comparison.
double cost_of_recall(StoreIndex& index, Queries const& queries) {
  for (uint32_t probes = 2; probes < 60; probes++)
    if (Quality const quality = measure(index, queries, probes); quality.recall >= 0.99) return quality.cost;
  return INFINITY;
}

// By the default recall target.
void expect_alike(Quality const& quality, Quality const& fresh) {
  EXPECT_GE(quality.recall, std::min(fresh.recall, 0.95) - 0.01);  // either may be lucky with its calibration
  EXPECT_LE(quality.cost, fresh.cost * 1.2);
}

std::vector<Vector> part_of(std::vector<Vector> const& rows, size_t first, size_t end) {
  return {rows.begin() + long(first), rows.begin() + long(end)};
}

void add(StoreIndex& index, std::vector<Vector> const& rows) {
  for (size_t i = 0; i < rows.size(); i++) {
    index.insert(rows[i]);
    if (i % 5000 == 4999) work(index);
  }
  work(index);
}

// All rows are replaced, piece by piece, by rows around other centers, some of them where old ones were.
TEST(Upkeep, IndexWhoseDataWasReplacedIsAsGoodAsAFreshOne) {
  uint32_t const count = 30000, piece = 3000;
  auto const old_rows = clustered_rows(1, count, dim, 60);
  auto const all = clustered_rows(2, count + 150, dim, 40);
  auto const rows = part_of(all, 0, count), queries = part_of(all, count, count + 150);

  StoreIndex index(dim);
  add(index, old_rows);
  size_t trained = 0;
  for (uint32_t first = 0; first < count; first += piece) {
    std::set<uint64_t> dead;
    for (uint64_t row = first; row < first + piece; row++) dead.insert(row);
    index.vacuum(dead);
    for (uint32_t i = first; i < first + piece; i++) index.insert(rows[i]);
    trained += work(index).size();
  }
  EXPECT_GE(trained, 1u);
  EXPECT_LE(trained, 6u) << "every training pays";
  EXPECT_EQ(index.check().row_count, count);

  StoreIndex fresh(dim);
  for (Vector const& row : rows) fresh.insert(row);
  work(fresh);
  work(index, true);
  work(fresh, true);
  Queries const of_index = queries_of(index, queries, count), of_fresh = queries_of(fresh, queries, 0);
  EXPECT_LE(cost_of_recall(index, of_index), cost_of_recall(fresh, of_fresh) * 1.2);
  expect_alike(measure(index, of_index, 0), measure(fresh, of_fresh, 0));
}

// Created empty and filled in small portions: as good as one that got all rows at once, shortly before its codebook is
// trained anew.
TEST(Upkeep, IndexThatGrewIsAsGoodAsAFreshOne) {
  uint32_t const count = 78000;
  auto const all = clustered_rows(3, count + 150, dim, 100);
  auto const rows = part_of(all, 0, count), queries = part_of(all, count, count + 150);
  StoreIndex index(dim);
  add(index, rows);
  EXPECT_EQ(index.object(index.objects(ObjectKind::epoch)[0]).disk.row_count, 20000u);
  StoreIndex fresh(dim);
  for (Vector const& row : rows) fresh.insert(row);
  work(index, true);
  work(fresh, true);
  Queries const of_index = queries_of(index, queries, 0), of_fresh = queries_of(fresh, queries, 0);
  EXPECT_LE(cost_of_recall(index, of_index), cost_of_recall(fresh, of_fresh) * 1.2);
  expect_alike(measure(index, of_index, 0), measure(fresh, of_fresh, 0));
}

// Left in peace, an index does not rewrite itself for ever: not now, and not when bursts of rows and rests take turns.
TEST(Upkeep, RestIsPaidForInMeasure) {
  StoreIndex index(dim);
  auto const rows = clustered_rows(4, 52000, dim, 60);
  size_t trained = 0, first = 0;
  for (size_t burst = 25000; first < rows.size(); burst = 300) {
    for (size_t end = std::min(rows.size(), first + burst); first < end; first++) index.insert(rows[first]);
    index.flush();
    trained += work(index, true).size();
    ASSERT_TRUE(work(index, true).empty());
  }
  EXPECT_GE(trained, 2u);
  EXPECT_LE(trained, 6u);
  auto const manifest = index.manifest();
  EXPECT_LE(manifest.header.merged_bytes, manifest.header.sealed_bytes * 7.5);
  EXPECT_EQ(index.check().row_count, rows.size());
}

// A row far out that comes first sets the first frame. Only the rows of the first pages suffer from it.
TEST(Upkeep, FarFirstRowDoesNotSpoilTheCodesOfTheOthers) {
  StoreIndex index(dim);
  index.insert(Vector(dim, 1000.0f));
  index.insert_all(gaussian_rows(1, 6000, dim));
  EXPECT_LE(index.objects(ObjectKind::frame).size(), 4u);
  auto const shape = index.shape();
  auto const manifest = index.manifest();
  uint64_t coarse = 0, rows = 0;
  for (auto const& object : manifest.objects) {
    if (object.disk.kind != ObjectKind::growing) continue;
    store::RowSource source;
    ASSERT_OK(store::open_source(index.pager, shape, manifest, object, ObjectId(object.disk.frame), &source));
    quant::Frame frame;
    ASSERT_OK(store::load_frame(index.pager, shape, manifest, ObjectId(object.disk.frame), &frame));
    for (uint32_t row = 0; row < source.row_count; row++, rows++) {
      store::RowView view;
      ASSERT_OK(store::fetch_row(index.pager, shape, source, row, &view));
      quant::RefineRowDisk code;
      std::memcpy(&code, view.refine, sizeof code);
      // Rows have a norm of about 4; a code of 8 bits is good to about a hundredth of that.
      if (math::half_to_float(code.error) * frame.unit > 0.1f) coarse++;
    }
  }
  EXPECT_EQ(rows, 6001u);
  EXPECT_LE(coarse, 2 * shape.growing.capacity + 1);
  index.flush();
  EXPECT_EQ(index.live_rows(), numbers(6001));
  EXPECT_OK(index.check_status());
}

// Rows that come sorted do not make a frame each.
TEST(Upkeep, RowsInTheOrderOfTheirClustersKeepTheFrame) {
  StoreIndex index(dim);
  for (uint64_t part = 0; part < 40; part++) {
    Random random(part);
    Vector const center = gaussian_vector(random, dim);
    for (int i = 0; i < 250; i++) {
      Vector row = gaussian_vector(random, dim, 0.2);
      for (uint32_t d = 0; d < dim; d++) row[d] += center[d];
      index.insert(row);
    }
  }
  EXPECT_LE(index.objects(ObjectKind::frame).size(), 2u);
}

}  // namespace
}  // namespace strata::testing
