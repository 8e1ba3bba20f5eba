// allocate_extents and free_extent against a map of blocks.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using store::ExtentDisk;
using Extents = store::Array<ExtentDisk>;

// F1 and F3 on the state in memory: `owned` are the extents in use.
void expect_invariants(store::Manifest const& manifest, std::vector<Extents> const& owned) {
  uint32_t const frontier = manifest.header.frontier;
  std::vector<uint8_t> owners(frontier, 0);
  auto claim = [&](ExtentDisk const& extent) {
    ASSERT_GT(extent.count, 0u);
    ASSERT_LE(uint64_t(extent.start) + extent.count, frontier);
    for (uint32_t i = 0; i < extent.count; i++) ASSERT_EQ(owners[extent.start + i]++, 0) << extent.start + i;
  };
  claim({0, 3});
  for (auto const& extents : owned)
    for (auto const& extent : extents) claim(extent);
  uint32_t end = 0;
  for (auto const& extent : manifest.free) {
    ASSERT_TRUE(end == 0 || extent.start > end) << "free extents touch or are not sorted";
    end = extent.start + extent.count;
    ASSERT_NE(end, frontier) << "free extent at the frontier";
    claim(extent);
  }
  for (uint32_t block = 0; block < frontier; block++) ASSERT_EQ(owners[block], 1) << block;
}

uint32_t page_count(Extents const& extents) {
  uint32_t pages = 0;
  for (auto const& extent : extents) pages += extent.count;
  return pages;
}

store::Manifest empty_manifest() {
  store::Manifest manifest{};
  manifest.header.frontier = 3;
  return manifest;
}

class Space : public ::testing::TestWithParam<uint64_t> {};

TEST_P(Space, RandomAllocationsAndReleasesKeepTheInvariants) {
  sim::SimPager pager;
  Random random(GetParam());
  store::Manifest manifest = empty_manifest();
  std::vector<Extents> owned;
  for (int step = 0; step < 1500; step++) {
    if (owned.empty() || random.below(100) < 52) {
      uint32_t wanted = 1 + uint32_t(random.below(random.below(4) == 0 ? 300 : 20));
      Extents taken;
      store::allocate_extents(pager, manifest, wanted, &taken);
      ASSERT_EQ(page_count(taken), wanted);
      for (uint32_t i = 1; i < taken.count; i++)
        ASSERT_NE(taken[i - 1].start + taken[i - 1].count, taken[i].start) << "neighbours are one extent";
      owned.push_back(taken);
    } else {
      size_t at = random.below(owned.size());
      // Extents go back in any order.
      while (owned[at].count) {
        uint32_t which = uint32_t(random.below(owned[at].count));
        store::free_extent(pager, manifest, owned[at][which]);
        owned[at].remove(which);
      }
      owned.erase(owned.begin() + long(at));
    }
    if (step % 7 == 0) {
      ASSERT_NO_FATAL_FAILURE(expect_invariants(manifest, owned)) << step;
    }
  }
  for (auto& extents : owned)
    for (auto const& extent : extents) store::free_extent(pager, manifest, extent);
  EXPECT_EQ(manifest.free.count, 0u);
  EXPECT_EQ(manifest.header.frontier, 3u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Space, ::testing::Values(1, 2, 3, 4, 5, 6));

TEST(SpaceOrder, FirstExtentThatFitsIsTaken) {
  sim::SimPager pager;
  store::Manifest manifest = empty_manifest();
  manifest.header.frontier = 1000;
  for (ExtentDisk extent : {ExtentDisk{10, 100}, {200, 12}, {300, 10}, {400, 11}})
    store::free_extent(pager, manifest, extent);
  Extents taken;
  store::allocate_extents(pager, manifest, 10, &taken);
  ASSERT_EQ(taken.count, 1u);
  EXPECT_EQ(taken[0].start, 10u);
  EXPECT_EQ(manifest.free.count, 4u);
  taken = {};
  store::allocate_extents(pager, manifest, 91, &taken);
  ASSERT_EQ(taken.count, 2u) << "the piece of 90 pages, and the first that holds one more";
  EXPECT_EQ(taken[0].start, 20u);
  EXPECT_EQ(taken[1].start, 200u);
  EXPECT_EQ(manifest.header.frontier, 1000u);
}

TEST(SpaceOrder, LargePiecesServeBeforeTheFrontierAndSmallOnesDoNot) {
  sim::SimPager pager;
  store::Manifest manifest = empty_manifest();
  manifest.header.frontier = 1000;
  store::free_extent(pager, manifest, {10, 100});
  store::free_extent(pager, manifest, {200, 20});
  Extents taken;
  store::allocate_extents(pager, manifest, 150, &taken);
  ASSERT_EQ(taken.count, 2u);
  EXPECT_EQ(taken[0].start, 10u);
  EXPECT_EQ(taken[0].count, 100u);
  EXPECT_EQ(taken[1].start, 1000u);
  EXPECT_EQ(taken[1].count, 50u);
  EXPECT_EQ(manifest.header.frontier, 1050u);
  ASSERT_EQ(manifest.free.count, 1u);
  EXPECT_EQ(manifest.free[0].start, 200u);
}

TEST(SpaceOrder, FreeingNextToTheFrontierMovesIt) {
  sim::SimPager pager;
  store::Manifest manifest = empty_manifest();
  manifest.header.frontier = 100;
  store::free_extent(pager, manifest, {50, 20});
  store::free_extent(pager, manifest, {80, 20});
  EXPECT_EQ(manifest.header.frontier, 80u);
  ASSERT_EQ(manifest.free.count, 1u);
  store::free_extent(pager, manifest, {70, 10});
  EXPECT_EQ(manifest.header.frontier, 50u);
  EXPECT_EQ(manifest.free.count, 0u);
}

TEST(SpaceOrder, BlockOfWalksTheExtents) {
  sim::SimPager pager;
  store::ManifestObject object{};
  object.extents.push(pager, {7, 2});
  object.extents.push(pager, {3, 1});
  object.extents.push(pager, {100, 3});
  std::vector<uint32_t> blocks;
  for (uint32_t i = 0; i < 7; i++) blocks.push_back(raw(store::block_of(object, i)));
  EXPECT_EQ(blocks, (std::vector<uint32_t>{7, 8, 3, 100, 101, 102, raw(BlockNo::none)}));
}

}  // namespace
}  // namespace strata::testing
