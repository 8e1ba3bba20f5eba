#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

TEST(Train, EpochIsWrittenAndInForce) {
  StoreIndex index(20);
  index.insert_all(clustered_rows(1, 3000, 20, 12));
  auto result = index.train(24);
  EXPECT_EQ(result.list_count, 24u);
  EXPECT_GE(result.sample_count, 1400u);
  EXPECT_LE(result.sample_count, 24u * 64);
  auto manifest = index.manifest();
  EXPECT_EQ(manifest.header.epoch, raw(result.epoch));
  auto const* object = manifest.find(result.epoch);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->disk.state, ObjectState::live);
  EXPECT_EQ(object->disk.row_count, 3000u);
  EXPECT_EQ(object->disk.frame, manifest.header.frame);
  EXPECT_OK(index.check_status());
  // The residuals are those of a codebook that knows the twelve clusters: well below the spread of the data.
  EXPECT_LT(index.header(result.epoch).mean_residual2, 0.5f);
  EXPECT_GT(index.header(result.epoch).mean_residual2, 0.0f);
}

TEST(Train, SampleComesFromSealedAndGrowingRowsOfSeveralFrames) {
  StoreIndex index(20);
  index.insert_all(gaussian_rows(1, 1000, 20));
  index.flush();
  index.insert_all(gaussian_rows(2, 1000, 20));
  auto manifest = index.manifest();
  store::Sample sample{};
  ASSERT_OK(store::detail::draw_sample(index.pager, index.shape(), manifest, ObjectId(manifest.header.frame), 500, 3,
                                       &sample));
  EXPECT_GE(sample.count, 498u);
  EXPECT_LE(sample.count, 500u);
  ASSERT_OK(store::detail::draw_sample(index.pager, index.shape(), manifest, ObjectId(manifest.header.frame), 5000, 3,
                                       &sample));
  EXPECT_EQ(sample.count, 2000u);
}

TEST(Train, DeletedAndNullRowsTrainNothing) {
  StoreIndex index(3);
  for (uint32_t i = 0; i < 600; i++) {
    if (i % 3 == 0)
      index.insert({}, format::row_is_null);
    else
      index.insert({float(i), 1, 2});
  }
  std::set<uint64_t> dead;
  for (uint64_t i = 0; i < 600; i++)
    if (i % 3 == 1) dead.insert(i);
  index.vacuum(dead);
  for (bool sealed : {false, true}) {
    if (sealed) index.flush();
    auto manifest = index.manifest();
    store::Sample sample{};
    ASSERT_OK(store::detail::draw_sample(index.pager, index.shape(), manifest, ObjectId(manifest.header.frame), 1000, 3,
                                         &sample));
    EXPECT_EQ(sample.count, 200u);
  }
}

// The first row is a poor mean; data at a common offset of 1e4 would drown in it. Training moves the frame.
TEST(Train, CommonOffsetMovesTheFrame) {
  StoreIndex index(32);
  index.insert(Vector(32, 0.0f));
  index.insert_all(gaussian_rows(1, 4000, 32, 1, 1e4));
  auto old_frame = index.manifest().header.frame;
  auto result = index.train(20);
  EXPECT_TRUE(result.new_frame);
  EXPECT_NE(index.manifest().header.frame, old_frame);
  auto manifest = index.manifest();
  quant::Frame frame;
  ASSERT_OK(store::load_frame(index.pager, index.shape(), manifest, ObjectId(manifest.header.frame), &frame));
  // sqrt(32) = 5.7: the unit is the power of two nearest to the spread of the sample, whose codes carry the error of
  // the first frame.
  EXPECT_GE(frame.unit, 4.0f);
  EXPECT_LE(frame.unit, 512.0f);
  index.flush();
  EXPECT_OK(index.check_status());
  // New rows are precise in the new frame: the order among them is exact without much slack.
  for (Vector const& row : gaussian_rows(2, 2000, 32, 1, 1e4)) index.insert(row);
  index.train(20);
  index.flush();
  Vector query = gaussian_rows(3, 1, 32, 1, 1e4)[0];
  store::SearchOptions all;
  all.probes = 1000;
  auto truth = index.brute_force(query);
  auto found = index.search(query, 20, all);
  ASSERT_EQ(found.size(), 20u);
  std::set<uint64_t> nearest;
  for (int i = 0; i < 20; i++) nearest.insert(truth[size_t(i)].row);
  int hits = 0;
  for (Found const& one : found) hits += nearest.count(one.row) ? 1 : 0;
  EXPECT_GE(hits, 19);
}

