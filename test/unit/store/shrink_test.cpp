// The file gets shorter: slots and objects move to the front, the end is cut off, and nobody notices.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using store::Step;

uint32_t file_pages(StoreIndex& index) {
  return uint32_t(index.pager.pages.size());
}

std::vector<Step> settle(StoreIndex& index, store::MaintainOptions options = {}) {
  std::vector<Step> steps;
  index.pager.horizon = UINT64_MAX;
  options.free_pages_min = 16;
  index.locked([&] {
    for (;;) {
      store::MaintainResult result;
      EXPECT_OK(store::maintain(index.pager, options, &result));
      if (result.step == Step::nothing || steps.size() == 60) break;
      steps.push_back(result.step);
      index.pager.xid++;
    }
  });
  return steps;
}

TEST(Truncate, OnlyWhatIsPastTheFrontierAndWorthIt) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 3000, 16));
  index.flush();
  index.reclaim();
  uint32_t frontier = index.manifest().header.frontier, cut = 99;
  index.pager.pages.resize(frontier + store::detail::truncate_pages_min - 1);
  ASSERT_OK(store::truncate(index.pager, &cut));
  EXPECT_EQ(cut, 0u);
  index.pager.pages.resize(frontier + 200);
  ASSERT_OK(store::truncate(index.pager, &cut));
  EXPECT_EQ(cut, 200u);
  EXPECT_EQ(file_pages(index), frontier);
  EXPECT_OK(index.check_status());
  index.insert_all(gaussian_rows(2, 3000, 16));
  index.flush();
  EXPECT_EQ(index.live_rows(), numbers(6000));
}

TEST(Truncate, RetiredPagesStayAsLongAsTheyMayBeRead) {
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, 6000, 16));
  auto segment = index.flush().output;
  index.reclaim();
  std::set<uint64_t> dead;
  for (uint64_t i = 100; i < 6000; i++) dead.insert(i);
  uint64_t const snapshot = index.pager.xid;
  Vector query = index.vectors[0];
  store::Search* search = index.start(query);
  index.vacuum(dead);
  index.pager.horizon = snapshot;
  store::MaintainOptions options;
  options.free_pages_min = 16;
  store::MaintainResult result;
  index.locked([&] {
    do ASSERT_OK(store::maintain(index.pager, options, &result));
    while (result.step != Step::nothing);
  });
  EXPECT_EQ(index.object(segment).disk.state, ObjectState::retired);
  std::vector<Found> found;
  ASSERT_OK(store::advance_search(index.pager, *search, 7000));
  index.drain(*search, query, &found);
  EXPECT_GE(found.size(), 100u);
  settle(index);
  EXPECT_LE(file_pages(index), 24u);
  EXPECT_EQ(index.live_rows(), numbers(100));
}

// The last object lies behind free pages: it moves, and the file ends where the data do.
TEST(Shrink, SegmentsMoveToTheFront) {
  StoreIndex index(16);
  for (uint64_t part = 0; part < 3; part++) {
    index.insert_all(gaussian_rows(part, 5000, 16));
    index.flush();
  }
  index.reclaim();
  std::set<uint64_t> dead;
  for (uint64_t i = 0; i < 10000; i++) dead.insert(i);
  index.vacuum(dead);
  uint32_t const before = file_pages(index);
  auto steps = settle(index);
  EXPECT_LT(steps.size(), 20u);
  EXPECT_EQ(std::count(steps.begin(), steps.end(), Step::moved), 1);
  EXPECT_GE(std::count(steps.begin(), steps.end(), Step::truncated), 1);
  uint32_t const used = index.manifest().header.frontier;
  EXPECT_LE(file_pages(index), used + used / 16 + 16);
  EXPECT_LT(file_pages(index) * 2, before);
  auto left = numbers(15000, 10000);
  EXPECT_EQ(index.live_rows(), left);
  EXPECT_OK(index.check_status());
  EXPECT_TRUE(settle(index).empty()) << "it has come to rest";
}

