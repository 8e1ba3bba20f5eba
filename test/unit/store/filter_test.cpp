// Filtered searches against a look at every row.
#include <cmath>

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using format::ColumnDisk;
using format::ColumnKind;
using segment::Condition;
using segment::Filter;

std::vector<ColumnDisk> const three_columns = {
    {ColumnKind::fixed, 2, 0, 0}, {ColumnKind::fixed, 4, 0, 0}, {ColumnKind::hash, 8, 0, 0}};

bool passes(StoreIndex& index, uint64_t row, Filter const& filter) {
  for (uint32_t i = 0; i < filter.count; i++) {
    Condition const& condition = filter.conditions[i];
    bool holds;
    if (condition.column == segment::vector_hash) {
      holds = segment::passes(condition, row, false);
    } else {
      auto const one = index.stored_key(row, condition.column);
      holds = segment::passes(condition, one.key, one.is_null);
    }
    if (!holds) return false;
  }
  return true;
}

// Random conditions, with their keys.
struct RandomFilter {
  std::vector<std::vector<uint64_t>> keys;
  std::vector<Condition> conditions;
  Filter filter() const { return {conditions.data(), uint32_t(conditions.size())}; }

  RandomFilter(StoreIndex& index, Random& random) {
    uint32_t const count = 1 + uint32_t(random.below(3));
    for (uint32_t i = 0; i < count; i++) {
      Condition condition{};
      uint64_t const row = random.below(index.vectors.size());
      condition.column = uint16_t(random.below(3));
      uint64_t const key = index.stored_key(row, condition.column).key;
      switch (random.below(8)) {
        case 0:
          condition.test = segment::Test::null;
          break;
        case 1:
          condition.test = segment::Test::not_null;
          break;
        case 2:
          condition.test = random.below(8) ? segment::Test::range : segment::Test::never;
          condition.low = key;
          condition.high = UINT64_MAX;
          break;
        case 3: {
          keys.push_back({});
          for (uint64_t n = random.below(100) + 1; n > 0; n--)
            keys.back().push_back(index.stored_key(random.below(index.vectors.size()), condition.column).key);
          std::sort(keys.back().begin(), keys.back().end());
          keys.back().erase(std::unique(keys.back().begin(), keys.back().end()), keys.back().end());
          condition.test = segment::Test::any_of;
          break;
        }
        case 4:
          condition.column = segment::vector_hash;
          condition.test = segment::Test::range;
          condition.low = condition.high = random.below(4) ? row : row + 1000000;
          break;
        case 5:
          condition.test = segment::Test::range;
          condition.low = key;
          condition.high = key + random.below(300);
          break;
        default:
          condition.test = segment::Test::range;
          condition.low = condition.high = key;
      }
      conditions.push_back(condition);
    }
    size_t at = 0;
    for (Condition& condition : conditions) {
      if (condition.test != segment::Test::any_of) continue;
      condition.keys = keys[at].data();
      condition.key_count = uint32_t(keys[at++].size());
    }
  }
};

std::vector<uint64_t> expected_rows(StoreIndex& index, Filter const& filter, std::set<uint64_t> const& dead) {
  std::vector<uint64_t> rows;
  for (uint64_t row = 0; row < index.vectors.size(); row++)
    if (!dead.count(row) && passes(index, row, filter)) rows.push_back(row);
  return rows;
}

// Every row that passes is found, and no other: ordered, and by the passes that have no order.
void compare_with_model(StoreIndex& index, std::set<uint64_t> const& dead, uint64_t seed, int rounds) {
  Random random(seed);
  for (int round = 0; round < rounds; round++) {
    RandomFilter const conditions(index, random);
    Filter const filter = conditions.filter();
    std::vector<uint64_t> const wanted = expected_rows(index, filter, dead);
    store::SearchOptions options;
    options.filter = &filter;
    std::vector<uint64_t> walked;
    for (store::RowPass kind : {store::RowPass::ranked, store::RowPass::zero, store::RowPass::null}) {
      std::vector<uint64_t> const part = index.pass(kind, options);
      walked.insert(walked.end(), part.begin(), part.end());
    }
    std::sort(walked.begin(), walked.end());
    ASSERT_EQ(walked, wanted) << "round " << round;
    Vector const query = gaussian_rows(seed + uint64_t(round), 1, index.dim)[0];
    std::vector<uint64_t> ordered;
    for (Found const& found : index.search(query, SIZE_MAX, options)) ordered.push_back(found.row);
    std::vector<uint64_t> ranked;
    for (uint64_t row : wanted)
      if (!index.vectors[row].empty()) ranked.push_back(row);
    std::sort(ordered.begin(), ordered.end());
    ASSERT_EQ(ordered, ranked) << "round " << round;
    index.free_memory();
  }
}

