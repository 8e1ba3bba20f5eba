// Hits of segments: recorded by edits, carried over by rewrites, gone with nothing but their segment.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

double hits_of(StoreIndex& index, ObjectId id) {
  store::Manifest manifest = index.manifest();
  store::ManifestObject const* const object = manifest.find(id);
  EXPECT_NE(object, nullptr);
  return object ? policy::hits_now(store::hits_of(object->disk), index.pager.now()) : -1;
}

ObjectId add_segment(StoreIndex& index, uint64_t seed) {
  for (Vector const& row : gaussian_rows(seed, 50, index.dim)) index.insert(row);
  return index.flush().output;
}

TEST(Access, HitsAreRecordedForWhatIsThere) {
  StoreIndex index(8);
  ObjectId const first = add_segment(index, 1), second = add_segment(index, 2);
  store::HitCount const counts[] = {{first, 5}, {ObjectId(4711), 3}, {second, 0}};
  uint64_t const before = index.manifest().header.generation;
  ASSERT_OK(store::record_hits(index.pager, counts, 3));
  EXPECT_NEAR(hits_of(index, first), 5, 0.01);
  EXPECT_EQ(hits_of(index, second), 0);
  EXPECT_EQ(index.manifest().header.generation, before + 1);
  // Nothing to record is no edit.
  ASSERT_OK(store::record_hits(index.pager, counts + 1, 2));
  EXPECT_EQ(index.manifest().header.generation, before + 1);
  EXPECT_OK(index.check_status());
  ASSERT_OK(store::clear_hits(index.pager));
  EXPECT_EQ(hits_of(index, first), 0);
}

TEST(Access, WhatReplacesSegmentsInheritsTheirHits) {
  StoreIndex index(8);
  ObjectId const first = add_segment(index, 1), second = add_segment(index, 2);
  for (Vector const& row : gaussian_rows(3, 50, index.dim)) index.insert(row);
  ObjectId const growing = index.objects(ObjectKind::growing)[0];
  store::HitCount const counts[] = {{first, 5}, {second, 7}, {growing, 2}};
  ASSERT_OK(store::record_hits(index.pager, counts, 3));
  ObjectId const third = index.flush().output;
  EXPECT_NEAR(hits_of(index, third), 2, 0.01);
  auto const merged = index.rewrite({first, second, third});
  EXPECT_NEAR(hits_of(index, merged.output), 14, 0.02);
}

TEST(Access, HitsOfCodebooksAreNotTouched) {
  // Their field counts something else.
  StoreIndex index(8);
  add_segment(index, 1);
  index.train(4);
  ObjectId const epoch = index.objects(ObjectKind::epoch)[0];
  uint64_t const known = index.manifest().find(epoch)->disk.hits;
  EXPECT_GT(known, 0u);
  store::HitCount const counts[] = {{epoch, 5}};
  ASSERT_OK(store::record_hits(index.pager, counts, 1));
  ASSERT_OK(store::clear_hits(index.pager));
  EXPECT_EQ(index.manifest().find(epoch)->disk.hits, known);
}

}  // namespace
}  // namespace strata::testing