TEST(Train, TinyData) {
  for (uint32_t rows : {0u, 1u, 2u, 5u, 40u}) {
    StoreIndex index(3);
    index.insert_all(gaussian_rows(1, rows, 3));
    auto result = index.train(16);
    EXPECT_LE(result.list_count, std::min(rows, 16u));
    EXPECT_EQ(result.epoch != ObjectId::none, rows > 0) << rows;
    index.flush();
    EXPECT_OK(index.check_status());
    EXPECT_EQ(index.search({0, 0, 0}).size(), rows);
  }
}

TEST(Train, ConstantDataGivesOneList) {
  StoreIndex index(3);
  index.insert_all(std::vector<Vector>(500, Vector{1, 2, 3}));
  auto result = index.train(16);
  EXPECT_EQ(result.list_count, 1u);
  index.flush();
  EXPECT_OK(index.check_status());
  EXPECT_EQ(index.search({1, 2, 3}).size(), 500u);
}

// Rows that k-means cannot take must not keep an index from ever being trained.
TEST(Train, RowsBeyondTheRangeOfTrainingAreLeftOut) {
  StoreIndex index(8);
  auto rows = gaussian_rows(1, 2000, 8);
  for (size_t i = 7; i < rows.size(); i += 500) rows[i] = Vector(8, 3e38f);
  for (size_t i = 8; i < rows.size(); i += 500) rows[i] = Vector(8, 1e20f);
  index.insert_all(rows);
  auto result = index.train(8);
  EXPECT_NE(result.epoch, ObjectId::none);
  index.flush();
  EXPECT_OK(index.check_status());
  EXPECT_EQ(index.live_rows(), numbers(2000));
  EXPECT_EQ(index.search(rows[0]).size(), 2000u);
}

TEST(Train, MemoryThatDoesNotSufficeIsAStatus) {
  StoreIndex index(20);
  index.insert_all(gaussian_rows(1, 2000, 20));
  index.locked([&] {
    store::TrainResult result;
    Status status = store::train_epoch(index.pager, {20, 1280, 1000}, 2000, &result);
    EXPECT_EQ(status.code, Code::out_of_memory);
  });
  EXPECT_EQ(index.manifest().header.epoch, 0u);
  EXPECT_OK(index.check_status());
}

TEST(Train, FirstFrameOfABulkLoad) {
  StoreIndex index(20);
  auto shape = index.shape();
  auto rows = gaussian_rows(1, 300, 20, 2, 50);
  Vector sample(300 * shape.padded_dim);
  for (uint32_t i = 0; i < 300; i++)
    quant::rotate(shape.seed, 20, rows[i].data(), sample.data() + size_t(i) * shape.padded_dim);
  ASSERT_OK(store::make_first_frame(index.pager, shape, sample.data(), 0));
  EXPECT_EQ(index.manifest().header.frame, 0u);
  ASSERT_OK(store::make_first_frame(index.pager, shape, sample.data(), 300));
  auto manifest = index.manifest();
  ASSERT_NE(manifest.header.frame, 0u);
  quant::Frame frame;
  ASSERT_OK(store::load_frame(index.pager, shape, manifest, ObjectId(manifest.header.frame), &frame));
  EXPECT_EQ(frame.unit, 8.0f);  // nearest to 2 sqrt(20)
  double mean2 = 0;
  for (uint32_t i = 0; i < shape.padded_dim; i++) mean2 += double(frame.mean[i]) * frame.mean[i];
  EXPECT_NEAR(std::sqrt(mean2) * frame.unit, 50 * std::sqrt(20.0), 2);
  auto generation = manifest.header.generation;
  ASSERT_OK(store::make_first_frame(index.pager, shape, sample.data(), 300));
  EXPECT_EQ(index.manifest().header.generation, generation) << "there is one already";
}

}  // namespace
}  // namespace strata::testing