TEST(Filter, FindsWhatALookAtEveryRowFinds) {
  StoreIndex index(6, Metric::l2, 7, three_columns);
  std::set<uint64_t> dead;
  index.insert_all(gaussian_rows(1, 700, 6), 2);
  compare_with_model(index, dead, 11, 12);  // growing
  index.flush();
  compare_with_model(index, dead, 12, 12);  // one flat segment
  index.train(12);
  index.rewrite(index.objects(ObjectKind::segment));
  index.insert_all(gaussian_rows(2, 600, 6));
  index.insert({}, format::row_is_null);
  index.flush();
  index.insert_all(gaussian_rows(3, 200, 6));
  compare_with_model(index, dead, 13, 25);  // lists, and growing rows
  for (uint64_t row = 0; row < 1400; row += 3) dead.insert(row);
  index.vacuum(dead);
  compare_with_model(index, dead, 14, 25);
  index.flush();
  index.train(5);
  index.rewrite(index.objects(ObjectKind::segment));
  compare_with_model(index, dead, 15, 25);  // merged, under another codebook
  index.check();
}

// Columns of the rows of a larger index: 0 is `row % 997` hashed, 1 says in which tenth of a line the vector lies.
class FilterRecall : public ::testing::Test {
 protected:
  static constexpr uint32_t row_count = 24000, dim = 16;
  static StoreIndex& index() {
    static StoreIndex* made = [] {
      auto* fresh = new StoreIndex(dim, Metric::l2, 7, three_columns);
      std::vector<Vector> const rows = clustered_rows(5, row_count, dim, 300);
      fresh->column_key = [rows](uint64_t row, uint32_t column) {
        if (column == 0) return StoreIndex::ColumnKey{mix64(row) % 1000, false};
        if (column == 2) return StoreIndex::ColumnKey{mix64(row), false};
        double const place = std::erfc(-rows[row][0] / std::sqrt(2.2)) / 2;
        return StoreIndex::ColumnKey{uint64_t(place * 10000), false};
      };
      fresh->insert_all(rows);
      fresh->train(400, 12000);
      fresh->flush();
      fresh->locked([&] {
        store::CalibrateResult result;
        EXPECT_OK(store::calibrate(fresh->pager, 1u << 24, &result));
      });
      fresh->free_memory();
      return fresh;
    }();
    return *made;
  }

  struct Outcome {
    double recall;
    double codes, refined;
    store::SearchCounters counters;
  };
  // Mean over queries at k = 10 rows; every search must return k rows when so many pass.
  static Outcome measure(std::vector<Condition> const& conditions, uint64_t seed) {
    Filter const filter{conditions.data(), uint32_t(conditions.size())};
    store::SearchOptions options;
    options.filter = &filter;
    Outcome outcome{};
    std::vector<uint64_t> const rows = expected_rows(index(), filter, {});
    constexpr uint32_t k = 10, queries = 60;
    std::vector<Vector> const vectors = clustered_rows(5, row_count + queries, dim, 300);
    for (uint32_t query = 0; query < queries; query++) {
      Vector const& vector = vectors[row_count + query];
      std::vector<Found> truth;
      for (uint64_t row : rows) truth.push_back({row, index().exact_score(vector, row), 0});
      std::sort(truth.begin(), truth.end(), [](Found const& a, Found const& b) { return a.score < b.score; });
      size_t const wanted = std::min<size_t>(k, truth.size());
      std::vector<Found> const found = index().search(vector, k, options, k + store::search_margin);
      EXPECT_EQ(found.size(), wanted);
      for (size_t i = 0; i < wanted && i < found.size(); i++)
        outcome.recall += (found[i].score <= truth[wanted - 1].score * (1 + 1e-6)) / double(wanted) / queries;
      outcome.counters = index().last_counters;
      outcome.codes += double(outcome.counters.code_count) / queries;
      outcome.refined += double(outcome.counters.refined_count) / queries;
      index().free_memory();
    }
    (void)seed;
    return outcome;
  }
};

