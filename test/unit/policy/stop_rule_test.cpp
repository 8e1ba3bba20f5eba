#include "core/policy/stop_rule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "core/base/random.hpp"
#include "core/cluster/kmeans.hpp"
#include "core/policy/stop_train.hpp"

namespace strata::policy {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

float gaussian(Random& random) {
  double sum = 0.0;
  for (int i = 0; i < 12; ++i) sum += random.unit();
  return static_cast<float>(sum - 6.0);
}

float distance2(uint32_t dim, float const* a, float const* b) {
  float sum = 0.0f;
  for (uint32_t d = 0; d < dim; ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

// Clusters of uneven size and spread that overlap, in lists by k-means. Rows and queries come from the same source.
struct World {
  static constexpr uint32_t dim = 16;
  static constexpr uint32_t row_count = 12000;
  static constexpr uint32_t trained_row_count = row_count / 10 * 9;  // the first ones
  static constexpr uint32_t center_count = 150;
  static constexpr uint32_t lists_wanted = 128;

  explicit World(uint64_t seed) : random(seed), centers(center_count * dim), spreads(center_count) {
    for (float& c : centers) c = 1.5f * gaussian(random);
    for (float& s : spreads) s = 0.3f + 1.2f * static_cast<float>(random.unit());
    rows = draw(row_count);
    centroids.resize(lists_wanted * dim);
    cluster::TrainResult result;
    Status status = cluster::train_centroids(cluster::float_rows(dim, rows.data(), trained_row_count),
                                             {.list_count = lists_wanted, .seed = seed}, centroids.data(), result);
    EXPECT_TRUE(status.ok());
    list_count = result.list_count;
    members.resize(list_count);
    residuals.resize(list_count);
    for (uint32_t i = 0; i < row_count; ++i) {
      uint32_t list = 0;
      float best = infinity;
      for (uint32_t j = 0; j < list_count; ++j) {
        float d2 = distance2(dim, row(i), &centroids[j * dim]);
        if (d2 < best) {
          best = d2;
          list = j;
        }
      }
      members[list].push_back(i);
      residuals[list] += best;
    }
    for (uint32_t j = 0; j < list_count; ++j)
      residuals[j] /= static_cast<float>(std::max<size_t>(members[j].size(), 1));
  }

  std::vector<float> draw(uint32_t count) {
    std::vector<float> drawn(count * dim);
    for (uint32_t i = 0; i < count; ++i) {
      uint64_t center = std::min(random.below(center_count), random.below(center_count));
      for (uint32_t d = 0; d < dim; ++d)
        drawn[i * dim + d] = centers[center * dim + d] + spreads[center] * gaussian(random);
    }
    return drawn;
  }

  float const* row(uint32_t i) const { return &rows[i * dim]; }

  Random random;
  std::vector<float> centers, spreads, rows, centroids, residuals;
  std::vector<std::vector<uint32_t>> members;
  uint32_t list_count = 0;
};

// One query's lists in order, with the distances of their rows; `cut` spreads each list over so many segments.
struct Walk {
  Walk(World const& world, float const* query, uint32_t skipped_row, uint32_t cut)
      : weight(1.0f / static_cast<float>(cut)) {
    std::vector<float> list_keys(world.list_count);
    std::vector<uint32_t> order(world.list_count);
    std::iota(order.begin(), order.end(), 0);
    for (uint32_t j = 0; j < world.list_count; ++j) {
      list_keys[j] = distance2(World::dim, query, &world.centroids[j * World::dim]) + world.residuals[j];
    }
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return list_keys[a] < list_keys[b]; });
    for (uint32_t list : order) {
      for (uint32_t part = 0; part < cut; ++part) {
        keys.push_back(list_keys[list]);
        distances.emplace_back();
        for (uint32_t i : world.members[list]) {
          if (i % cut == part && i != skipped_row)
            distances.back().push_back(distance2(World::dim, query, world.row(i)));
        }
      }
    }
  }

  float weight;
  std::vector<float> keys;
  std::vector<std::vector<float>> distances;
};

struct Found {
  double recall;
  double lists;
};

Found search(Walk const& walk, StopPlan const& plan, uint32_t k) {
  std::vector<float> all, best;
  for (auto const& list : walk.distances) all.insert(all.end(), list.begin(), list.end());
  std::nth_element(all.begin(), all.begin() + (k - 1), all.end());
  float limit = all[k - 1];
  StopTracker tracker;
  tracker.start(walk.keys[0]);
  uint32_t found = 0;
  for (size_t i = 0; i < walk.keys.size(); ++i) {
    for (float d : walk.distances[i]) {
      found += d <= limit;
      best.push_back(d);
    }
    std::sort(best.begin(), best.end());
    if (best.size() > k) best.resize(k);
    float tau = best.size() == k ? best[k - 1] : infinity;
    bool last = i + 1 == walk.keys.size();
    bool check = tracker.advance(walk.weight, tau, last ? infinity : walk.keys[i + 1]);
    if ((check || plan.kind == StopPlan::Kind::probes) && should_stop(plan, tracker)) break;
  }
  return {std::min(1.0, static_cast<double>(found) / k), tracker.progress()};
}

struct Mean {
  double recall = 0.0;
  double lists = 0.0;
};

class StopRule : public ::testing::Test {
 protected:
  static constexpr uint32_t sample_count = 500;
  static constexpr uint32_t query_count = 500;