// Rows 0 to 8999 in the segment that is returned, and rows 9000 to 14999 in one that comes first in the file.
ObjectId large_behind_small(StoreIndex& index) {
  index.insert_all(gaussian_rows(1, 9000, 16));
  index.flush();
  index.insert_all(gaussian_rows(2, 6000, 16));
  index.flush();
  settle(index);
  auto const large = index.objects(ObjectKind::segment).front();
  EXPECT_GT(raw(store::block_of(index.object(large), 0)), 40u) << "the small one comes first in the file";
  return large;
}

// The last segment is larger than all free pages before it: as much of its end as they hold moves into them.
TEST(Shrink, TheEndOfALargeSegmentMovesToTheFront) {
  StoreIndex index(16);
  ObjectId const large = large_behind_small(index);
  auto const from = index.object(large);
  std::set<uint64_t> dead;
  for (uint64_t i = 9000; i < 15000; i++) dead.insert(i);
  index.vacuum(dead);
  uint32_t const before = file_pages(index);
  Vector query = index.vectors[8000];
  auto truth = index.search(query, 20);
  auto steps = settle(index);
  EXPECT_GE(std::count(steps.begin(), steps.end(), Step::moved), 1);
  EXPECT_GE(std::count(steps.begin(), steps.end(), Step::truncated), 1);
  auto const to = index.object(large);
  EXPECT_EQ(to.disk.state, ObjectState::live) << "it keeps its id";
  EXPECT_EQ(to.disk.page_count, from.disk.page_count);
  EXPECT_GT(to.extents.count, 1u);
  EXPECT_EQ(raw(store::block_of(to, 0)), raw(store::block_of(from, 0))) << "the front stays where it was";
  EXPECT_LT(raw(store::block_of(to, to.disk.page_count - 1)), raw(store::block_of(from, 0)));
  uint32_t const used = index.manifest().header.frontier;
  EXPECT_LE(file_pages(index), used + used / 16 + 16);
  EXPECT_LT(file_pages(index), before - before / 4);
  EXPECT_EQ(index.live_rows(), numbers(9000));
  EXPECT_OK(index.check_status());
  auto again = index.search(query, 20);
  ASSERT_EQ(again.size(), truth.size());
  for (size_t i = 0; i < truth.size(); i++) EXPECT_EQ(again[i].row, truth[i].row);

  // VACUUM finds the bits where they were, and what was moved is rewritten like any other segment.
  dead.clear();
  for (uint64_t i = 0; i < 6000; i++) dead.insert(i);
  index.vacuum(dead);
  EXPECT_EQ(index.live_rows(), numbers(9000, 6000));
  settle(index);
  EXPECT_EQ(index.live_rows(), numbers(9000, 6000));
  EXPECT_OK(index.check_status());
  EXPECT_TRUE(settle(index).empty()) << "it has come to rest";
}

// Who began before reads the old pages to the end.
TEST(Shrink, AnOpenSearchKeepsThePagesThatMoved) {
  StoreIndex index(16);
  ObjectId const large = large_behind_small(index);
  std::set<uint64_t> dead;
  for (uint64_t i = 9000; i < 15000; i++) dead.insert(i);
  index.vacuum(dead);
  index.pager.horizon = UINT64_MAX;
  store::MaintainOptions options;
  options.shrink = false;
  store::MaintainResult result;
  index.locked([&] {
    do ASSERT_OK(store::maintain(index.pager, options, &result));
    while (result.step != Step::nothing);
  });
  Vector query = index.vectors[8000];
  uint64_t const snapshot = index.pager.xid;
  store::Search* search = index.start(query);
  uint32_t moved = 0;
  index.locked([&] { ASSERT_OK(store::move_tail(index.pager, large, 16, &moved)); });
  EXPECT_GT(moved, 16u);
  index.pager.xid++;
  index.pager.horizon = snapshot;
  index.locked([&] {
    store::ReclaimResult reclaimed;
    ASSERT_OK(store::reclaim(index.pager, &reclaimed));
    EXPECT_EQ(reclaimed.object_count, 0u);
  });
  std::vector<Found> found;
  ASSERT_OK(store::advance_search(index.pager, *search, 10000));
  index.drain(*search, query, &found);
  EXPECT_EQ(found.size(), 9000u);
}

