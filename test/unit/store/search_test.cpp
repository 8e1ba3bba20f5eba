// Ordered search against brute force.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

std::vector<uint64_t> row_numbers(std::vector<Found> const& found) {
  std::vector<uint64_t> rows;
  for (Found const& one : found) rows.push_back(one.row);
  return rows;
}
std::vector<uint64_t> sorted(std::vector<uint64_t> rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

void expect_in_order(std::vector<Found> const& found, std::vector<Found> const& truth) {
  ASSERT_EQ(found.size(), truth.size());
  EXPECT_EQ(sorted(row_numbers(found)), sorted(row_numbers(truth)));
  for (size_t i = 0; i < found.size(); i++) {
    double slack = 1e-5 * (1 + std::abs(truth[i].score));
    ASSERT_NEAR(found[i].score, truth[i].score, slack) << "place " << i;
  }
}

constexpr uint32_t exhaust = 1u << 20;  // more rows than any of these indexes has

enum class Layout { growing, flat, lists, mixed };

// Rows cut into a growing part, flat segments and segments with lists of one or two epochs.
void load(StoreIndex& index, std::vector<Vector> const& rows, Layout layout) {
  size_t const count = rows.size();
  for (size_t i = 0; i < count; i++) {
    index.insert(rows[i], 0, uint32_t(i % 2));
    if (layout == Layout::mixed) {
      if (i == count / 5) index.flush();
      if (i == count / 3) index.train(uint32_t(2 + count / 60)), index.flush();
      if (i == count / 2) index.flush();
      if (i == count * 2 / 3) index.train(uint32_t(2 + count / 40)), index.flush();
    }
  }
  if (layout == Layout::lists) index.train(uint32_t(2 + count / 40));
  if (layout == Layout::flat || layout == Layout::lists) index.flush();
}

struct SearchCase {
  uint32_t dim;
  Metric metric;
  Layout layout;
};

class Order : public ::testing::TestWithParam<SearchCase> {};

TEST_P(Order, ExhaustedSearchGivesEveryRowOnceInExactOrder) {
  auto [dim, metric, layout] = GetParam();
  StoreIndex index(dim, metric);
  load(index, clustered_rows(dim, 1200, dim, 9), layout);
  EXPECT_OK(index.check_status());
  for (uint64_t seed = 0; seed < 3; seed++) {
    Vector query = clustered_rows(100 + seed, 1, dim, 1)[0];
    if (metric == Metric::cosine) StoreIndex::normalise(query);
    // First-stage bounds hold with a probability; once everything was evaluated, second-stage bounds always hold.
    expect_in_order(index.search(query, SIZE_MAX, {}, exhaust), index.brute_force(query));
    auto by_default = index.search(query);
    EXPECT_EQ(sorted(row_numbers(by_default)), numbers(1200));
  }
}

std::vector<SearchCase> order_cases() {
  std::vector<SearchCase> cases;
  for (uint32_t dim : {1u, 2u, 3u, 17u, 300u})
    for (Metric metric : {Metric::l2, Metric::inner_product, Metric::cosine})
      for (Layout layout : {Layout::growing, Layout::flat, Layout::lists, Layout::mixed})
        cases.push_back({dim, metric, layout});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, Order, ::testing::ValuesIn(order_cases()));

TEST(Search, EmptyIndexGivesNothing) {
  StoreIndex index(3);
  EXPECT_TRUE(index.search({1, 2, 3}).empty());
  EXPECT_TRUE(index.pass(store::RowPass::ranked).empty());
  EXPECT_TRUE(index.pass(store::RowPass::null).empty());
}

TEST(Search, ManyRowsSpanningPages) {
  for (uint32_t dim : {9000u, 16000u}) {
    StoreIndex index(dim);
    load(index, gaussian_rows(1, 70, dim), Layout::mixed);
    Vector query = gaussian_rows(2, 1, dim)[0];
    expect_in_order(index.search(query, SIZE_MAX, {}, exhaust), index.brute_force(query));
  }
}

// 4, 8, 16 ... and all at once reach the same rows, none twice.
TEST(Search, ResumptionGivesTheSameRowsAsOneAdvance) {
  for (Layout layout : {Layout::growing, Layout::flat, Layout::lists, Layout::mixed}) {
    for (Metric metric : {Metric::l2, Metric::inner_product}) {
      StoreIndex index(17, metric);
      load(index, clustered_rows(3, 1500, 17, 9), layout);
      Vector query = clustered_rows(4, 1, 17, 9)[0];
      store::Search* once = index.start(query);
      ASSERT_OK(store::advance_search(index.pager, *once, 4000));
      ASSERT_TRUE(store::search_exhausted(*once));
      std::vector<Found> all, parts;
      index.drain(*once, query, &all);
      store::Search* resumed = index.start(query);
      for (uint32_t target = 4; !store::search_exhausted(*resumed); target *= 2) {
        ASSERT_LT(target, 1u << 20);
        ASSERT_OK(store::advance_search(index.pager, *resumed, target));
        std::vector<Found> step;
        index.drain(*resumed, query, &step);
        for (size_t i = 1; i < step.size(); i++) ASSERT_LE(step[i - 1].lower_bound, step[i].lower_bound);
        parts.insert(parts.end(), step.begin(), step.end());
      }
      EXPECT_EQ(sorted(row_numbers(all)), numbers(1500));
      EXPECT_EQ(sorted(row_numbers(parts)), numbers(1500));
      EXPECT_EQ(resumed->counters.code_count, once->counters.code_count) << "something was scanned twice";
    }
  }
}

// What lies within the reach comes first, then one row beyond it from what was scanned, then all others.
TEST(Search, ReachIsKeptUntilAskedAgain) {
  StoreIndex index(17);
  load(index, clustered_rows(3, 1500, 17, 9), Layout::lists);
  Vector query = clustered_rows(4, 1, 17, 9)[0];
  auto const truth = index.brute_force(query);
  store::SearchOptions options;
  options.reach = float(truth[20].score);
  options.probes = 12;
  store::Search* search = index.start(query, options);
  ASSERT_OK(store::advance_search(index.pager, *search, 40));
  EXPECT_LE(store::search_unseen(*search), options.reach);
  EXPECT_GE(search->scores.count, 15u);
  uint64_t const probed = search->counters.list_count;
  ASSERT_OK(store::advance_search(index.pager, *search, 40));
  EXPECT_EQ(search->counters.list_count, probed) << "the rows of the lists it knows are enough";
  EXPECT_GT(store::search_unseen(*search), options.reach);
  uint32_t beyond = 0;
  for (float const score : search->scores) beyond += score > options.reach;
  EXPECT_GE(beyond, 2u);
  for (uint32_t target = 64; !store::search_exhausted(*search); target *= 2) {
    ASSERT_LT(target, 1u << 28);
    ASSERT_OK(store::advance_search(index.pager, *search, target));
  }
  std::vector<Found> all;
  index.drain(*search, query, &all);
  EXPECT_EQ(sorted(row_numbers(all)), numbers(1500));
}

// A search that is told how far to look sees nearly all rows so near, in few lists.
TEST(Search, ReachTellsWhenToStop) {
  StoreIndex index(17);
  load(index, clustered_rows(3, 6000, 17, 60), Layout::lists);
  uint32_t const target = 5 + store::search_margin;
  uint64_t lists = 0, lists_without = 0;
  uint32_t within = 0, within_without = 0;
  for (Vector const& query : clustered_rows(4, 40, 17, 60)) {
    store::SearchOptions options;
    store::Search* free = index.start(query, options);
    ASSERT_OK(store::advance_search(index.pager, *free, target));
    lists_without += free->counters.list_count;
    options.reach = std::nextafter(float(index.brute_force(query)[4].score), 1e30f);
    store::Search* search = index.start(query, options);
    ASSERT_OK(store::advance_search(index.pager, *search, target));
    lists += search->counters.list_count;
    for (float const score : free->scores) within_without += score <= options.reach;
    for (float const score : search->scores) within += score <= options.reach;
  }
  EXPECT_LT(lists, lists_without * 3 / 4);
  EXPECT_GE(within, within_without * 95 / 100);
}

TEST(Search, TargetsOfZeroAndOfEverythingAreServed) {
  StoreIndex index(3);
  load(index, gaussian_rows(1, 500, 3), Layout::mixed);
  for (uint32_t target : {0u, 1u, UINT32_MAX}) {
    store::Search* search = index.start({1, 2, 3});
    ASSERT_OK(store::advance_search(index.pager, *search, target));
    EXPECT_LE(search->top.capacity, 2048u) << "memory follows the rows, not the target";
    EXPECT_EQ(store::search_exhausted(*search), target == UINT32_MAX);
  }
}

TEST(Search, ManySmallAdvancesStillReachAll) {
  StoreIndex index(3);
  load(index, gaussian_rows(1, 400, 3), Layout::lists);
  Vector query{1, 0, 0};
  store::Search* search = index.start(query);
  std::vector<Found> found;
  for (uint32_t target = 1; !store::search_exhausted(*search); target++) {
    ASSERT_LT(target, 2000u);
    ASSERT_OK(store::advance_search(index.pager, *search, target));
    index.drain(*search, query, &found);
  }
  EXPECT_EQ(sorted(row_numbers(found)), numbers(400));
}

TEST(Search, DeletedRowsNeverComeBack) {
  for (Layout layout : {Layout::growing, Layout::flat, Layout::lists, Layout::mixed}) {
    StoreIndex index(17);
    load(index, clustered_rows(3, 1500, 17, 9), layout);
    std::set<uint64_t> dead;
    std::vector<uint64_t> alive;
    for (uint64_t i = 0; i < 1500; i++) i % 4 == 1 ? (void)dead.insert(i) : alive.push_back(i);
    index.vacuum(dead);
    Vector query = clustered_rows(4, 1, 17, 9)[0];
    EXPECT_EQ(sorted(row_numbers(index.search(query))), alive);
    EXPECT_EQ(index.pass(store::RowPass::ranked), alive);
    // Everything dead.
    auto all = numbers(1500);
    index.vacuum({all.begin(), all.end()});
    EXPECT_TRUE(index.search(query).empty());
    EXPECT_TRUE(index.pass(store::RowPass::ranked).empty());
  }
}

TEST(Search, DuplicatesAreAllGiven) {
  for (Layout layout : {Layout::growing, Layout::flat, Layout::lists, Layout::mixed}) {
    StoreIndex index(17);
    auto rows = gaussian_rows(1, 8, 17);
    std::vector<Vector> copies;
    for (int i = 0; i < 900; i++) copies.push_back(rows[size_t(i) % 8]);
    load(index, copies, layout);
    expect_in_order(index.search(rows[3], SIZE_MAX, {}, exhaust), index.brute_force(rows[3]));
  }
}

TEST(Search, ConstantDataAndConstantZero) {
  for (float value : {0.0f, 3.5f, -1e-30f, 1e15f}) {
    for (Layout layout : {Layout::growing, Layout::flat, Layout::lists, Layout::mixed}) {
      StoreIndex index(17);
      load(index, std::vector<Vector>(900, Vector(17, value)), layout);
      EXPECT_OK(index.check_status());
      EXPECT_EQ(sorted(row_numbers(index.search(Vector(17, value)))), numbers(900)) << value;
      EXPECT_EQ(sorted(row_numbers(index.search(Vector(17, 1.0f)))), numbers(900)) << value;
    }
  }
}

// Magnitudes whose squares leave the floats: the order may suffer, rows may not.
TEST(Search, ExtremeMagnitudesLoseNoRow) {
  for (double scale : {1e-38, 1e-30, 1e-20, 1e15, 1e19, 1e25, 1e30, 3e37}) {
    for (Metric metric : {Metric::l2, Metric::inner_product}) {
      for (Layout layout : {Layout::growing, Layout::flat, Layout::lists, Layout::mixed}) {
        StoreIndex index(17, metric);
        auto rows = gaussian_rows(1, 900, 17, scale);
        for (Vector& row : rows)
          for (float& x : row) x = std::min(std::max(x, -3e38f), 3e38f);
        load(index, rows, layout);
        for (Vector const& query : {rows[5], Vector(17, 1.0f), Vector(17, 3e38f)})
          EXPECT_EQ(sorted(row_numbers(index.search(query))), numbers(900)) << scale << " layout " << int(layout);
      }
    }
  }
}

// A few rows far out give a frame that does not fit the rest.
TEST(Search, OutliersDoNotHideTheRest) {
  StoreIndex index(17);
  auto rows = gaussian_rows(1, 1200, 17);
  for (size_t i = 0; i < rows.size(); i += 100)
    for (float& x : rows[i]) x *= 1e20f;
  load(index, rows, Layout::mixed);
  EXPECT_EQ(sorted(row_numbers(index.search(rows[1]))), numbers(1200));
}

TEST(Search, PassesGiveEveryRowOfTheirKind) {
  for (bool sealed : {false, true}) {
    StoreIndex index(5, Metric::cosine);
    std::vector<uint64_t> ranked, zero, null;
    for (uint32_t i = 0; i < 600; i++) {
      if (i % 5 == 0)
        null.push_back(index.insert({}, format::row_is_null, i % 3));
      else if (i % 5 == 1)
        zero.push_back(index.insert({}, format::row_is_zero, i % 3));
      else
        ranked.push_back(index.insert({1, float(i), 3, 4, 5}, 0, i % 3));
    }
    if (sealed) index.train(5), index.flush();
    EXPECT_EQ(index.pass(store::RowPass::ranked), ranked);
    EXPECT_EQ(index.pass(store::RowPass::zero), zero);
    EXPECT_EQ(index.pass(store::RowPass::null), null);
    EXPECT_EQ(sorted(row_numbers(index.search(index.vectors[2]))), ranked);
    index.vacuum({0, 1, 2});
    EXPECT_EQ(index.pass(store::RowPass::ranked).size(), ranked.size() - 1);
    EXPECT_EQ(index.pass(store::RowPass::zero).size(), zero.size() - 1);
    EXPECT_EQ(index.pass(store::RowPass::null).size(), null.size() - 1);
  }
}

TEST(Search, OnlyRowsWithoutVectors) {
  for (bool sealed : {false, true}) {
    StoreIndex index(5);
    for (uint32_t i = 0; i < 300; i++) index.insert({}, format::row_is_null);
    if (sealed) index.flush();
    EXPECT_OK(index.check_status());
    EXPECT_TRUE(index.search(Vector(5, 1.0f)).empty());
    EXPECT_EQ(index.pass(store::RowPass::null), numbers(300));
  }
}

// A search reads what there was when it began.
TEST(Search, RowsInsertedAfterwardsAreNotSeen) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 300, 3));
  Vector query{0, 0, 0};
  store::Search* search = index.start(query);
  index.insert_all(gaussian_rows(2, 300, 3));
  ASSERT_OK(store::advance_search(index.pager, *search, 2000));
  std::vector<Found> found;
  index.drain(*search, query, &found);
  EXPECT_EQ(sorted(row_numbers(found)), numbers(300));
}