  static void SetUpTestSuite() {
    world_ = new World(5);
    model_ = new StopModelDisk(trained(1));
    queries_ = new std::vector<Walk>;
    std::vector<float> queries = world_->draw(query_count);
    for (uint32_t q = 0; q < query_count; ++q) queries_->emplace_back(*world_, &queries[q * World::dim], UINT32_MAX, 1);
  }
  static void TearDownTestSuite() {
    delete queries_;
    delete model_;
    delete world_;
  }

  // Takes a row through its lists, as far as the trainer wants. Returns how many these are.
  static size_t ask(StopTrainer& trainer, Walk const& walk) {
    size_t i = 0;
    trainer.begin_query();
    for (; i < walk.keys.size() && !trainer.saw_enough(); ++i) {
      trainer.add_list(walk.keys[i], walk.weight, walk.distances[i].data(), walk.distances[i].size());
    }
    trainer.end_query(i < walk.keys.size() ? walk.keys[i] : infinity);
    return i;
  }

  static Walk walk_of_sample(uint32_t q, uint32_t cut) {
    uint32_t row = World::trained_row_count + q * ((World::row_count - World::trained_row_count) / sample_count);
    return Walk(*world_, world_->row(row), row, cut);
  }

  // By rows as queries, as an index does it.
  static StopModelDisk trained(uint32_t cut) {
    std::vector<uint64_t> memory(StopTrainer::memory_size(sample_count, world_->list_count) / 8 + 1);
    StopTrainer trainer(sample_count, world_->list_count, memory.data());
    for (uint32_t q = 0; q < sample_count; ++q) ask(trainer, walk_of_sample(q, cut));
    StopModelDisk model;
    EXPECT_TRUE(trainer.train({}, model).ok());
    return model;
  }

  static Mean run(StopPlan const& plan, uint32_t k) {
    Mean mean;
    for (Walk const& walk : *queries_) {
      Found found = search(walk, plan, k);
      mean.recall += found.recall / query_count;
      mean.lists += found.lists / query_count;
    }
    return mean;
  }

