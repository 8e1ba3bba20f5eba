// Seal, merge and compaction: what comes out is what went in, without the dead rows.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

// The rows of the index as a multiset of (number, TID, flags), without the deleted ones.
std::multiset<std::pair<uint64_t, uint16_t>> identities(StoreIndex& index, std::vector<ObjectId> const& ids) {
  std::multiset<std::pair<uint64_t, uint16_t>> all;
  for (ObjectId id : ids)
    for (StoredRow const& row : index.rows_of(id)) {
      EXPECT_EQ(row.tid, tid_of_row(row.hash));
      if (!row.deleted) all.insert({row.hash, row.flags});
    }
  return all;
}

// Half of `count` rows with vectors, among them NULL and zero rows.
void fill(StoreIndex& index, uint32_t count, uint32_t lanes = 1, uint64_t seed = 5) {
  Random random(seed);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t dice = random.below(20);
    if (dice == 0)
      index.insert({}, format::row_is_null, i % lanes);
    else if (dice == 1 && index.metric == Metric::cosine)
      index.insert({}, format::row_is_zero, i % lanes);
    else
      index.insert(gaussian_vector(random, index.dim), 0, i % lanes);
  }
}

TEST(Seal, FlatSegmentKeepsRowsFlagsHashesAndOrder) {
  for (Metric metric : {Metric::l2, Metric::cosine}) {
    StoreIndex index(20, metric);
    fill(index, 3000);
    auto before = index.rows_of(index.objects(ObjectKind::growing)[0]);
    auto result = index.flush();
    EXPECT_EQ(result.row_count, 3000u);
    EXPECT_EQ(result.dropped_count, 0u);
    EXPECT_EQ(index.objects(ObjectKind::growing).size(), 0u);
    auto after = index.rows_of(result.output);
    // Ranked rows first, then zero, then NULL; within each the order of arrival.
    std::stable_sort(before.begin(), before.end(), [](StoredRow const& a, StoredRow const& b) {
      auto rank = [](uint16_t flags) { return flags & format::row_is_null ? 2 : flags & format::row_is_zero ? 1 : 0; };
      return rank(a.flags) < rank(b.flags);
    });
    EXPECT_EQ(after, before);
    EXPECT_EQ(index.check().row_count, 3000u);
  }
}

TEST(Seal, LanesBecomeOneSegment) {
  StoreIndex index(20);
  fill(index, 2000, 4);
  EXPECT_EQ(index.objects(ObjectKind::growing).size(), 4u);
  auto result = index.flush();
  EXPECT_EQ(index.objects(ObjectKind::segment).size(), 1u);
  EXPECT_EQ(result.input_rows, 2000u);
  EXPECT_EQ(index.live_rows(), numbers(2000));
}

TEST(Seal, NothingToSealDoesNothing) {
  StoreIndex index(20);
  auto result = index.flush();
  EXPECT_EQ(result.output, ObjectId::none);
  uint64_t generation = index.meta().generation;
  index.flush();
  EXPECT_EQ(index.meta().generation, generation);
}

TEST(Seal, SegmentWithListsHoldsRowsInTheirNearestLists) {
  StoreIndex index(20);
  fill(index, 3000);
  auto trained = index.train(30);
  ASSERT_EQ(trained.list_count, 30u);
  auto result = index.flush();
  auto manifest = index.manifest();
  auto shape = index.shape();
  auto const* segment = manifest.find(result.output);
  EXPECT_EQ(segment->disk.epoch, raw(trained.epoch));
  EXPECT_EQ(segment->disk.list_count, 30u);
  EXPECT_EQ(index.live_rows(), numbers(3000));
  EXPECT_OK(index.check_status());

  store::EpochView* epoch = nullptr;
  ASSERT_OK(store::open_epoch(index.pager, shape, manifest, trained.epoch, &epoch));
  float* centroids = nullptr;
  ASSERT_OK(store::load_centroids(index.pager, shape, *epoch, &centroids));
  store::RowSource source;
  ASSERT_OK(store::open_source(index.pager, shape, manifest, *segment, ObjectId(segment->disk.frame), &source));
  uint32_t last = 0;
  Vector z(shape.padded_dim);
  for (uint32_t row = 0; row < segment->disk.ranked_count; row++) {
    uint32_t list = 0;
    ASSERT_OK(store::list_of_row(index.pager, source, row, &list));
    ASSERT_GE(list, last);
    last = list;
    store::RowView view;
    ASSERT_OK(store::fetch_row(index.pager, shape, source, row, &view));
    quant::decode_refine(shape.padded_dim, view.refine, z.data());
    auto distance = [&](uint32_t at) {
      return math::l2_squared(shape.padded_dim, z.data(), centroids + size_t(at) * shape.padded_dim);
    };
    // Rows were assigned before they were encoded in the frame of the epoch: up to the error of a code.
    for (uint32_t other = 0; other < 30; other++) ASSERT_LE(distance(list), distance(other) * 1.02f + 1e-5f) << row;
  }
}

