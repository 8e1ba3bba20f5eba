#include "macro/report.hpp"

#include <cmath>

#include "macro/frontier.hpp"
#include "macro/tests/test_support.hpp"
#include "macro/text_table.hpp"

namespace strata::bench {
namespace {

TEST(Frontier, InterpolatesBetweenTheEnclosingPoints) {
  std::vector<Sample> const samples = {{0.99, 100}, {0.90, 1000}, {0.80, 3000}};
  EXPECT_NEAR(*rate_at_recall(samples, 0.90), 1000, 1e-6);
  EXPECT_NEAR(*rate_at_recall(samples, 0.99), 100, 1e-6);
  // -log(1 - recall) is halfway at 1 - sqrt(0.1 * 0.01), where the rate is the geometric mean.
  EXPECT_NEAR(*rate_at_recall(samples, 1 - std::sqrt(0.001)), std::sqrt(100.0 * 1000.0), 1.0);
}

TEST(Frontier, UsesTheUpperEnvelope) {
  EXPECT_NEAR(*rate_at_recall({{0.99, 100}, {0.95, 50}, {0.90, 1000}}, 0.95),
              *rate_at_recall({{0.99, 100}, {0.90, 1000}}, 0.95), 1e-9);
  EXPECT_EQ(*rate_at_recall({{0.99, 500}, {0.90, 400}}, 0.90), 500);
}

TEST(Frontier, EndsOfTheMeasuredRange) {
  EXPECT_FALSE(rate_at_recall({{0.94, 100}}, 0.95));
  EXPECT_FALSE(rate_at_recall({}, 0.5));
  EXPECT_EQ(*rate_at_recall({{0.97, 100}, {0.99, 50}}, 0.90), 100);  // nothing below was measured: no extrapolation
  EXPECT_EQ(*rate_at_recall({{1.0, 100}}, 0.99), 100);
}

TEST(Percentile, NearestRank) {
  std::vector<uint64_t> values;
  for (uint64_t i = 100; i > 0; --i) values.push_back(i);
  EXPECT_EQ(percentile(values, 0.50), 50);
  EXPECT_EQ(percentile(values, 0.99), 99);
  EXPECT_EQ(percentile(values, 1.0), 100);
  std::vector<uint64_t> one = {7}, none;
  EXPECT_EQ(percentile(one, 0.5), 7);
  EXPECT_EQ(percentile(none, 0.5), 0);
}

TEST(Numbers, Formats) {
  EXPECT_EQ(format_short(1234.5), "1234");
  EXPECT_EQ(format_short(12.34), "12.3");
  EXPECT_EQ(format_short(0.01234), "0.0123");
  EXPECT_EQ(format_short(-1), "-");
  EXPECT_EQ(format_short(std::nan("")), "-");
}

EngineResult engine(std::string const& name, double rate) {
  EngineResult result;
  result.name = name;
  result.raw_bytes = 100;
  result.index_bytes = 50;
  result.build_seconds = 2;
  SearchPoint point;
  point.setting = {{"s.x", "1"}};
  point.k = 10;
  point.clients = 1;
  point.recall.mean = 0.96;
  point.speed.queries_per_second = rate;
  result.points.push_back(point);
  return result;
}

TEST(Report, RatiosAreInFavourOfTheFirst) {
  std::string const text = ratio_tables({engine("strata", 800), engine("other", 100)});
  EXPECT_PRED2(contains, text, "8.00");
  EXPECT_EQ(ratio_tables({engine("strata", 800)}), "");
}

TEST(Report, SkippedEnginesSayWhy) {
  EngineResult result;
  result.name = "strata";
  result.skipped = "the extension is not installed";
  EXPECT_PRED2(contains, engine_tables(result), "not measured: the extension is not installed");
}

TEST(Report, AFailureKeepsWhatWasMeasured) {
  EngineResult result = engine("strata", 5);
  result.definition = "CREATE INDEX";
  result.failure = "out of memory";
  EXPECT_PRED2(contains, engine_tables(result), "FAILED: out of memory");
  EXPECT_PRED2(contains, engine_tables(result), "s.x=1");
}

TEST(Report, FiltersAreComparedWithTheSameFilter) {
  EngineResult ours = engine("strata", 800), other = engine("other", 100);
  ours.points.push_back(ours.points[0]);
  ours.points[1].share = 0.01;
  std::string const before = ratio_tables({ours, other});
  EXPECT_FALSE(contains(before, "1.00 %"));
  other.points.push_back(other.points[0]);
  other.points[1].share = 0.01;
  EXPECT_PRED2(contains, ratio_tables({ours, other}), "1.00 %");
}

TEST(Report, SearchesAfterARestartSayWhatTheyRead) {
  EngineResult result = engine("strata", 5);
  result.definition = "CREATE INDEX";
  EXPECT_FALSE(contains(engine_tables(result), "after a restart"));
  RestartResult point;
  point.how = "cold";
  point.k = 10;
  point.index_blocks = 12.5;
  result.restarts.push_back(point);
  EXPECT_PRED2(contains, engine_tables(result), "after a restart");
  EXPECT_PRED2(contains, engine_tables(result), "12.5");
  EXPECT_PRED2(contains, json_report({}, {result}), R"("how": "cold", "k": 10)");
  EXPECT_PRED2(contains, json_report({}, {result}), R"("index_blocks_read_per_query": 12.5)");
}

TEST(Report, JsonEscapesAndMarksUnknowns) {
  EngineResult result = engine("a\"b\\c\nd", 5);
  std::string const json = json_report({{"command", "x \"y\""}}, {result});
  EXPECT_PRED2(contains, json, R"("a\"b\\c\u000ad")");
  EXPECT_PRED2(contains, json, R"("command": "x \"y\"")");
  EXPECT_PRED2(contains, json, R"("cpu_us_per_query": null)");
  EXPECT_PRED2(contains, csv_report({result}), ",s.x=1,10,1,1,0.96000");
}

}  // namespace
}  // namespace strata::bench