// The default promises 0.95: data with clusters, lists, no tuning.
TEST(Recall, DefaultsReachTheirTarget) {
  uint32_t const dim = 32, count = 30000, k = 10;
  StoreIndex index(dim);
  index.insert_all(clustered_rows(1, count, dim, 200));
  index.train(uint32_t(4 * std::sqrt(double(count))), 27000);
  index.flush();
  ASSERT_GT(index.object(index.objects(ObjectKind::segment)[0]).disk.list_count, 400u);
  index.free_memory();
  double hits = 0;
  int const queries = 60;
  auto wanted = clustered_rows(1, count + queries, dim, 200);  // the same clusters, further rows
  for (int i = 0; i < queries; i++) {
    Vector const& query = wanted[count + size_t(i)];
    auto truth = index.brute_force(query);
    std::set<uint64_t> nearest;
    for (uint32_t j = 0; j < k; j++) nearest.insert(truth[j].row);
    for (Found const& found : index.search(query, k)) hits += double(nearest.count(found.row));
    index.free_memory();
  }
  EXPECT_GE(hits / (queries * k), 0.95);
}

// Calibration takes all lists, a search a few: the rule that one trains for the other holds only if both see the same.
TEST(Recall, NearListsComeInOneOrderHoweverManyAreWanted) {
  uint32_t const dim = 16, list_count = 1500;
  StoreIndex index(dim);
  index.insert_all(clustered_rows(1, 6000, dim, 300));
  index.train(list_count, 6000);
  index.flush();
  for (Vector const& query : gaussian_rows(9, 5, dim)) {
    store::Search* all = index.start(query);
    ASSERT_GT(all->order.count, 1400u);
    EXPECT_OK(store::detail::order_lists(index.pager, *all, all->order.count));
    EXPECT_EQ(all->order_sorted, all->order.count);
    store::Search* few = index.start(query);
    EXPECT_OK(store::detail::order_lists(index.pager, *few, 40));
    EXPECT_LT(few->order_sorted, few->order.count);
    for (uint32_t i = 0; i < 12; i++) {  // farther on, codes of centroids may hide a list from the search of few
      EXPECT_EQ(all->order[i].list, few->order[i].list) << i;
      EXPECT_EQ(all->order[i].key, few->order[i].key) << i;
    }
    index.free_memory();
  }
}

