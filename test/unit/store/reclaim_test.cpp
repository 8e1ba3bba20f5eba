#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

TEST(Reclaim, WaitsForTheHorizon) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 500, 3));
  uint64_t retired_at = index.pager.xid;
  index.flush();
  auto retired = index.objects(ObjectKind::growing, ObjectState::retired);
  ASSERT_EQ(retired.size(), 1u);
  EXPECT_EQ(index.object(retired[0]).disk.retired_xid, retired_at);
  index.pager.horizon = retired_at;
  auto result = index.reclaim(false);
  EXPECT_EQ(result.object_count, 0u);
  EXPECT_EQ(result.waiting_count, 1u);
  EXPECT_EQ(index.objects(ObjectKind::growing, ObjectState::retired), retired);
  index.pager.horizon = retired_at + 1;
  result = index.reclaim(false);
  EXPECT_EQ(result.object_count, 1u);
  EXPECT_GE(result.page_count, 3u);
  EXPECT_TRUE(index.objects(ObjectKind::growing, ObjectState::retired).empty());
  EXPECT_OK(index.check_status());
  EXPECT_EQ(index.live_rows(), numbers(500));
}

TEST(Reclaim, TakesThoseBelowTheHorizonOnly) {
  StoreIndex index(3);
  std::vector<uint64_t> xids;
  for (int i = 0; i < 4; i++) {
    index.insert_all(gaussian_rows(1, 200, 3));
    xids.push_back(index.pager.xid);
    index.flush();
  }
  index.pager.horizon = xids[2];
  auto result = index.reclaim(false);
  EXPECT_EQ(result.object_count, 2u);
  EXPECT_EQ(result.waiting_count, 2u);
  EXPECT_EQ(index.objects(ObjectKind::growing, ObjectState::retired).size(), 2u);
}

// The conflict of standbys is logged before any page can be used again.
TEST(Reclaim, StandbysAreToldFirst) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 500, 3));
  uint64_t retired_at = index.pager.xid;
  index.flush();
  index.keep_log = true;
  index.pager.log.clear();
  index.reclaim();
  ASSERT_GE(index.pager.log.size(), 2u);
  EXPECT_EQ(index.pager.log[0].conflict_xid, retired_at);
  for (size_t i = 1; i < index.pager.log.size(); i++) EXPECT_EQ(index.pager.log[i].conflict_xid, 0u);
}

TEST(Reclaim, NothingToDoLogsNothing) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 100, 3));
  index.keep_log = true;
  index.pager.log.clear();
  auto result = index.reclaim();
  EXPECT_EQ(result.object_count, 0u);
  EXPECT_TRUE(index.pager.log.empty());
}

TEST(Reclaim, EpochsAndFramesGoWhenNothingNamesThem) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 1000, 3, 1, 0));
  auto first = index.train(10);
  index.flush();
  // Far away, so that the frame moves.
  index.insert_all(gaussian_rows(2, 9000, 3, 1, 1000));
  auto second = index.train(10);
  EXPECT_TRUE(second.new_frame);
  auto frames = index.objects(ObjectKind::frame);
  EXPECT_GE(frames.size(), 2u);
  index.flush();
  index.reclaim();
  index.reclaim();
  // Segments of the first epoch are still there.
  EXPECT_EQ(index.objects(ObjectKind::epoch), (std::vector<ObjectId>{first.epoch, second.epoch}));
  index.rewrite(index.objects(ObjectKind::segment));
  for (int i = 0; i < 3; i++) index.reclaim();
  EXPECT_EQ(index.objects(ObjectKind::epoch), std::vector<ObjectId>{second.epoch});
  EXPECT_EQ(index.objects(ObjectKind::frame), std::vector<ObjectId>{ObjectId(index.manifest().header.frame)});
  EXPECT_EQ(index.manifest().objects.count, 3u) << "a segment, its epoch and its frame";
  EXPECT_OK(index.check_status());
  EXPECT_EQ(index.live_rows(), numbers(10000));
}

TEST(Reclaim, PagesAreUsedAgain) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 3000, 16));
  index.flush();
  uint32_t frontier = 0;
  for (int round = 0; round < 12; round++) {
    index.rewrite(index.objects(ObjectKind::segment));
    index.reclaim();
    if (round == 2) frontier = index.manifest().header.frontier;
    EXPECT_OK(index.check_status());
  }
  EXPECT_LE(index.manifest().header.frontier, frontier);
  EXPECT_EQ(index.live_rows(), numbers(3000));
}

// A search that began before keeps reading what the manifest of its time names, until the horizon lets go.
TEST(Reclaim, OpenSearchKeepsItsPages) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 2000, 3));
  index.flush();
  Vector query{0, 0, 0};
  uint64_t snapshot = index.pager.xid;
  store::Search* search = index.start(query);
  index.rewrite(index.objects(ObjectKind::segment));
  index.pager.horizon = snapshot;
  index.reclaim(false);
  index.insert_all(gaussian_rows(2, 2000, 3));
  index.flush();
  std::vector<Found> found;
  ASSERT_OK(store::advance_search(index.pager, *search, 4000));
  index.drain(*search, query, &found);
  EXPECT_EQ(found.size(), 2000u);
  // Without a snapshot that holds the horizon the reader is told, not misled.
  store::Search* late = index.start(query);
  index.rewrite(index.objects(ObjectKind::segment));
  index.reclaim();
  index.insert_all(gaussian_rows(3, 9000, 3));
  EXPECT_EQ(store::advance_search(index.pager, *late, 4000).code, Code::recycled);
}

}  // namespace
}  // namespace strata::testing