  static World* world_;
  static StopModelDisk* model_;
  static std::vector<Walk>* queries_;
};
World* StopRule::world_;
StopModelDisk* StopRule::model_;
std::vector<Walk>* StopRule::queries_;

// Tolerances are three standard errors of 500 queries on both sides, calibration and test.
double tolerance(uint32_t k, double target) {
  return (k == 1 ? 0.15 : k == 10 ? 0.1 : 0.08) * std::sqrt(1 - target);
}

TEST_F(StopRule, ReachesItsTargetOnQueriesThatAreNotRows) {
  for (uint32_t k : {1U, 10U, 100U}) {
    for (double target : {0.8, 0.9, 0.95, 0.98, 0.99}) {
      Mean mean = run(plan_stop(model_, target, k), k);
      EXPECT_GE(mean.recall, target - tolerance(k, target)) << k << " " << target;
      EXPECT_LE(mean.recall, target + tolerance(k, target)) << k << " " << target;
      EXPECT_NEAR(mean.lists / expected_lists(model_, target, k, world_->list_count), 1.0, 0.35) << k << " " << target;
    }
  }
}

TEST_F(StopRule, FixedProbesReachTheTargetAtAHigherPrice) {
  for (uint32_t k : {1U, 10U, 100U}) {
    double rule_lists = 0.0, fixed_lists = 0.0;
    for (double target : {0.9, 0.95, 0.98, 0.99}) {
      Mean fixed = run(plan_stop_by_probes(model_, target, k), k);
      EXPECT_GE(fixed.recall, target - tolerance(k, target)) << k << " " << target;
      fixed_lists += fixed.lists;
      rule_lists += run(plan_stop(model_, target, k), k).lists;
    }
    EXPECT_LT(rule_lists, 0.8 * fixed_lists) << k;
  }
}

TEST_F(StopRule, KBetweenTheCalibratedOnes) {
  for (uint32_t k : {3U, 30U}) {
    Mean mean = run(plan_stop(model_, 0.95, k), k);
    EXPECT_NEAR(mean.recall, 0.95, 0.03) << k;
  }
  StopPlan plan = plan_stop(model_, 0.95, 30);
  EXPECT_EQ(plan.low, &model_->buckets[1]);
  EXPECT_EQ(plan.high, &model_->buckets[2]);
  EXPECT_NEAR(plan.share, std::log10(3.0), 1e-5);
  for (uint32_t k : {1U, 10U, 100U, 5000U}) EXPECT_EQ(plan_stop(model_, 0.95, k).share, 0.0f);
  EXPECT_EQ(plan_stop(model_, 0.95, 10).low, &model_->buckets[1]);
  EXPECT_EQ(plan_stop(model_, 0.95, 5000).low, &model_->buckets[2]);
}

TEST_F(StopRule, TargetBetweenTheCalibratedOnes) {
  Mean mean = run(plan_stop(model_, 0.965, 10), 10);
  EXPECT_NEAR(mean.recall, 0.965, 0.02);
  float last = -1e30f;
  for (double target = 0.05; target < 0.99995; target += 0.0005) {
    StopPlan plan = plan_stop(model_, target, 10);
    EXPECT_GE(plan.low_threshold, last) << target;
    last = plan.low_threshold;
  }
  EXPECT_GT(run(plan_stop(model_, 0.9999, 10), 10).recall, 0.99);
}

TEST_F(StopRule, HoldsHoweverRowsAreCutIntoSegments) {
  std::vector<float> queries = world_->draw(200);
  Mean whole, cut;
  for (uint32_t q = 0; q < 200; ++q) {
    Found a = search(Walk(*world_, &queries[q * World::dim], UINT32_MAX, 1), plan_stop(model_, 0.95, 10), 10);
    Found b = search(Walk(*world_, &queries[q * World::dim], UINT32_MAX, 5), plan_stop(model_, 0.95, 10), 10);
    whole.recall += a.recall / 200;
    whole.lists += a.lists / 200;
    cut.recall += b.recall / 200;
    cut.lists += b.lists / 200;
  }
  EXPECT_NEAR(cut.recall, whole.recall, 0.015);
  EXPECT_NEAR(cut.lists / whole.lists, 1.0, 0.15);
}

TEST_F(StopRule, TrainingOnSegmentsGivesTheSameModel) {
  StopModelDisk cut = trained(3);
  Mean mean = run(plan_stop(&cut, 0.95, 10), 10);
  EXPECT_NEAR(mean.recall, 0.95, 0.02);
}

// What the nearest `list_count` lists of a walk hold of the k nearest rows.
double found_in(Walk const& walk, size_t list_count, uint32_t k) {
  std::vector<float> all;
  for (auto const& list : walk.distances) all.insert(all.end(), list.begin(), list.end());
  std::nth_element(all.begin(), all.begin() + (k - 1), all.end());
  uint32_t found = 0;
  for (size_t i = 0; i < list_count; ++i) {
    for (float d : walk.distances[i]) found += d <= all[k - 1];
  }
  return std::min(1.0, static_cast<double>(found) / k);
}

TEST_F(StopRule, QueriesThatEndEarlyTeachTheSame) {
  constexpr uint32_t whole_count = 128;
  for (uint32_t cut : {1U, 3U}) {
    std::vector<uint64_t> memory(StopTrainer::memory_size(sample_count, world_->list_count) / 8 + 1);
    StopTrainer trainer(sample_count, world_->list_count, memory.data());
    double expected = 0.0, lists = 0.0, lost[3] = {};
    for (uint32_t q = 0; q < sample_count; ++q) {
      if (q == whole_count) expected = trainer.learn_depth(0.0);
      Walk const walk = walk_of_sample((q * 77) % sample_count, cut);
      size_t const seen = ask(trainer, walk);
      if (q < whole_count) {
        EXPECT_EQ(seen, walk.keys.size());
        continue;
      }
      double const count = sample_count - whole_count;
      lists += static_cast<double>(seen) * walk.weight / count;
      for (uint32_t b = 0; b < 3; ++b) lost[b] += (1.0 - found_in(walk, seen, stop_k_values[b])) / count;
    }
    EXPECT_LT(lists, 0.75 * world_->list_count);
    EXPECT_NEAR(lists / expected, 1.0, 0.25);
    for (double part : lost) EXPECT_LT(part, 0.003);
    StopModelDisk model;
    ASSERT_TRUE(trainer.train({}, model).ok());
    ASSERT_TRUE(check_stop_model(model).ok());
    EXPECT_EQ(model.query_count, sample_count);
    StopModelDisk const all = trained(cut);
    for (uint32_t k : {1U, 10U, 100U}) {
      for (double target : {0.9, 0.95, 0.99}) {
        Mean const early = run(plan_stop(&model, target, k), k), whole = run(plan_stop(&all, target, k), k);
        EXPECT_NEAR(early.recall, whole.recall, 0.01) << k << " " << target;
        EXPECT_NEAR(early.lists / whole.lists, 1.0, 0.15) << k << " " << target;
      }
    }
  }
}

TEST_F(StopRule, QueriesGoDeeperWhereThatIsWanted) {
  std::vector<uint64_t> memory(StopTrainer::memory_size(sample_count, world_->list_count) / 8 + 1);
  StopTrainer trainer(sample_count, world_->list_count, memory.data());
  for (uint32_t q = 0; q < 200; ++q) ask(trainer, walk_of_sample(q, 1));
  double const least = trainer.learn_depth(0.0), most = trainer.learn_depth(1e9);
  EXPECT_GT(most, 1.05 * least);
  EXPECT_NEAR(trainer.learn_depth(0.5 * (least + most)), 0.5 * (least + most), 0.05 * most);
}

TEST_F(StopRule, PredictionsAreCalibrated) {
  // Among moments with about the same prediction, the recall reached is about that.
  StopPlan plan = plan_stop(model_, 0.95, 10);
  double predicted = 0.0, reached = 0.0;
  uint32_t count = 0;
  for (Walk const& walk : *queries_) {
    for (double target : {0.5, 0.8}) {
      Found found = search(walk, plan_stop(model_, target, 10), 10);
      StopTracker tracker;
      tracker.start(walk.keys[0]);
      std::vector<float> best;
      for (size_t i = 0; tracker.progress() < found.lists; ++i) {
        best.insert(best.end(), walk.distances[i].begin(), walk.distances[i].end());
        std::sort(best.begin(), best.end());
        best.resize(std::min<size_t>(best.size(), 10));
        tracker.advance(1, best.size() == 10 ? best[9] : infinity,
                        i + 1 < walk.keys.size() ? walk.keys[i + 1] : infinity);
      }
      predicted += predicted_recall(plan, tracker);
      reached += found.recall;
      ++count;
    }
  }
  EXPECT_NEAR(predicted / count, reached / count, 0.04);
}

TEST_F(StopRule, ModelSurvivesItsBytes) {
  StopModelDisk copy;
  std::memcpy(&copy, model_, sizeof copy);
  EXPECT_TRUE(check_stop_model(copy).ok());
  for (uint32_t value : copy.reserved) EXPECT_EQ(value, 0U);
  for (StopBucketDisk const& bucket : copy.buckets) {
    EXPECT_EQ(bucket.query_count, sample_count);
    for (uint32_t value : bucket.reserved) EXPECT_EQ(value, 0U);
  }
}

TEST_F(StopRule, ForeignOrBrokenModelsAreCorrupt) {
  auto broken = [](auto change) {
    StopModelDisk copy = *model_;
    change(copy);
    return check_stop_model(copy).code;
  };
  float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(broken([](StopModelDisk&) {}), Code::ok);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.magic = 0; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.format_version++; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.model_size--; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.bucket_count = 4; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.k_values[1] = 11; }), Code::corrupt);
  EXPECT_EQ(broken([&](StopModelDisk& m) { m.buckets[2].weights[8] = nan; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.buckets[0].scales[0] = 0; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.buckets[1].probes[3] = -1; }), Code::corrupt);
  EXPECT_EQ(broken([](StopModelDisk& m) { m.buckets[1].thresholds[3] = infinity; }), Code::corrupt);
  EXPECT_EQ(broken([&](StopModelDisk& m) { m.buckets[2] = {}; }), Code::ok);
}

