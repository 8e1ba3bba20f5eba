// Segments whose rows lie in two lists.
#include "store/tier.hpp"
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using format::ColumnDisk;
using format::ColumnKind;
using segment::Condition;
using segment::Filter;
using store::StreamDisk;
using store::StreamKind;

constexpr uint32_t width = 24, list_count = 20;

struct SpilledIndex : StoreIndex {
  explicit SpilledIndex(size_t row_count, Metric metric = Metric::l2, store::Spill spill = store::Spill::on)
      : StoreIndex(width, metric) {
    insert_all(gaussian_rows(1, row_count, width));
    train(list_count, 0, spill);
    flush();
  }
};

// What a search that goes to the end finds: each of the rows once.
void expect_all(StoreIndex& index, Vector const& query, std::set<uint64_t> const& rows) {
  std::multiset<uint64_t> seen;
  for (Found const& one : index.search(query)) seen.insert(one.row);
  EXPECT_EQ(seen, std::multiset<uint64_t>(rows.begin(), rows.end()));
}

std::set<uint64_t> all_but(uint64_t count, std::set<uint64_t> const& gone) {
  std::set<uint64_t> rows;
  for (uint64_t row = 0; row < count; row++)
    if (!gone.count(row)) rows.insert(row);
  return rows;
}

double recall(StoreIndex& index, uint32_t probes) {
  double sum = 0;
  auto const queries = gaussian_rows(9, 40, width);
  for (Vector query : queries) {
    if (index.metric == Metric::cosine) StoreIndex::normalise(query);
    std::set<uint64_t> near;
    auto const truth = index.brute_force(query);
    for (size_t i = 0; i < 10; i++) near.insert(truth[i].row);
    store::SearchOptions options;
    options.probes = probes;
    store::Search* search = index.start(query, options);
    EXPECT_OK(store::advance_search(index.pager, *search, 16));
    std::vector<Found> found;
    index.drain(*search, query, &found);
    for (Found const& one : found) sum += double(near.count(one.row)) / 10;
    index.free_memory();
  }
  return sum / double(queries.size());
}

TEST(Spill, EveryRowIsFoundOnce) {
  for (Metric metric : {Metric::l2, Metric::cosine, Metric::inner_product}) {
    SpilledIndex index(1500, metric);
    EXPECT_EQ(index.check().row_count, 1500u);
    Vector query = gaussian_rows(2, 1, width)[0];
    if (metric == Metric::cosine) StoreIndex::normalise(query);
    expect_all(index, query, all_but(1500, {}));
  }
}

TEST(Spill, ListsHoldTwiceTheRows) {
  SpilledIndex two(2000), one(2000, Metric::l2, store::Spill::off);
  EXPECT_TRUE(store::find_stream(two.header(two.objects(ObjectKind::segment)[0]), StreamKind::spill_codes));
  EXPECT_FALSE(store::find_stream(one.header(one.objects(ObjectKind::segment)[0]), StreamKind::spill_codes));
  for (uint32_t probes : {2u, 4u}) EXPECT_GT(recall(two, probes), recall(one, probes) + 0.05) << probes;
}

TEST(Spill, FewListsAndASegmentWithoutRankedRowsAreNoTrouble) {
  StoreIndex index(width);
  index.insert_all(gaussian_rows(1, 300, width));
  index.train(2, 0, store::Spill::on);
  index.flush();
  EXPECT_EQ(index.check().row_count, 300u);
  expect_all(index, gaussian_rows(3, 1, width)[0], all_but(300, {}));
  for (int i = 0; i < 5; i++) index.insert({}, format::row_is_null);
  index.flush();
  EXPECT_EQ(index.check().row_count, 305u);
  StoreIndex single(width);
  single.insert_all(gaussian_rows(1, 300, width));
  single.train(1, 0, store::Spill::on);
  single.flush();
  EXPECT_EQ(single.check().row_count, 300u);
}

TEST(Spill, DeletedRowsAreGoneFromBothLists) {
  SpilledIndex index(1200);
  std::set<uint64_t> gone;
  for (uint64_t row = 0; row < 1200; row += 3) gone.insert(row);
  index.vacuum(gone);
  expect_all(index, gaussian_rows(4, 1, width)[0], all_but(1200, gone));
  index.rewrite(index.objects(ObjectKind::segment));
  EXPECT_EQ(index.check().row_count, 800u);
  expect_all(index, gaussian_rows(4, 1, width)[0], all_but(1200, gone));
}