TEST(Merge, SegmentsOfSeveralEpochsAndFlatOnesBecomeOne) {
  StoreIndex index(20);
  std::vector<ObjectId> segments;
  for (uint32_t part = 0; part < 5; part++) {
    fill(index, 800, 1, part);
    segments.push_back(index.flush().output);
    if (part == 1) index.train(12);
    if (part == 3) index.train(20);
  }
  auto before = identities(index, segments);
  ASSERT_EQ(before.size(), 4000u);
  auto result = index.rewrite(segments);
  EXPECT_EQ(identities(index, {result.output}), before);
  EXPECT_EQ(index.objects(ObjectKind::segment), std::vector<ObjectId>{result.output});
  EXPECT_EQ(index.objects(ObjectKind::segment, ObjectState::retired).size(), 5u);
  EXPECT_EQ(index.object(result.output).disk.list_count, 20u);
  EXPECT_EQ(index.object(result.output).disk.merge_count, 1u);
  EXPECT_OK(index.check_status());
  EXPECT_EQ(index.rewrite({result.output}).row_count, 4000u);
}

// The codes of a segment by the number of their row: the scan code moved to lane 0 of a block, and the refine code.
std::map<uint64_t, std::vector<std::byte>> codes_of(StoreIndex& index, ObjectId id) {
  auto manifest = index.manifest();
  auto shape = index.shape();
  store::RowSource source;
  EXPECT_OK(store::open_source(index.pager, shape, manifest, *manifest.find(id),
                               ObjectId(manifest.find(id)->disk.frame), &source));
  std::map<uint64_t, std::vector<std::byte>> codes;
  for (uint32_t row = 0; row < source.header->ranked_count; row++) {
    store::RowView view;
    store::ScanCode code;
    EXPECT_OK(store::fetch_row(index.pager, shape, source, row, &view));
    EXPECT_OK(store::fetch_scan_code(index.pager, shape, source, row, 0, &code));
    auto& bytes = codes[view.hash];
    bytes.assign(quant::block_size(shape.padded_dim, shape.scan.bits), std::byte{0});
    quant::copy_scan_row(shape.scan, code.block, code.lane, bytes.data(), 0);
    bytes.insert(bytes.end(), view.refine, view.refine + shape.refine_size);
  }
  return codes;
}

// One codebook: nothing is decoded or encoded, not even what is wrong in a code.
TEST(Merge, SegmentsOfOneEpochKeepTheirCodes) {
  for (uint32_t lists : {0u, 25u}) {
    StoreIndex index(20);
    fill(index, 1500);
    if (lists) index.train(lists);
    std::vector<ObjectId> segments;
    std::map<uint64_t, std::vector<std::byte>> before;
    for (uint64_t part = 0; part < 3; part++) {
      segments.push_back(index.flush().output);
      fill(index, 700 + uint32_t(part) * 31, 1, part);
    }
    auto const header = index.header(segments[1]);
    auto const* stream = store::find_stream(header, store::StreamKind::scan_codes);
    index.page(segments[1], stream->first_page)[1] ^= std::byte{0x11};
    for (ObjectId id : segments)
      for (auto& [row, code] : codes_of(index, id)) before[row] = code;
    auto result = index.rewrite(segments);
    EXPECT_EQ(index.object(result.output).disk.list_count, lists);
    EXPECT_EQ(codes_of(index, result.output), before);
    EXPECT_OK(index.check_status());
  }
}

TEST(Merge, ResidualsOfListsAreThoseOfTheirRows) {
  StoreIndex index(20);
  fill(index, 4000);
  index.train(25);
  std::vector<ObjectId> segments{index.flush().output};
  fill(index, 2000, 1, 8);
  segments.push_back(index.flush().output);
  double sum = 0, rows = 0;
  for (ObjectId id : segments) {
    sum += double(index.header(id).mean_residual2) * index.header(id).ranked_count;
    rows += index.header(id).ranked_count;
  }
  auto merged = index.header(index.rewrite(segments).output);
  EXPECT_NEAR(merged.mean_residual2, sum / rows, 1e-4 * sum / rows);
}

TEST(Merge, FewRowsBecomeAFlatSegmentThoughThereIsACodebook) {
  StoreIndex index(20);
  fill(index, 2000);
  index.train(100);
  index.flush();
  fill(index, 20, 1, 9);
  auto result = index.flush();
  EXPECT_EQ(index.object(result.output).disk.epoch, 0u);
  EXPECT_EQ(index.object(result.output).disk.list_count, 0u);
}

TEST(Compact, DeletedRowsAreLeftOut) {
  for (bool lists : {false, true}) {
    StoreIndex index(20);
    fill(index, 2000);
    if (lists) index.train(20);
    auto segment = index.flush().output;
    std::set<uint64_t> dead;
    for (uint64_t i = 0; i < 2000; i += 3) dead.insert(i);
    EXPECT_EQ(index.vacuum(dead).removed_count, dead.size());
    auto result = index.rewrite({segment});
    EXPECT_EQ(result.dropped_count, dead.size());
    EXPECT_EQ(result.row_count, 2000u - dead.size());
    std::vector<uint64_t> wanted;
    for (uint64_t i = 0; i < 2000; i++)
      if (!dead.count(i)) wanted.push_back(i);
    EXPECT_EQ(index.live_rows(), wanted);
    EXPECT_EQ(index.header(result.output).deleted_count, 0u);
    EXPECT_OK(index.check_status());
  }
}