TEST(StopTracker, ChecksAreDenseFirstThenEverySixteenth) {
  StopTracker tracker;
  tracker.start(1.0f);
  std::vector<int> checks;
  for (int i = 1; i <= 100; ++i) {
    if (tracker.advance(1.0f, infinity, 2.0f)) checks.push_back(i);
  }
  for (int i = 0; i < 16; ++i) EXPECT_EQ(checks[i], i + 1);
  EXPECT_EQ(checks.back() > 90, true);
  EXPECT_LT(checks.size(), 60U);
  tracker.start(1.0f);
  int check_count = 0;
  for (int i = 0; i < 30; ++i) check_count += tracker.advance(1.0f / 3, infinity, 2.0f);
  EXPECT_EQ(check_count, 10);  // thirds add up to lists
}

TEST(StopTracker, FeaturesAreThoseOfTheDefinition) {
  StopTracker tracker;
  tracker.start(4.0f);
  float taus[] = {infinity, 9.0f, 9.0f, 8.0f, 8.0f, 8.0f};
  for (int i = 0; i < 6; ++i) tracker.advance(1.0f, taus[i], 5.0f + static_cast<float>(i));
  EXPECT_TRUE(tracker.full());
  float x[stop_feature_count];
  tracker.features(x);
  EXPECT_FLOAT_EQ(x[0], std::log(6.0f));
  EXPECT_FLOAT_EQ(x[1], std::log(1.0f + 2.0f));    // unchanged since the fourth
  EXPECT_FLOAT_EQ(x[2], std::sqrt(10.0f / 8.0f));  // next key over tau
  EXPECT_FLOAT_EQ(x[3], std::sqrt(4.0f / 8.0f));   // first key over tau
  EXPECT_FLOAT_EQ(x[4], std::sqrt(10.0f / 4.0f));  // next key over first key
  EXPECT_FLOAT_EQ(x[5], std::log(1.0f + 1.0f));    // one change at or after list 3
  EXPECT_FLOAT_EQ(x[6], std::log(2.0f) / std::log(7.0f));
  EXPECT_FLOAT_EQ(x[7], x[0] * x[2]);
}

