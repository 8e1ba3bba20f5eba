#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

std::set<uint64_t> every(uint64_t step, uint64_t end, uint64_t first = 0) {
  std::set<uint64_t> rows;
  for (uint64_t i = first; i < end; i += step) rows.insert(i);
  return rows;
}

std::vector<uint64_t> without(uint64_t end, std::set<uint64_t> const& dead) {
  std::vector<uint64_t> rows;
  for (uint64_t i = 0; i < end; i++)
    if (!dead.count(i)) rows.push_back(i);
  return rows;
}

TEST(Vacuum, GrowingRowsAreMarked) {
  for (uint32_t dim : {3u, 9000u}) {
    uint32_t const count = dim == 3 ? 1000 : 20;
    StoreIndex index(dim);
    index.insert_all(gaussian_rows(1, count, dim), 2);
    auto dead = every(3, count);
    auto result = index.vacuum(dead);
    EXPECT_EQ(result.removed_count, dead.size());
    EXPECT_EQ(result.live_count, count - dead.size());
    EXPECT_EQ(result.object_count, 2u);
    EXPECT_EQ(index.live_rows(), without(count, dead));
    EXPECT_EQ(index.check().deleted_count, dead.size());
    // Once more: they are known.
    EXPECT_EQ(index.vacuum(dead).removed_count, 0u);
  }
}

TEST(Vacuum, SealedRowsAreMarkedNullOnesToo) {
  StoreIndex index(3, Metric::cosine);
  for (uint32_t i = 0; i < 3000; i++) {
    if (i % 10 == 0)
      index.insert({}, format::row_is_null);
    else if (i % 10 == 1)
      index.insert({}, format::row_is_zero);
    else
      index.insert({1, float(i), 2});
  }
  auto segment = index.flush().output;
  auto dead = every(7, 3000);
  auto result = index.vacuum(dead);
  EXPECT_EQ(result.removed_count, dead.size());
  EXPECT_EQ(result.live_count, 3000 - dead.size());
  EXPECT_EQ(index.header(segment).deleted_count, dead.size());
  EXPECT_EQ(index.live_rows(), without(3000, dead));
  EXPECT_EQ(index.check().deleted_count, dead.size());
  auto more = every(5, 3000);
  index.vacuum(more);
  dead.insert(more.begin(), more.end());
  EXPECT_EQ(index.header(segment).deleted_count, dead.size());
}

// One page of the bitmap covers 65,216 rows.
TEST(Vacuum, BitmapOfSeveralPages) {
  StoreIndex index(1);
  for (uint32_t i = 0; i < 66000; i++) index.insert({float(i)});
  auto segment = index.flush().output;
  auto dead = every(1000, 66000, 500);
  dead.insert({65215, 65216, 65999});
  EXPECT_EQ(index.vacuum(dead).removed_count, dead.size());
  EXPECT_EQ(index.header(segment).deleted_count, dead.size());
  EXPECT_EQ(index.header(segment).delete_generation, 2u);
  EXPECT_EQ(index.live_rows(), without(66000, dead));
}

TEST(Vacuum, NothingDeadChangesNothing) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 500, 3));
  index.flush();
  index.insert_all(gaussian_rows(2, 500, 3));
  auto pages = index.pager.pages;
  EXPECT_EQ(index.vacuum({}).live_count, 1000u);
  EXPECT_EQ(index.pager.pages, pages);
}

// The seal publishes while the vacuum is between two pages: nothing is lost, nothing returns.
TEST(Vacuum, SealOrMergeInTheMiddle) {
  for (bool merge : {false, true}) {
    for (uint64_t at = 1; at < 40; at += 3) {
      StoreIndex index(3);
      index.insert_all(gaussian_rows(1, 900, 3));
      if (merge) index.flush();
      auto dead = every(2, 900);
      uint64_t asked = 0;
      store::VacuumResult result{};
      bool done = false;
      EXPECT_OK(store::vacuum(
          index.pager,
          [&](Tid tid) {
            if (++asked == at * 20 && !done) {
              done = true;
              if (merge)
                index.rewrite(index.objects(ObjectKind::segment));
              else
                index.flush();
            }
            return dead.count(row_of_tid(tid)) != 0;
          },
          &result));
      ASSERT_TRUE(done);
      EXPECT_EQ(index.live_rows(), without(900, dead)) << "interrupted at " << at;
      EXPECT_OK(index.check_status());
    }
  }
}

// The segment is replaced, and its pages are written by others, between reading ids and setting bits.
TEST(Vacuum, ReclaimedUnderItsFeet) {
  for (bool sealed : {false, true}) {
    StoreIndex index(3);
    index.insert_all(gaussian_rows(1, 900, 3));
    if (sealed) index.flush();
    auto dead = every(2, 900);
    bool done = false;
    store::VacuumResult result{};
    EXPECT_OK(store::vacuum(
        index.pager,
        [&](Tid tid) {
          if (!done && row_of_tid(tid) == 100) {
            done = true;
            if (sealed)
              index.rewrite(index.objects(ObjectKind::segment));
            else
              index.flush();
            index.reclaim();
            // What was free is taken by rows that are alive.
            for (uint32_t i = 0; i < 900; i++) index.insert({1, 2, 3});
            index.flush();
          }
          return dead.count(row_of_tid(tid)) != 0;
        },
        &result));
    auto wanted = without(1800, dead);
    EXPECT_EQ(index.live_rows(), wanted);
    EXPECT_OK(index.check_status());
  }
}

// A page of another owner in an object that stays in force is damage: to pass over it would leave dead rows in the
// index.
TEST(Vacuum, ForeignPageOfALiveObjectIsCorrupt) {
  for (bool sealed : {false, true}) {
    for (uint32_t page_no : {0u, 1u}) {
      StoreIndex index(3);
      index.insert_all(gaussian_rows(1, 900, 3));
      if (sealed) index.flush();
      auto id = index.objects(sealed ? ObjectKind::segment : ObjectKind::growing)[0];
      uint32_t owner = 12345;
      std::memcpy(index.page(id, page_no) + format::page_body_size + offsetof(format::PageTailDisk, owner), &owner, 4);
      store::VacuumResult result;
      Status status = store::vacuum(
          index.pager, [](Tid) { return true; }, &result);
      EXPECT_EQ(status.code, Code::corrupt) << sealed << page_no;
    }
  }
}

TEST(Vacuum, BitmapOfAWrongSizeIsCorrupt) {
  for (int which = 0; which < 4; which++) {
    StoreIndex index(3);
    index.insert_all(gaussian_rows(1, 900, 3));
    auto id = index.flush().output;
    auto& header = *reinterpret_cast<store::ObjectHeaderDisk*>(index.page(id, 0));
    for (auto& stream : header.stream) {
      if (stream.kind != store::StreamKind::delete_bitmap) continue;
      if (which == 0) stream.byte_size = 8;
      if (which == 1) stream.page_count += 2, stream.byte_size += 16000;
      if (which == 2) stream.page_count = 0, stream.byte_size = 0;
      if (which == 3) stream.bytes_per_page = 64;
    }
    store::VacuumResult result;
    EXPECT_EQ(store::vacuum(
                  index.pager, [](Tid) { return true; }, &result)
                  .code,
              Code::corrupt)
        << which;
  }
}

}  // namespace
}  // namespace strata::testing