TEST(Compact, NothingLeftWritesNothing) {
  for (bool sealed : {true, false}) {
    StoreIndex index(20);
    fill(index, 300);
    if (sealed) index.flush();
    auto all = numbers(300);
    index.vacuum({all.begin(), all.end()});
    auto result = sealed ? index.rewrite(index.objects(ObjectKind::segment)) : index.flush();
    EXPECT_EQ(result.output, ObjectId::none);
    EXPECT_EQ(result.dropped_count, 300u);
    EXPECT_EQ(index.objects(ObjectKind::segment).size() + index.objects(ObjectKind::growing).size(), 0u);
    EXPECT_EQ(index.check().row_count, 0u);
    EXPECT_TRUE(index.search(Vector(20, 1.0f)).empty());
  }
}

TEST(Rewrite, RefusesWrongInputs) {
  StoreIndex index(20);
  store::RewriteResult result;
  ObjectId unknown[65];
  std::fill(std::begin(unknown), std::end(unknown), ObjectId(99));
  EXPECT_EQ(store::rewrite(index.pager, unknown, 0, &result).code, Code::invalid);
  EXPECT_EQ(store::rewrite(index.pager, unknown, 65, &result).code, Code::invalid);
  EXPECT_EQ(store::rewrite(index.pager, unknown, 1, &result).code, Code::corrupt);
}

// A crash, or a cancel, anywhere in a merge leaves the inputs in force; the half-written output is swept by the next
// one.
TEST(Rewrite, CrashesLeaveTheInputs) {
  StoreIndex index(20);
  fill(index, 1500);
  auto segment = index.flush().output;
  index.keep_log = true;
  index.pager.log.clear();
  auto pages = index.pager.pages;
  auto output = index.rewrite({segment}).output;
  auto log = index.pager.log;
  sim::SimPager crashed;
  crashed.pages = pages;
  for (auto const& record : log) {
    crashed.replay(record);
    sim::SimPager again;
    again.pages = crashed.pages;
    again.lock(LockName::merge);
    ASSERT_OK(store::drop_unfinished(again));
    store::CheckResult checked;
    ASSERT_OK(store::check(again, &checked));
    EXPECT_EQ(checked.row_count, 1500u);
    store::Manifest manifest{};
    ASSERT_OK(store::load_manifest(again, &manifest));
    for (auto const& object : manifest.objects) EXPECT_NE(object.disk.state, ObjectState::building);
  }
  EXPECT_NE(output, segment);
}

// Codes that were moved between frames several times: the bound must hold for the vector that was inserted.
class Reframe : public ::testing::TestWithParam<Metric> {};

TEST_P(Reframe, BoundHoldsForTheOriginalVector) {
  uint32_t const dim = 50;
  StoreIndex index(dim, GetParam());
  Random random(4);
  // Three batches far apart, with scales that differ: each training moves the frame.
  double offsets[] = {0, 300, -7000}, scales[] = {1, 30, 500};
  std::set<uint32_t> frames;
  for (int part = 0; part < 3; part++) {
    for (Vector const& row : gaussian_rows(uint64_t(part), 700, dim, scales[part], offsets[part])) index.insert(row);
    index.train(8);
    index.flush();
    index.rewrite(index.objects(ObjectKind::segment));
    frames.insert(index.manifest().header.frame);
    EXPECT_OK(index.check_status());
  }
  if (GetParam() != Metric::cosine) {
    EXPECT_GT(frames.size(), 1u) << "no frame moved: the test proves nothing";
  }
  for (int trial = 0; trial < 12; trial++) {
    int part = int(random.below(3));
    Vector query = gaussian_rows(random.next(), 1, dim, scales[part], offsets[part])[0];
    if (GetParam() == Metric::cosine) StoreIndex::normalise(query);
    store::Search* search = index.start(query);
    ASSERT_OK(store::advance_search(index.pager, *search, 4096));
    ASSERT_TRUE(store::search_exhausted(*search));
    std::vector<Found> found;
    index.drain(*search, query, &found);
    ASSERT_EQ(found.size(), 2100u);
    for (Found const& row : found) {
      // The bound is about the float query; the exact score here is of doubles: allow the rounding of the rotation.
      double norms = 0;
      for (uint32_t i = 0; i < dim; i++)
        norms += double(index.vectors[row.row][i]) * index.vectors[row.row][i] + double(query[i]) * query[i];
      ASSERT_LE(row.lower_bound, row.score + 1e-5 * norms) << "row " << row.row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, Reframe, ::testing::Values(Metric::l2, Metric::cosine, Metric::inner_product));

}  // namespace
}  // namespace strata::testing