TEST(StopTracker, FeaturesStayFiniteWhateverTheDistances) {
  for (float first : {0.0f, 1e-30f, 1.0f, 1e30f}) {
    for (float tau : {0.0f, 1e-30f, 1.0f, 1e30f}) {
      for (float next : {0.0f, 1.0f, 1e38f, infinity}) {
        StopTracker tracker;
        tracker.start(first);
        for (int i = 0; i < 300; ++i) tracker.advance(0.7f, tau / static_cast<float>(i + 1), next);
        float x[stop_feature_count];
        tracker.features(x);
        for (float v : x) EXPECT_TRUE(std::isfinite(v));
      }
    }
  }
}

TEST(StopTracker, RestartForALargerK) {
  StopTracker tracker;
  tracker.start(1.0f);
  for (int i = 0; i < 10; ++i) tracker.advance(1.0f, 5.0f, 2.0f);
  EXPECT_FLOAT_EQ(tracker.unchanged(), 9.0f);
  tracker.restart_k(infinity);
  EXPECT_FALSE(tracker.full());
  EXPECT_FLOAT_EQ(tracker.unchanged(), 0.0f);
  tracker.advance(1.0f, 7.0f, 2.0f);
  EXPECT_TRUE(tracker.full());
  EXPECT_FLOAT_EQ(tracker.progress(), 11.0f);
}