TEST_F(FilterRecall, RandomAndCorrelated) {
  struct Case {
    char const* name;
    std::vector<Condition> conditions;
    double codes_max;  // of 24,000
  };
  auto range = [](uint16_t column, uint64_t low, uint64_t high) {
    return Condition{column, segment::Test::range, low, high, nullptr, 0};
  };
  std::vector<Case> const cases = {
      {"all", {range(0, 0, 999)}, 4000},
      {"random 50 %", {range(0, 0, 499)}, 13000},
      {"random 10 %", {range(0, 300, 399)}, 2600},
      {"random 1 %", {range(0, 500, 509)}, 100},
      {"random 0.1 %", {range(0, 77, 77)}, 100},
      {"correlated 50 %", {range(1, 5000, 9999)}, 12000},
      {"correlated 10 %", {range(1, 9000, 9999)}, 16000},
      {"correlated 1 %", {range(1, 0, 99)}, 100},
      {"both 5 %", {range(1, 0, 4999), range(0, 0, 99)}, 16000},
  };
  for (Case const& one : cases) {
    Outcome const outcome = measure(one.conditions, 1);
    RecordProperty(one.name, int(outcome.recall * 1000));
    if (std::getenv("STRATA_SHOW"))
      std::printf("%-16s recall %.3f, %6.0f codes, %4.0f refined, %u lists skipped\n", one.name, outcome.recall,
                  outcome.codes, outcome.refined, outcome.counters.skipped_list_count);
    EXPECT_GE(outcome.recall, 0.93) << one.name;
    EXPECT_LE(outcome.codes, one.codes_max) << one.name;
  }
}

// The rows of one key of the first column lie together in codes of their own, whatever else is asked of them.
TEST_F(FilterRecall, OneKeyIsScannedByTheCodesOfItsColumn) {
  Condition const many{0, segment::Test::range, 300, 399, nullptr, 0};
  Outcome const outcome = measure({many}, 4);
  uint64_t const passing = expected_rows(index(), {&many, 1}, {}).size();
  EXPECT_EQ(outcome.counters.gather_count, 1u);
  EXPECT_EQ(outcome.counters.list_count, 0u);
  EXPECT_GE(outcome.counters.code_count, passing);
  EXPECT_LE(outcome.counters.code_count, passing + 4 * quant::block_rows);
  EXPECT_LT(outcome.counters.refined_count, passing / 4);
  EXPECT_GE(outcome.recall, 0.98);
  // So few that they are all evaluated.
  Condition const few_keys{0, segment::Test::range, 77, 78, nullptr, 0};
  Outcome const few = measure({few_keys}, 5);
  EXPECT_EQ(few.counters.code_count, 0u);
  EXPECT_EQ(few.counters.refined_count, expected_rows(index(), {&few_keys, 1}, {}).size());
  EXPECT_NEAR(few.recall, 1.0, 1e-9);
  // Of another column fewer rows pass by far: they are evaluated one by one.
  Outcome const second = measure({{1, segment::Test::range, 0, 9, nullptr, 0}, many}, 6);
  EXPECT_EQ(second.counters.gather_count, 1u);
  EXPECT_EQ(second.counters.code_count, 0u);
}

TEST_F(FilterRecall, SkipsWhatCannotMatch) {
  Condition const absent{2, segment::Test::range, 12345, 12345, nullptr, 0};
  Outcome const outcome = measure({absent}, 2);
  EXPECT_EQ(outcome.counters.skipped_segment_count, 1u);
  EXPECT_EQ(outcome.counters.bloom_test_count, 1u);
  EXPECT_EQ(outcome.counters.bloom_skip_count + outcome.counters.bloom_false_count, 1u);
  EXPECT_EQ(outcome.counters.code_count, 0u);
  Condition const outside{0, segment::Test::range, 1000, 5000, nullptr, 0};
  Outcome const beyond = measure({outside}, 3);
  EXPECT_EQ(beyond.counters.skipped_segment_count, 1u);
  EXPECT_EQ(beyond.counters.bloom_test_count, 0u);
}

TEST_F(FilterRecall, VectorByItsHash) {
  Condition const one{segment::vector_hash, segment::Test::range, 4711, 4711, nullptr, 0};
  Filter const filter{&one, 1};
  store::SearchOptions options;
  options.filter = &filter;
  EXPECT_EQ(index().pass(store::RowPass::ranked, options), std::vector<uint64_t>{4711});
}

}  // namespace
}  // namespace strata::testing