// Of two lists whose centroids are equally far, the one whose rows scatter holds the nearest of them.
TEST(Recall, ListsOfScatteredRowsComeEarlier) {
  uint32_t const dim = 16;
  StoreIndex index(dim);
  Random random(5);
  for (uint32_t row = 0; row < 3000; row++) {
    bool const scattered = row % 2;
    Vector vector(dim);
    for (float& x : vector) x = (scattered ? 3.0f : 0.1f) * float(random.unit() + random.unit() - 1);
    vector[0] += scattered ? -8.0f : 8.0f;
    index.insert(vector);
  }
  ASSERT_EQ(index.train(2).list_count, 2u);
  index.flush();
  store::SearchOptions options;
  options.probes = 1;
  Vector const query(dim);
  std::vector<Found> const found = index.search(query, 1, options);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].row, index.brute_force(query)[0].row);
}

TEST(Recall, ProbingEveryListIsExact) {
  uint32_t const dim = 32, count = 6000;
  StoreIndex index(dim);
  index.insert_all(clustered_rows(1, count, dim, 50));
  index.train(80);
  index.flush();
  store::SearchOptions options;
  options.probes = 80;
  options.recall_target = 0.999;
  for (Vector const& query : gaussian_rows(9, 10, dim)) {
    auto truth = index.brute_force(query);
    truth.resize(10);
    expect_in_order(index.search(query, 10, options), truth);
  }
}