TEST(StopPlan, WithoutAModelPatienceDecides) {
  float last = 0.0f;
  for (double target : {0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999}) {
    StopPlan plan = plan_stop(nullptr, target, 10);
    EXPECT_EQ(plan.kind, StopPlan::Kind::patience);
    EXPECT_GE(plan.limit, last);
    last = plan.limit;
    EXPECT_EQ(plan_stop_by_probes(nullptr, target, 10).kind, StopPlan::Kind::patience);
  }
  StopPlan plan = plan_stop(nullptr, 0.95, 10);
  EXPECT_FLOAT_EQ(plan.limit, 12.0f);
  StopTracker tracker;
  tracker.start(1.0f);
  for (int i = 0; i < 50; ++i) {
    tracker.advance(1.0f, infinity, 2.0f);
    EXPECT_FALSE(should_stop(plan, tracker));  // fewer than k rows yet
  }
  tracker.advance(1.0f, 3.0f, 2.0f);
  for (int i = 0; i < 11; ++i) {
    tracker.advance(1.0f, 3.0f, 2.0f);
    EXPECT_FALSE(should_stop(plan, tracker));
  }
  tracker.advance(1.0f, 3.0f, 2.0f);
  EXPECT_TRUE(should_stop(plan, tracker));
  EXPECT_LT(predicted_recall(plan, tracker), 0.0);
  EXPECT_DOUBLE_EQ(expected_lists(nullptr, 0.95, 10, 400), 40.0);
  EXPECT_DOUBLE_EQ(expected_lists(nullptr, 0.95, 10, 4), 1.0);
}

TEST(StopPlan, FixedProbesCountLists) {
  StopPlan plan = plan_fixed_probes(3);
  StopTracker tracker;
  tracker.start(1.0f);
  for (int i = 1; i <= 12; ++i) {
    tracker.advance(0.25f, infinity, 2.0f);
    EXPECT_EQ(should_stop(plan, tracker), i == 12);
  }
}

TEST(StopTrainer, NeedsEnoughQueriesAndRows) {
  std::vector<uint64_t> memory(StopTrainer::memory_size(30, 10) / 8 + 1);
  StopTrainer trainer(30, 10, memory.data());
  StopModelDisk model;
  EXPECT_EQ(trainer.train({}, model).code, Code::invalid);
  Random random(1);
  for (int q = 0; q < 40; ++q) {  // ten more than announced are ignored
    trainer.begin_query();
    for (int list = 0; list < 10; ++list) {
      float distances[2] = {static_cast<float>(random.unit()), static_cast<float>(random.unit())};
      trainer.add_list(1.0f + static_cast<float>(list), 1.0f, distances, 2);
    }
    trainer.end_query();
  }
  EXPECT_EQ(trainer.query_count(), 30U);
  ASSERT_TRUE(trainer.train({}, model).ok());
  EXPECT_TRUE(check_stop_model(model).ok());
  EXPECT_EQ(model.buckets[1].query_count, 30U);
  EXPECT_EQ(model.buckets[2].query_count, 0U);  // 20 rows have no hundred neighbours
  EXPECT_EQ(plan_stop(&model, 0.95, 100).low, &model.buckets[1]);
  // Where the neighbours are says nothing about where the lists are: only seeing nearly all of them will do.
  EXPECT_GT(expected_lists(&model, 0.99, 10, 10), 8.0);
}

// Ten rows a list, at distances that have nothing to do with the lists.
void ask_random(StopTrainer& trainer, Random& random, uint32_t list_count) {
  trainer.begin_query();
  for (uint32_t list = 0; list < list_count && !trainer.saw_enough(); ++list) {
    float distances[10];
    for (float& d : distances) d = static_cast<float>(random.unit());
    trainer.add_list(1.0f + static_cast<float>(list), 1.0f, distances, 10);
  }
  trainer.end_query();
}