TEST(Spill, MergesKeepSecondLists) {
  SpilledIndex merged(1500);
  merged.insert_all(gaussian_rows(2, 700, width));
  merged.flush();
  merged.vacuum({1, 500, 1600});
  merged.rewrite(merged.objects(ObjectKind::segment));
  ASSERT_EQ(merged.objects(ObjectKind::segment).size(), 1u);
  EXPECT_EQ(merged.check().row_count, 2197u);
  expect_all(merged, gaussian_rows(4, 1, width)[0], all_but(2200, {1, 500, 1600}));
  // A rewrite of a rewrite takes over what a rewrite from other codes had to choose.
  auto spilled = [](StoreIndex& index) {
    ObjectId const id = index.objects(ObjectKind::segment)[0];
    store::ObjectHeaderDisk const header = index.header(id);
    StreamDisk const& stream = *store::find_stream(header, StreamKind::spill_rows);
    std::vector<uint32_t> rows(stream.byte_size / sizeof(uint32_t));
    EXPECT_OK(store::read_stream(index.pager, index.object(id), stream, 0, stream.byte_size, rows.data()));
    return rows;
  };
  auto const before = spilled(merged);
  merged.rewrite(merged.objects(ObjectKind::segment));
  EXPECT_EQ(spilled(merged), before);
}

TEST(Spill, ANewCodebookDecidesAnew) {
  SpilledIndex index(1500);
  index.train(12, 0, store::Spill::off);
  index.rewrite(index.objects(ObjectKind::segment));
  EXPECT_EQ(index.check().row_count, 1500u);
  EXPECT_FALSE(store::find_stream(index.header(index.objects(ObjectKind::segment)[0]), StreamKind::spill_codes));
  index.train(12, 0, store::Spill::on);
  index.insert_all(gaussian_rows(5, 300, width));
  index.flush();  // beside a segment of the codebook before
  EXPECT_EQ(index.check().row_count, 1800u);
  expect_all(index, gaussian_rows(4, 1, width)[0], all_but(1800, {}));
}

TEST(Spill, CalibratesOnWhatSearchesSee) {
  SpilledIndex index(4000);
  store::CalibrateResult result{};
  index.locked([&] { EXPECT_OK(store::calibrate(index.pager, 100000000, &result)); });
  ASSERT_NE(result.calibration, ObjectId::none);
  double sum = 0;
  auto const queries = gaussian_rows(9, 200, width);
  for (Vector const& query : queries) {
    auto const truth = index.brute_force(query), found = index.search(query, 10);
    std::set<uint64_t> near;
    for (size_t i = 0; i < 10; i++) near.insert(truth[i].row);
    for (Found const& one : found) sum += double(near.count(one.row)) / 10;
    index.free_memory();
  }
  EXPECT_GT(sum / double(queries.size()), 0.94);
  EXPECT_LT(index.last_counters.list_count, list_count);
}

TEST(Spill, FiltersHoldForBothLists) {
  std::vector<ColumnDisk> const columns = {{ColumnKind::fixed, 4, 0, 0}, {ColumnKind::fixed, 4, 0, 0}};
  StoreIndex index(width, Metric::l2, 7, columns);
  index.column_key = [](uint64_t row, uint32_t column) {
    return StoreIndex::ColumnKey{column == 0 ? row % 100 : row % 3, false};
  };
  // Enough rows that a condition is asked block by block, becomes bits, or is held back.
  index.insert_all(gaussian_rows(1, 9000, width));
  index.train(60, 0, store::Spill::on);
  index.flush();
  EXPECT_EQ(index.check().row_count, 9000u);
  auto range = [](uint16_t column, uint64_t low, uint64_t high) {
    return Condition{column, segment::Test::range, low, high, nullptr, 0};
  };
  std::vector<std::vector<Condition>> const cases = {{range(0, 7, 7)},
                                                     {range(0, 0, 79)},
                                                     {range(1, 1, 1)},
                                                     {range(0, 0, 40), range(1, 0, 1)},
                                                     {range(0, 3, 3), range(1, 2, 2)}};
  for (auto const& conditions : cases) {
    Filter const filter{conditions.data(), uint32_t(conditions.size())};
    std::set<uint64_t> wanted;
    for (uint64_t row = 0; row < 9000; row++) {
      bool passes = true;
      for (Condition const& one : conditions)
        passes = passes && segment::passes(one, index.column_key(row, one.column).key, false);
      if (passes) wanted.insert(row);
    }
    store::SearchOptions options;
    options.filter = &filter;
    Vector const query = gaussian_rows(6, 1, width)[0];
    std::multiset<uint64_t> seen;
    for (Found const& one : index.search(query, SIZE_MAX, options)) seen.insert(one.row);
    EXPECT_EQ(seen, std::multiset<uint64_t>(wanted.begin(), wanted.end())) << conditions[0].low;
    index.free_memory();
  }
}

