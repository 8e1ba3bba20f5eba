#include "store/outlook.hpp"

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using store::Step;

std::vector<Step> index_all(StoreIndex& index) {
  std::vector<Step> steps;
  index.locked([&] {
    for (;;) {
      store::MaintainResult result;
      EXPECT_OK(store::index_unindexed(index.pager, {}, &result));
      if (result.step == Step::nothing || steps.size() == 20) break;
      steps.push_back(result.step);
    }
  });
  return steps;
}

TEST(BuildIncremental, GivesListsToFlatSegmentsAndTouchesNoOther) {
  StoreIndex index(16);
  index.insert_all(clustered_rows(1, 5000, 16, 20));
  index.train(40);
  auto listed = index.flush().output;
  std::vector<ObjectId> flat;
  for (uint64_t part = 0; part < 4; part++) {
    index.insert_all(gaussian_rows(part, 12, 16));
    flat.push_back(index.flush().output);
    EXPECT_EQ(index.object(flat.back()).disk.list_count, 0u);
  }
  EXPECT_EQ(index_all(index), std::vector<Step>{Step::indexed});
  auto segments = index.objects(ObjectKind::segment);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0], listed);
  EXPECT_EQ(index.object(segments[1]).disk.list_count, 40u);
  EXPECT_EQ(index.object(segments[1]).disk.row_count, 48u);
  EXPECT_EQ(index.live_rows(), numbers(5048));
  EXPECT_TRUE(index_all(index).empty());
  // Too few rows for lists of their own stay as they are.
  index.insert_all(gaussian_rows(9, 12, 16));
  index.flush();
  EXPECT_TRUE(index_all(index).empty());
}

TEST(BuildIncremental, TrainsTheFirstCodebook) {
  StoreIndex index(16);
  index.insert_all(clustered_rows(1, 500, 16, 20));
  index.flush();
  EXPECT_TRUE(index_all(index).empty());
  index.insert_all(clustered_rows(2, 21000, 16, 20));
  index.flush();
  EXPECT_EQ(index_all(index), (std::vector<Step>{Step::trained, Step::indexed}));
  EXPECT_OK(index.check_status());
}

// Segments of an older codebook are indexed: they are carried over by merges, in their time.
TEST(BuildIncremental, LeavesOlderEpochsAlone) {
  StoreIndex index(16);
  index.insert_all(clustered_rows(1, 2000, 16, 20));
  index.train(20);
  auto old = index.flush().output;
  index.train(30);
  EXPECT_TRUE(index_all(index).empty());
  EXPECT_EQ(index.objects(ObjectKind::segment), std::vector<ObjectId>{old});
}

TEST(Outlook, SaysWhySegmentsAreNotMerged) {
  StoreIndex index(16);
  auto reasons = [&](store::MaintainOptions const& options, std::vector<uint32_t> const& running = {}) {
    store::Array<store::SegmentReason> found;
    auto manifest = index.manifest();
    EXPECT_OK(store::explain_segments(index.pager, manifest, options, running, &found));
    return found;
  };
  EXPECT_EQ(reasons({}).count, 0u);
  index.insert_all(gaussian_rows(1, 4000, 16));
  auto large = index.flush().output;
  index.insert_all(gaussian_rows(1, 100, 16));
  auto small = index.flush().output;
  auto found = reasons({});
  ASSERT_EQ(found.count, 2u);
  EXPECT_EQ(found[0].id, large);
  EXPECT_EQ(found[1].id, small);
  EXPECT_EQ(found[0].reason, policy::MergeReason::waits_for_peers);
  EXPECT_EQ(reasons({}, {raw(large)})[0].reason, policy::MergeReason::merging);
  EXPECT_EQ(reasons({}, {raw(large)})[1].reason, policy::MergeReason::waits_for_peers);
  store::MaintainOptions options;
  options.segment_bytes = 200000;
  EXPECT_EQ(reasons(options)[0].reason, policy::MergeReason::final);
  EXPECT_EQ(reasons(options)[1].reason, policy::MergeReason::waits_for_peers);
  options = {};
  options.force_merge = true;
  EXPECT_EQ(reasons(options)[1].reason, policy::MergeReason::chosen);
}

TEST(Outlook, ManifestCountsWhatIsWritten) {
  StoreIndex index(16);
  EXPECT_EQ(index.manifest().header.sealed_bytes, 0u);
  index.insert_all(gaussian_rows(1, 3000, 16));
  auto segment = index.flush().output;
  EXPECT_GT(index.manifest().header.sealed_bytes, 0u);
  EXPECT_EQ(index.manifest().header.merged_bytes, 0u);
  segment = index.rewrite({segment}).output;
  index.rewrite({segment});
  auto const header = index.manifest().header;
  EXPECT_EQ(header.sealed_rows, 3000u);
  EXPECT_EQ(header.merged_rows, 6000u);
  EXPECT_NEAR(double(header.merged_bytes) / double(header.sealed_bytes), 2.0, 0.01);
}

// Whether rows are growing after a step of maintenance of an index at rest, which look_at_rest must have foretold.
bool grows_at_rest(StoreIndex& index) {
  store::MaintainOptions options;
  store::RestOutlook outlook{};
  EXPECT_OK(store::look_at_rest(index.pager, options, &outlook));
  EXPECT_FALSE(outlook.due_now);
  options.at_rest = true;
  store::MaintainResult result;
  index.locked([&] { EXPECT_OK(store::maintain(index.pager, options, &result)); });
  EXPECT_EQ(result.step == Step::sealed, outlook.due);
  store::Outlook ahead{};
  EXPECT_OK(store::look_ahead(index.pager, options, &ahead));
  return ahead.growing_rows > 0;
}

TEST(Rest, SealsFewRowsThatSearchesFeel) {
  StoreIndex flat(16);
  flat.insert_all(gaussian_rows(1, 127, 16));
  EXPECT_TRUE(grows_at_rest(flat));
  flat.insert_all(gaussian_rows(2, 1, 16));
  EXPECT_FALSE(grows_at_rest(flat));
}

TEST(Rest, SealsAQuarterAsManyRowsAsLists) {
  StoreIndex index(16);
  index.insert_all(clustered_rows(1, 19000, 16, 20));
  index.train(600);
  index.flush();
  index.insert_all(clustered_rows(2, 149, 16, 20));
  store::MaintainOptions options;
  options.train = options.merge = false;
  store::RestOutlook outlook{};
  EXPECT_OK(store::look_at_rest(index.pager, options, &outlook));
  EXPECT_FALSE(outlook.due);
  index.insert_all(clustered_rows(3, 1, 16, 20));
  EXPECT_OK(store::look_at_rest(index.pager, options, &outlook));
  EXPECT_TRUE(outlook.due);
}

}  // namespace
}  // namespace strata::testing