TEST(StopTrainer, DepthIsLearnedFromEnoughQueriesOnly) {
  constexpr uint32_t list_count = 20;
  std::vector<uint64_t> memory(StopTrainer::memory_size(40, list_count) / 8 + 1);
  Random random(2);
  StopTrainer trainer(40, list_count, memory.data());
  EXPECT_EQ(trainer.learn_depth(0.0), 0.0);
  for (int q = 0; q < 19; ++q) ask_random(trainer, random, list_count);
  EXPECT_EQ(trainer.learn_depth(0.0), 0.0);
  EXPECT_FALSE(trainer.saw_enough());
  ask_random(trainer, random, list_count);
  EXPECT_NEAR(trainer.learn_depth(0.0), list_count, 1.0);  // neighbours lie anywhere
  StopTrainer few(40, list_count, memory.data());
  for (int q = 0; q < 40; ++q) ask_random(few, random, 5);
  EXPECT_EQ(few.learn_depth(0.0), 0.0);  // 50 rows have no hundred neighbours
  StopModelDisk model;
  ASSERT_TRUE(few.train({}, model).ok());
  EXPECT_EQ(model.buckets[1].query_count, 40U);
}

TEST(StopTrainer, TakesNoMoreQueriesThanFitItsMemory) {
  size_t const size = StopTrainer::memory_size(1000000, 5000);
  EXPECT_LE(size, size_t{64} << 20);
  EXPECT_GT(size, StopTrainer::memory_size(1000, 5000));
  std::vector<uint64_t> memory(size / 8 + 1);
  StopTrainer trainer(1000000, 5000, memory.data());
  Random random(3);
  uint32_t asked = 0;
  while (trainer.query_count() == asked && asked < 1000000) {
    ask_random(trainer, random, 11);
    ++asked;
  }
  EXPECT_EQ(trainer.query_count(), asked - 1);
  EXPECT_GT(asked, 10000U);
}

TEST(StopTrainer, SurvivesMoreWeightThanAnnouncedAndDuplicates) {
  std::vector<uint64_t> memory(StopTrainer::memory_size(25, 4) / 8 + 1);
  StopTrainer trainer(25, 4, memory.data());
  for (int q = 0; q < 25; ++q) {
    trainer.begin_query();
    float zeros[200] = {};
    for (int list = 0; list < 200; ++list) trainer.add_list(0.0f, 1.0f, zeros, 200);
    trainer.end_query();
  }
  StopModelDisk model;
  ASSERT_TRUE(trainer.train({}, model).ok());
  EXPECT_TRUE(check_stop_model(model).ok());
  EXPECT_DOUBLE_EQ(expected_lists(&model, 0.999, 10, 200), 1.0);  // the first list holds k of the nearest
}

// Rows on a plane: the squared distance of the k-th neighbour is as k / rows.
TEST(StopTrainer, LearnsHowDistancesShrinkAsRowsGrowDense) {
  std::vector<uint64_t> memory(StopTrainer::memory_size(30, 8) / 8 + 1);
  StopTrainer trainer(30, 8, memory.data());
  for (uint32_t q = 0; q < 30; ++q) {
    trainer.begin_query();
    for (uint32_t list = 0; list < 8; ++list) {
      std::vector<float> distances;
      for (uint32_t i = 0; i < 40; ++i) distances.push_back(0.01f * static_cast<float>(1 + list * 40 + i));
      trainer.add_list(1.0f + static_cast<float>(list), 1.0f, distances.data(), distances.size());
    }
    trainer.end_query();
  }
  StopModelDisk model;
  StopTrainOptions options;
  options.row_count = 320;
  ASSERT_TRUE(trainer.train(options, model).ok());
  EXPECT_TRUE(check_stop_model(model).ok());
  EXPECT_NEAR(model.density_exponent, 1.0f, 1e-3f);
  EXPECT_FLOAT_EQ(tau_scale(&model, 320), 1.0f);
  EXPECT_NEAR(tau_scale(&model, 640), 2.0f, 0.01f);
  EXPECT_NEAR(tau_scale(&model, 160), 0.5f, 0.01f);
  EXPECT_FLOAT_EQ(tau_scale(nullptr, 640), 1.0f);
  EXPECT_FLOAT_EQ(tau_scale(&model, 1e9), tau_scale(&model, 1e8)) << "bounded";
  options.row_count = 0;
  ASSERT_TRUE(trainer.train(options, model).ok());
  EXPECT_FLOAT_EQ(tau_scale(&model, 640), 1.0f) << "of a model that does not know its rows";
  model.density_exponent = 5.0f;
  EXPECT_FALSE(check_stop_model(model).ok());
  model.density_exponent = std::nanf("");
  EXPECT_FALSE(check_stop_model(model).ok());
}

}  // namespace
}  // namespace strata::policy
