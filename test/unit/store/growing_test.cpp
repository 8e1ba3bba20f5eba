// Growing segments: rows appended in place, pages and groups of pages, the end by binary search, insert.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using format::growing_shape;

TEST(GrowingShape, CapacityAndGroupsFollowFromTheSizes) {
  auto small = growing_shape(16, 0);
  EXPECT_EQ(small.entry_size, 16u + 12 + 16);
  EXPECT_EQ(small.capacity, (8152u - 40) / 44);
  EXPECT_EQ(small.group_page_count, 1u);
  // Rows of 8112 bytes are the longest that need no second page.
  auto longest = growing_shape(8080, 4);
  EXPECT_EQ(longest.entry_size, 8112u);
  EXPECT_EQ(longest.capacity, 1u);
  EXPECT_EQ(longest.group_page_count, 1u);
  EXPECT_EQ(growing_shape(8080, 5).group_page_count, 2u);
  EXPECT_EQ(growing_shape(9008, 0).group_page_count, 2u);
  EXPECT_EQ(growing_shape(16000, 248).group_page_count, 3u);
  EXPECT_LE(growing_shape(16, 0).capacity, format::growing_page_rows_max);
}

struct GrowingCase {
  uint32_t dim;
  uint32_t row_count;
};

class Growing : public ::testing::TestWithParam<GrowingCase> {};

TEST_P(Growing, RowsComeBackAsInserted) {
  auto [dim, row_count] = GetParam();
  StoreIndex index(dim);
  auto rows = gaussian_rows(dim, row_count, dim);
  index.insert_all(rows);
  auto ids = index.objects(ObjectKind::growing);
  ASSERT_EQ(ids.size(), 1u);
  auto stored = index.rows_of(ids[0]);
  ASSERT_EQ(stored.size(), row_count);
  for (uint32_t row = 0; row < row_count; row++) EXPECT_EQ(stored[row], (StoredRow{row, tid_of_row(row), 0, false}));
  EXPECT_EQ(index.check().row_count, row_count);
}

// The bytes of the refine code, where a row straddles pages too.
TEST_P(Growing, CodesAreThoseOfTheFrame) {
  auto [dim, row_count] = GetParam();
  StoreIndex index(dim);
  index.insert_all(gaussian_rows(dim, row_count, dim));
  auto manifest = index.manifest();
  auto shape = index.shape();
  quant::Frame frame;
  ASSERT_OK(store::load_frame(index.pager, shape, manifest, ObjectId(manifest.header.frame), &frame));
  store::RowSource source;
  ASSERT_OK(store::open_source(index.pager, shape, manifest, *manifest.find(index.objects(ObjectKind::growing)[0]),
                               ObjectId(manifest.header.frame), &source));
  for (uint32_t row = 0; row < row_count; row++) {
    Vector z(shape.padded_dim);
    std::vector<std::byte> code(shape.refine_size);
    quant::to_frame(frame, index.vectors[row].data(), z.data());
    quant::encode_refine(shape.padded_dim, z.data(), code.data());
    store::RowView view;
    ASSERT_OK(store::fetch_row(index.pager, shape, source, row, &view));
    EXPECT_EQ(std::memcmp(view.refine, code.data(), code.size()), 0) << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Growing,
                         ::testing::Values(GrowingCase{1, 1}, GrowingCase{3, 184}, GrowingCase{3, 185},
                                           GrowingCase{3, 1000}, GrowingCase{300, 100}, GrowingCase{4000, 7},
                                           GrowingCase{8080, 3}, GrowingCase{9000, 6}, GrowingCase{16000, 5}));

// At each count around page and chunk boundaries the end is found, and the row after it goes there.
TEST(GrowingEnd, BinarySearchFindsTheFirstGroupWithRoom) {
  for (uint32_t dim : {1500u, 9000u}) {
    StoreIndex index(dim);
    auto shape = index.shape();
    auto rows = gaussian_rows(3, 40, dim);
    for (uint32_t count = 1; count <= rows.size(); count++) {
      index.insert(rows[count - 1]);
      auto object = index.object(index.objects(ObjectKind::growing)[0]);
      uint32_t group = 0;
      uint64_t counted = 0;
      ASSERT_OK(store::find_growing_end(index.pager, shape, object, &group));
      EXPECT_EQ(group, count / shape.growing.capacity) << dim << " " << count;
      ASSERT_OK(store::count_growing_rows(index.pager, shape, object, &counted));
      EXPECT_EQ(counted, count);
    }
  }
}

TEST(GrowingEnd, SealedPageIsTheEndThoughItHasRoom) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 500, 3));
  index.locked([&] {
    ASSERT_OK(store::freeze(index.pager));
    auto ids = index.objects(ObjectKind::growing, ObjectState::frozen);
    ASSERT_EQ(ids.size(), 1u);
    auto object = index.object(ids[0]);
    ASSERT_OK(store::detail::fence(index.pager, index.shape(), object));
    uint32_t group = 0;
    ASSERT_OK(store::find_growing_end(index.pager, index.shape(), object, &group));
    EXPECT_EQ(group, 2u);
    // An inserter that still has its cursor there goes to a new object.
    index.insert({1, 2, 3});
    EXPECT_EQ(index.rows_of(ids[0]).size(), 500u);
    auto fresh = index.objects(ObjectKind::growing);
    ASSERT_EQ(fresh.size(), 1u);
    EXPECT_EQ(index.rows_of(fresh[0]).size(), 1u);
  });
  EXPECT_OK(index.check_status());
}