TEST(Spill, ColdSegmentsHaveThem) {
  SpilledIndex index(1500);
  index.locked([&] {
    EXPECT_OK(store::bind_companion(index.pager, 4711, 0));
    store::RewriteResult moved;
    EXPECT_OK(store::move_to_tier(index.pager, index.objects(ObjectKind::segment)[0], store::Tier::cold, &moved));
  });
  EXPECT_EQ(index.check().row_count, 1500u);
  expect_all(index, gaussian_rows(4, 1, width)[0], all_but(1500, {}));
}

class BrokenSpill : public ::testing::Test {
 protected:
  BrokenSpill() : index(1500), id(index.objects(ObjectKind::segment)[0]), saved_(index.pager.pages) {}
  std::byte* bytes(StreamKind kind, uint32_t at) {
    StreamDisk const stream = *store::find_stream(index.header(id), kind);
    return index.page(id, stream.first_page + at / stream.bytes_per_page) + at % stream.bytes_per_page;
  }
  void broken(char const* message, std::function<void()> const& break_it) {
    SCOPED_TRACE(message);
    break_it();
    Status const status = index.check_status();
    EXPECT_EQ(status.code, Code::corrupt);
    EXPECT_STREQ(status.message, message);
    index.pager.pages = saved_;
    index.free_memory();
  }
  static void put(std::byte* at, uint32_t value) { std::memcpy(at, &value, sizeof value); }

  SpilledIndex index;
  ObjectId id;

 private:
  std::vector<sim::Content> saved_;
};

TEST_F(BrokenSpill, IsSeenByCheck) {
  broken("second lists do not name every row once",
         [&] { std::memcpy(bytes(StreamKind::spill_rows, 40), bytes(StreamKind::spill_rows, 44), 4); });
  broken("second lists do not name every row once", [&] { put(bytes(StreamKind::spill_rows, 40), 1500); });
  broken("directory is out of order", [&] { put(bytes(StreamKind::spill_directory, 8), 1501); });
  broken("directory is out of order", [&] { put(bytes(StreamKind::spill_directory, 8 * list_count), 1499); });
  broken("segment and its epoch differ in second lists", [&] {
    ObjectId const epoch = ObjectId(index.manifest().header.epoch);
    reinterpret_cast<store::ObjectHeaderDisk*>(index.page(epoch, 0))->spills = 0;
  });
  broken("object header has an unknown kind of second lists",
         [&] { reinterpret_cast<store::ObjectHeaderDisk*>(index.page(id, 0))->spills = 1; });
  broken("segment lacks a stream", [&] {
    for (StreamDisk& stream : reinterpret_cast<store::ObjectHeaderDisk*>(index.page(id, 0))->stream)
      if (stream.kind == StreamKind::spill_rows) stream.kind = StreamKind::none;
  });
}

TEST_F(BrokenSpill, IsAnErrorOfTheSearchThatMeetsIt) {
  for (uint32_t at = 0; at < 1500; at++) put(bytes(StreamKind::spill_rows, at * 4), 4000000);
  store::Search* search = index.start(gaussian_rows(4, 1, width)[0]);
  Status const status = store::advance_search(index.pager, *search, 10);
  EXPECT_EQ(status.code, Code::corrupt);
  EXPECT_STREQ(status.message, "second list names a wrong row");
}

}  // namespace
}  // namespace strata::testing
