// Cold segments: what lies where, that it is found all the same, and that a move can be broken off anywhere.
#include "store/tier.hpp"

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

constexpr uint32_t companion = 77;

store::RewriteResult move_to(StoreIndex& index, ObjectId id, store::Tier tier) {
  store::RewriteResult result;
  index.pager.lock(LockName::merge);
  EXPECT_OK(store::bind_companion(index.pager, companion, uint32_t(index.pager.cold_pages.size())));
  EXPECT_OK(store::move_to_tier(index.pager, id, tier, &result));
  index.pager.unlock(LockName::merge);
  return result;
}

ObjectId add_segment(StoreIndex& index, uint64_t seed, uint32_t count) {
  for (Vector const& row : gaussian_rows(seed, count, index.dim)) index.insert(row);
  return index.flush().output;
}

struct Pages {
  uint32_t main, cold;
};

Pages pages_of(StoreIndex& index, ObjectId id) {
  Pages pages{};
  store::Manifest manifest = index.manifest();
  for (store::ExtentDisk const& extent : manifest.find(id)->extents)
    (store::is_cold(extent.start) ? pages.cold : pages.main) += extent.count;
  return pages;
}

TEST(Tier, AMovedSegmentKeepsItsRowsAndLeavesMostOfItsPages) {
  for (uint32_t dim : {24u, 128u, 768u}) {
    StoreIndex index(dim);
    ObjectId const hot = add_segment(index, 1, 2000);
    auto const before = index.rows_of(hot);
    Pages const all = pages_of(index, hot);
    EXPECT_EQ(all.cold, 0u);
    ObjectId const cold = move_to(index, hot, store::Tier::cold).output;
    EXPECT_EQ(index.rows_of(cold), before);
    Pages const pages = pages_of(index, cold);
    EXPECT_EQ(pages.main + pages.cold, all.main);
    if (dim >= 128) {
      EXPECT_GT(pages.cold, pages.main * 2);
    }
    EXPECT_EQ(index.manifest().find(cold)->disk.tier, 1);
    EXPECT_EQ(index.manifest().find(cold)->disk.moved_at, policy::minutes_of(index.pager.now()));
    index.check();
    ObjectId const again = move_to(index, cold, store::Tier::hot).output;
    EXPECT_EQ(index.rows_of(again), before);
    EXPECT_EQ(pages_of(index, again).cold, 0u);
    index.check();
  }
}

TEST(Tier, SearchesOfBothTiersReturnWhatTheyDidBefore) {
  StoreIndex index(32);
  for (Vector const& row : gaussian_rows(5, 3000, index.dim)) index.insert(row);
  index.train(20);
  index.flush();
  ObjectId const second = add_segment(index, 6, 500);
  auto answers = [&] {
    std::vector<uint64_t> rows;
    for (Vector const& query : gaussian_rows(9, 10, index.dim))
      for (Found const& found : index.search(query, 20)) rows.push_back(found.row);
    return rows;
  };
  auto const before = answers();
  move_to(index, second, store::Tier::cold);
  EXPECT_EQ(answers(), before);
  move_to(index, index.objects(ObjectKind::segment)[0], store::Tier::cold);
  EXPECT_EQ(answers(), before);
}

TEST(Tier, TiersCanBeLeftOutAndAreCounted) {
  StoreIndex index(8);
  ObjectId const first = add_segment(index, 1, 100);
  add_segment(index, 2, 50);
  index.insert(gaussian_rows(3, 1, index.dim)[0]);
  move_to(index, first, store::Tier::cold);
  Vector const query = gaussian_rows(4, 1, index.dim)[0];
  auto count = [&](bool hot, bool cold) {
    store::SearchOptions options;
    options.hot = hot;
    options.cold = cold;
    return index.search(query, 1000, options).size();
  };
  EXPECT_EQ(count(true, true), 151u);
  EXPECT_EQ(index.last_counters.left_out_count, 0u);
  EXPECT_EQ(count(true, false), 51u);
  EXPECT_EQ(index.last_counters.left_out_rows, 100u);
  EXPECT_EQ(count(false, true), 101u);
  EXPECT_EQ(index.last_counters.left_out_count, 1u);
}

TEST(Tier, PagesOfTheCompanionAreUsedAgain) {
  StoreIndex index(128);
  ObjectId id = add_segment(index, 1, 400);
  index.pager.horizon = UINT64_MAX;
  uint32_t size = 0;
  for (int round = 0; round < 6; round++) {
    id = move_to(index, id, store::Tier::cold).output;
    index.reclaim();
    id = move_to(index, id, store::Tier::hot).output;
    index.reclaim();
    EXPECT_EQ(index.manifest().header.cold_frontier, 0u);
    if (round == 0) size = uint32_t(index.pager.cold_pages.size());
  }
  EXPECT_EQ(index.pager.cold_pages.size(), size);
  index.check();
}