TEST(GrowingEnd, FullLastPageNeedsNoFence) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 184, 3));
  index.locked([&] {
    ASSERT_OK(store::freeze(index.pager));
    ASSERT_OK(store::detail::fence(index.pager, index.shape(),
                                   index.object(index.objects(ObjectKind::growing, ObjectState::frozen)[0])));
    index.insert({1, 2, 3});
  });
  EXPECT_EQ(index.live_rows(), numbers(185));
}

// Damage, but no reason for a seal to look for the end for ever.
TEST(GrowingEnd, FullAndSealedPageEndsTheObject) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 184, 3));
  auto id = index.objects(ObjectKind::growing)[0];
  index.locked([&] {
    ASSERT_OK(store::freeze(index.pager));
    reinterpret_cast<format::GrowingPageDisk*>(index.page(id, 0))->flags |= format::growing_sealed;
    uint64_t reads = 0;
    index.pager.read_hook_period = 1;
    index.pager.hook = [&] {
      if (++reads > 10000) sim::fail("a seal does not end");
    };
    store::RewriteResult result;
    ASSERT_OK(store::flush(index.pager, &result));
    EXPECT_EQ(result.row_count, 184u);
  });
}

TEST(GrowingChunks, DoubleUpToTheirLimit) {
  StoreIndex index(8000);
  uint32_t last = 0;
  std::vector<uint32_t> steps;
  for (int row = 0; row < 400; row++) {
    index.insert(Vector(8000, float(row % 7) - 3));
    uint32_t pages = index.object(index.objects(ObjectKind::growing)[0]).disk.page_count;
    if (pages != last) steps.push_back(pages - last);
    last = pages;
  }
  EXPECT_EQ(steps, (std::vector<uint32_t>{1, 1, 2, 4, 8, 16, 32, 64, 128, 128, 128}));
}

TEST(Insert, FirstRowMayBeNull) {
  StoreIndex index(3);
  index.insert({}, format::row_is_null);
  index.insert({5, 6, 7});
  EXPECT_EQ(index.pass(store::RowPass::null), numbers(1));
  auto found = index.search({5, 6, 7});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].row, 1u);
  EXPECT_EQ(index.check().row_count, 2u);
}