// The simulated clock ticks when it is read: a stage that was entered has spent something.
TEST(StageClock, RunsOnDemandAndOnlyWithinCalls) {
  uint32_t const dim = 16;
  StoreIndex index(dim);
  index.insert_all(clustered_rows(1, 4000, dim, 20));
  index.train(40);
  index.flush();
  Vector const query = gaussian_rows(3, 1, dim)[0];
  store::Search* search = index.start(query);
  EXPECT_OK(store::advance_search(index.pager, *search, 20));
  EXPECT_EQ(index.pager.clock_reads, 0u);

  store::SearchOptions options;
  options.timed = true;
  search = index.start(query, options);
  auto const spent = [&](store::SearchStage stage) { return search->clock.spent_ns[uint32_t(stage)]; };
  EXPECT_EQ(search->clock.stage, store::SearchStage::elsewhere);
  EXPECT_GT(spent(store::SearchStage::open), 0u);
  EXPECT_EQ(spent(store::SearchStage::refine), 0u);
  EXPECT_OK(store::advance_search(index.pager, *search, 20));
  EXPECT_EQ(search->clock.stage, store::SearchStage::elsewhere);
  for (store::SearchStage stage : {store::SearchStage::rank, store::SearchStage::scan, store::SearchStage::refine})
    EXPECT_GT(spent(stage), 0u) << uint32_t(stage);
  EXPECT_EQ(spent(store::SearchStage::heap), 0u);  // the caller's
}

