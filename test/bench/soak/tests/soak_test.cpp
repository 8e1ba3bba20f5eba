#include <gtest/gtest.h>

#include <cmath>

#include "soak/drift.hpp"
#include "soak/population.hpp"
#include "soak/soak.hpp"
#include "soak/stage.hpp"

namespace strata::bench {
namespace {

TEST(Soak, PopulationKeepsWhatIsLive) {
  Population population(2, 2);
  for (int64_t id = 0; id < 100; ++id) {
    float const row[2] = {float(id), 1};
    population.put(id, row, 0);
  }
  for (int64_t id = 0; id < 100; id += 3) population.remove(id);
  float const changed[2] = {-5, 2};
  population.put(50, changed, 0.5);
  EXPECT_EQ(population.count(), 66U);
  for (int64_t id = 0; id < 100; ++id) {
    int64_t const slot = population.slot_of(id);
    ASSERT_EQ(slot >= 0, id % 3 != 0) << id;
    if (slot < 0) continue;
    EXPECT_EQ(population.rows().row(uint64_t(slot))[0], id == 50 ? -5.0F : float(id));
    EXPECT_EQ(population.place(uint64_t(slot)), id == 50 ? 0.5 : 0.0);
  }
  EXPECT_THROW(population.remove(0), std::exception);
}

TEST(Soak, ClockStandsStillBetweenTurns) {
  TurnClock clock;
  clock.restart();
  clock.stop();
  double const stopped = clock.seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(clock.seconds(), stopped);
  clock.go_on();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GE(clock.seconds(), stopped + 0.005);
}

TEST(Soak, TurnsShareTheTime) {
  char name[] = "churn", slice[] = "--slice=5", minutes[] = "--minutes=30";
  char* arguments[] = {name, slice, minutes};
  SoakOptions options = parse_soak_options(3, arguments);
  options.rows = 1000;
  options.dim = 2;
  EXPECT_EQ(Stage(options, "", "").churn_seconds(), 600);
  options.slice_seconds = 0;
  EXPECT_EQ(Stage(options, "", "").churn_seconds(), 1800);
}

// Rows of place 1 lie farther from the mean of place 0 than rows of place 0 do.
TEST(Soak, DistributionMoves) {
  constexpr uint32_t dim = 16, count = 500;
  DriftingSource const source(10000, dim, 3);
  Generator random(5);
  std::vector<double> mean(dim);
  std::vector<float> row(dim);
  auto distance = [&] {
    double sum = 0;
    for (uint32_t i = 0; i < dim; ++i) sum += (row[i] - mean[i]) * (row[i] - mean[i]);
    return std::sqrt(sum);
  };
  for (uint32_t n = 0; n < count; ++n) {
    source.draw(0, random, row.data());
    for (uint32_t i = 0; i < dim; ++i) mean[i] += row[i] / count;
  }
  double near = 0, far = 0;
  for (uint32_t n = 0; n < count; ++n) {
    source.draw(0, random, row.data());
    near += distance();
    source.draw(1, random, row.data());
    far += distance();
  }
  EXPECT_GT(far, near * 1.2);
}

TEST(Soak, OptionsAreChecked) {
  auto parse = [](std::vector<std::string> words) {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    return parse_soak_options(int(pointers.size()), pointers.data());
  };
  SoakOptions const options = parse({"churn", "--rows", "5000", "--engines=strata,pgvector-hnsw", "--minutes", "0.5"});
  EXPECT_EQ(options.rows, 5000U);
  EXPECT_EQ(options.engines, (std::vector<std::string>{"strata", "pgvector-hnsw"}));
  EXPECT_EQ(options.minutes, 0.5);
  EXPECT_THROW(parse({"churn", "--rows", "many"}), std::exception);
  EXPECT_THROW(parse({"churn", "--rows"}), std::exception);
  EXPECT_THROW(parse({"churn", "--engines", "other"}), std::exception);
  EXPECT_THROW(parse({"churn", "--speed", "1"}), std::exception);
}

TEST(Soak, UnknownFiguresAreDashes) {
  SoakSample sample;
  sample.rows = 100;
  sample.recall = 0.951;
  sample.index_bytes = 100 * 8 * 4;
  std::string const line = sample_line(sample, 8);
  EXPECT_NE(line.find("0.951"), std::string::npos);
  EXPECT_NE(line.find("1.00"), std::string::npos);  // index over raw
  EXPECT_NE(line.find(" - "), std::string::npos);
  EXPECT_EQ(line.size(), sample_header().size());
}

}  // namespace
}  // namespace strata::bench