TEST(Tier, OnlyReadersThatMaySeeOldPagesKeepThem) {
  StoreIndex index(16);
  ObjectId const id = move_to(index, add_segment(index, 1, 400), store::Tier::cold).output;
  store::Search* const search = index.start(gaussian_rows(2, 1, index.dim)[0]);
  index.pager.horizon = index.pager.xid;
  index.pager.xid++;
  move_to(index, id, store::Tier::hot);
  index.reclaim(false);
  ASSERT_OK(store::advance_search(index.pager, *search, 1000));
  EXPECT_TRUE(store::search_exhausted(*search));
}

TEST(Tier, RewritesKeepTheTierOfTheirInputs) {
  StoreIndex index(16);
  ObjectId const a = move_to(index, add_segment(index, 1, 100), store::Tier::cold).output;
  ObjectId const b = move_to(index, add_segment(index, 2, 100), store::Tier::cold).output;
  ObjectId const both = index.rewrite({a, b}).output;
  EXPECT_EQ(index.manifest().find(both)->disk.tier, 1);
  ObjectId const hot = add_segment(index, 3, 100);
  ObjectId const mixed = index.rewrite({both, hot}).output;
  EXPECT_EQ(index.manifest().find(mixed)->disk.tier, 0);
  index.check();
}

TEST(Tier, WhatAnEarlierLifeLeftInTheCompanionWaitsForItsReaders) {
  StoreIndex index(16);
  index.pager.cold_pages.resize(40);
  ObjectId const hot = add_segment(index, 1, 300);
  ObjectId const cold = move_to(index, hot, store::Tier::cold).output;
  store::Manifest manifest = index.manifest();
  for (store::ExtentDisk const& extent : manifest.find(cold)->extents) {
    if (!store::is_cold(extent.start)) continue;
    EXPECT_GE(extent.start, format::cold_bit + 40);
  }
  index.pager.horizon = UINT64_MAX;
  index.reclaim();
  ASSERT_GT(index.manifest().free.count, 0u);
  index.check();
}

TEST(Tier, ACompanionInUseIsNotExchanged) {
  StoreIndex index(16);
  move_to(index, add_segment(index, 1, 100), store::Tier::cold);
  EXPECT_EQ(store::bind_companion(index.pager, companion + 1, 0).code, Code::invalid);
  EXPECT_EQ(index.manifest().header.companion, companion);
}

TEST(Tier, ThereMustBeSuchASegmentAndAPlaceForIt) {
  StoreIndex index(16);
  ObjectId const id = add_segment(index, 1, 100);
  store::RewriteResult result;
  EXPECT_EQ(store::move_to_tier(index.pager, ObjectId(99), store::Tier::cold, &result).code, Code::invalid);
  EXPECT_EQ(store::move_to_tier(index.pager, id, store::Tier::cold, &result).code, Code::invalid);
  ASSERT_OK(store::move_to_tier(index.pager, id, store::Tier::hot, &result));
  EXPECT_EQ(result.output, id);
}

TEST(Tier, AManifestThatConfusesTheFilesIsNoticed) {
  StoreIndex index(64);
  ObjectId const id = move_to(index, add_segment(index, 1, 300), store::Tier::cold).output;
  index.edit([&](store::Manifest& work) { work.find(id)->disk.tier = 0; });
  store::Manifest manifest{};
  EXPECT_EQ(store::load_manifest(index.pager, &manifest).code, Code::corrupt);
}

TEST(Tier, ACrashAnywhereInAMoveLosesNothing) {
  for (store::Tier tier : {store::Tier::cold, store::Tier::hot}) {
    StoreIndex index(48);
    ObjectId id = add_segment(index, 1, 200);
    if (tier == store::Tier::hot) id = move_to(index, id, store::Tier::cold).output;
    auto const rows = index.live_rows();
    auto const pages = index.pager.pages, cold_pages = index.pager.cold_pages;
    index.keep_log = true;
    index.pager.log.clear();
    move_to(index, id, tier);
    sim::SimPager crashed;
    crashed.pages = pages;
    crashed.cold_pages = cold_pages;
    for (size_t at = 0; at <= index.pager.log.size(); at++) {
      if (at > 0) crashed.replay(index.pager.log[at - 1]);
      store::CheckResult checked;
      ASSERT_OK(store::check(crashed, &checked));
      EXPECT_EQ(checked.row_count, rows.size()) << "after action " << at;
    }
  }
}

}  // namespace
}  // namespace strata::testing