// Copies follow their rows through everything that moves them: seal, training with another frame, merge.
struct CopyCase {
  uint32_t dim;
  store::CopyPlan copies;
};
constexpr store::CopyPlan whole_copies{sizeof(float), format::CopyKind::whole};

class Copies : public ::testing::TestWithParam<CopyCase> {};

TEST_P(Copies, FollowTheirRows) {
  auto const [dim, copies] = GetParam();
  StoreIndex index(dim, Metric::l2, 7, {}, copies);
  std::vector<Vector> rows = clustered_rows(3, dim > 1000 ? 60 : 900, dim, 6);
  for (Vector& row : rows)
    for (float& x : row) x += 40;  // far from the first frame of the index
  auto expect_copies = [&](char const* when) {
    store::Search* search = index.start(rows[0]);
    EXPECT_OK(store::advance_search(index.pager, *search, exhaust));
    std::vector<std::byte> copy(search->shape.copy_size);
    store::Candidate candidate;
    size_t count = 0;
    for (; store::next_candidate(*search, &candidate); count++) {
      Tid tid{};
      ASSERT_OK(store::tid_of(index.pager, *search, candidate.source, candidate.row, &tid));
      ASSERT_OK(store::copy_of(index.pager, *search, candidate.source, candidate.row, copy.data()));
      ASSERT_EQ(copy, index.copy_of(row_of_tid(tid))) << when << ", row " << row_of_tid(tid);
    }
    EXPECT_EQ(count, index.vectors.size()) << when;
    EXPECT_OK(index.check_status());
  };
  size_t const third = rows.size() / 3;
  for (size_t i = 0; i < third; i++) index.insert(rows[i]);
  expect_copies("growing");
  index.flush();
  expect_copies("flat");
  for (size_t i = third; i < 2 * third; i++) index.insert(rows[i]);
  index.train(5);
  index.flush();
  for (size_t i = 2 * third; i < rows.size(); i++) index.insert(rows[i]);
  index.flush();
  expect_copies("lists");
  index.rewrite(index.objects(ObjectKind::segment));
  expect_copies("merged");
}
INSTANTIATE_TEST_SUITE_P(Shapes, Copies,
                         ::testing::Values(CopyCase{3, whole_copies}, CopyCase{100, whole_copies},
                                           CopyCase{1700, whole_copies}, CopyCase{3, store::rounded_copies},
                                           CopyCase{100, store::rounded_copies}, CopyCase{1700, store::rounded_copies},
                                           CopyCase{4500, store::rounded_copies}));

// Rows of a small segment are looked at when the nearest list has said how far the search goes: few of them lie there.
TEST(Search, ASmallSegmentCostsFewEvaluations) {
  StoreIndex index(16);
  auto const rows = clustered_rows(4, 25000, 16, 200);
  index.insert_all({rows.begin(), rows.begin() + 24600});
  index.train(640);
  index.flush();
  auto evaluated = [&] {
    uint64_t count = 0;
    for (size_t i = 24900; i < 25000; i++) {
      index.search(rows[i], 10);
      count += index.last_counters.refined_count;
    }
    return count;
  };
  uint64_t const before = evaluated();
  index.insert_all({rows.begin() + 24600, rows.begin() + 24900});
  index.flush();
  EXPECT_EQ(index.object(index.objects(ObjectKind::segment).back()).disk.epoch, 0u) << "it has no lists";
  EXPECT_LT(evaluated(), before + 100 * 12);
}

}  // namespace
}  // namespace strata::testing