TEST(Shrink, EpochsFramesAndCalibrationsMoveAndKeepTheirIds) {
  StoreIndex index(16);
  index.insert_all(clustered_rows(1, 24000, 16, 30));
  index.flush();
  auto trained = index.train(64);
  index.rewrite(index.objects(ObjectKind::segment));
  index.reclaim();
  index.reclaim();
  auto before = index.manifest();
  Vector query = index.vectors[7];
  auto truth = index.search(query, 20);
  for (ObjectId id : {trained.epoch, ObjectId(before.header.frame)}) {
    auto const from = index.object(id);
    index.locked([&] { ASSERT_OK(store::move_object(index.pager, id)); });
    auto const to = index.object(id);
    EXPECT_NE(raw(store::block_of(from, 0)), raw(store::block_of(to, 0)));
    EXPECT_EQ(to.disk.page_count, from.disk.page_count);
    EXPECT_EQ(to.disk.state, ObjectState::live);
    EXPECT_OK(index.check_status());
  }
  auto again = index.search(query, 20);
  ASSERT_EQ(again.size(), truth.size());
  for (size_t i = 0; i < truth.size(); i++) EXPECT_EQ(again[i].row, truth[i].row);
  EXPECT_EQ(index.manifest().header.epoch, raw(trained.epoch));
  index.reclaim();
  EXPECT_TRUE(index.objects(ObjectKind::epoch, ObjectState::retired).empty());
  EXPECT_OK(index.check_status());
}

TEST(Shrink, SlotsOfTheManifestMoveToTheFront) {
  StoreIndex index(3);
  // Many objects make a manifest of several pages, whose slots go to the end of a file that is long by then.
  for (int i = 0; i < 120; i++) {
    index.insert_all(gaussian_rows(uint64_t(i), 150, 3));
    index.flush();
    index.free_memory();
  }
  EXPECT_GT(index.meta().slot[0].page_count, 1u);
  index.reclaim();
  std::set<uint64_t> dead;
  for (uint64_t i = 0; i < index.vectors.size(); i++) dead.insert(i);
  index.vacuum(dead);
  settle(index);
  EXPECT_LE(file_pages(index), 40u);
  EXPECT_EQ(index.check().row_count, 0u);
  index.insert_all(gaussian_rows(1, 100, 3));
  EXPECT_EQ(index.check().row_count, 100u);
}

// Rows replaced over and over: the file stays near what a fresh index of the rows takes.
TEST(Shrink, FileStaysNearTheSizeOfAFreshIndex) {
  uint32_t const count = 40000;
  store::MaintainOptions options;
  options.spill = store::Spill::off;  // lest one has second lists and the other has not
  StoreIndex fresh(16);
  fresh.insert_all(gaussian_rows(1, count, 16));
  fresh.flush();
  settle(fresh, options);
  StoreIndex index(16);
  index.insert_all(gaussian_rows(1, count, 16));
  index.flush();
  for (uint64_t round = 0; round < 2; round++) {
    for (uint64_t part = 0; part < 6; part++) {
      index.insert_all(gaussian_rows(round * 100 + part, count / 6, 16));
      std::set<uint64_t> dead;
      for (uint64_t i = index.vectors.size() - count; i-- > 0 && dead.size() < count / 6;) dead.insert(i);
      index.vacuum(dead);
      settle(index, options);
      index.free_memory();
    }
    EXPECT_LE(file_pages(index), file_pages(fresh) * 1.3) << round;
  }
  EXPECT_EQ(index.check().row_count, count);
}

}  // namespace
}  // namespace strata::testing