TEST(Insert, FirstRowMayBeZero) {
  StoreIndex cosine(3, Metric::cosine);
  cosine.insert({}, format::row_is_zero);
  cosine.insert({5, 6, 7});
  EXPECT_EQ(cosine.pass(store::RowPass::zero), numbers(1));
  EXPECT_EQ(cosine.search(cosine.vectors[1]).size(), 1u);
  StoreIndex l2(3);
  l2.insert({0, 0, 0});
  l2.insert({5, 6, 7});
  auto found = l2.search({0, 0, 0});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].row, 0u);
}

TEST(Insert, LanesFillObjectsOfTheirOwn) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 1000, 3), store::lane_count_max);
  auto ids = index.objects(ObjectKind::growing);
  ASSERT_EQ(ids.size(), store::lane_count_max);
  std::set<uint32_t> lanes;
  for (ObjectId id : ids) {
    lanes.insert(index.object(id).disk.lane);
    EXPECT_EQ(index.rows_of(id).size(), 250u);
  }
  EXPECT_EQ(lanes.size(), store::lane_count_max);
  EXPECT_EQ(index.live_rows(), numbers(1000));
  // A lane number out of range shares one that exists.
  index.insert({1, 2, 3}, 0, 5);
  EXPECT_EQ(index.objects(ObjectKind::growing).size(), store::lane_count_max);
}

TEST(Insert, OneRecordARow) {
  StoreIndex index(3);
  index.insert({1, 2, 3});
  index.keep_log = true;
  index.pager.log.clear();
  for (int i = 0; i < 100; i++) index.insert({1, 2, float(i)});
  size_t records = index.pager.log.size();
  EXPECT_LE(records, 100u + 3);
}

// Two sessions share a lane: a cursor that was overtaken goes on behind the other's rows.
TEST(Insert, TwoCursorsOfOneLane) {
  StoreIndex index(3);
  auto rows = gaussian_rows(1, 2000, 3);
  for (size_t i = 0; i < rows.size(); i++) {
    index.vectors.push_back(rows[i]);
    auto& inserter = index.inserter(i % 3 == 0 ? 0 : store::lane_count_max);
    ASSERT_OK(store::insert_row(index.pager, inserter, tid_of_row(i), 0, i, "", rows[i].data()));
  }
  EXPECT_EQ(index.objects(ObjectKind::growing).size(), 1u);
  EXPECT_EQ(index.live_rows(), numbers(2000));
  EXPECT_OK(index.check_status());
}

// The flag is set after the manifest has frozen the object; one without the other is damage, and must not make an
// insert look for room for ever.
TEST(Insert, SealedPageOfALiveObjectIsCorrupt) {
  StoreIndex index(3);
  index.insert({1, 2, 3});
  auto id = index.objects(ObjectKind::growing)[0];
  reinterpret_cast<format::GrowingPageDisk*>(index.page(id, 0))->flags |= format::growing_sealed;
  uint64_t reads = 0;
  index.pager.read_hook_period = 1;
  index.pager.hook = [&] {
    if (++reads > 10000) sim::fail("insert does not end");
  };
  Vector vector{1, 2, 3};
  EXPECT_EQ(store::insert_row(index.pager, index.inserter(0), tid_of_row(1), 0, 1, "", vector.data()).code,
            Code::corrupt);
  EXPECT_FALSE(index.check_status().ok());
}

// Rows that a wrong count hides are not written over.
TEST(Insert, PageThatDoesNotEndWithItsRowsIsCorrupt) {
  StoreIndex index(3);
  for (int i = 0; i < 5; i++) index.insert({1, 2, float(i)});
  auto id = index.objects(ObjectKind::growing)[0];
  reinterpret_cast<format::GrowingPageDisk*>(index.page(id, 0))->row_count = 2;
  auto pages = index.pager.pages;
  Vector vector{1, 2, 3};
  Status status = store::insert_row(index.pager, index.inserter(0), tid_of_row(9), 0, 9, "", vector.data());
  EXPECT_EQ(status.code, Code::corrupt);
  EXPECT_EQ(index.pager.pages, pages);
}

}  // namespace
}  // namespace strata::testing
