// list_table: what ways of putting rows into lists cost a query at equal recall, on vectors in memory: one list a row
// or two, and for inner products lists of the rows as they are or lifted to one length. Only lists are compared; codes
// and their errors take no part.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>

#include "core/cluster/assign.hpp"
#include "core/cluster/kmeans.hpp"
#include "core/cluster/spill_trial.hpp"
#include "core/math/distance.hpp"
#include "core/policy/codebook_policy.hpp"
#include "core/policy/stop_train.hpp"
#include "macro/failure.hpp"
#include "macro/generate.hpp"
#include "macro/metric.hpp"
#include "macro/program.hpp"
#include "recall/sets.hpp"

namespace strata::bench {
namespace {

char const* const usage =
    R"(list_table: codes a query at equal recall, for several ways of putting rows into lists

  --base FILE --type T --dim D   rows, in any format of the benchmark; or
  --generate SHAPE --rows N --dim D --seed S
  --query FILE                   queries; else the last --queries rows (1000), which are then not indexed
  --limit N                      takes the first N rows only
  --metric l2|ip|cosine          (l2)
  --lengths X                    rows are scaled by exp(X * normal): uneven norms (0)

The first half of the queries calibrates the stop rule, the other half is measured.
)";

constexpr uint32_t target_count = 4;
constexpr double targets[target_count] = {0.9, 0.95, 0.98, 0.99};
constexpr uint32_t k_count = policy::stop_bucket_count;

struct Options : SetOptions {
  double lengths = 0;
};

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    std::string const name = arguments[i];
    if (i + 1 == count) throw Failure(name, " needs a value\n", usage);
    std::string const value = arguments[i + 1];
    if (name == "--lengths")
      options.lengths = std::strtod(value.c_str(), nullptr);
    else if (!take_set_option(options, name, value))
      throw Failure("unknown option ", name, "\n", usage);
  }
  check_set_options(options, usage);
  return options;
}

// One way of putting rows into lists. Under inner products the spread of a list is `gain` deviations of its rows along
// the query, if they scatter alike in all directions.
struct Lists {
  std::string name;
  Matrix centroids;  // components beyond those of the rows are not compared
  std::vector<uint32_t> starts, rows;
  std::vector<float> spread;  // added to the squared distance, or to minus twice the inner product, of the centroid
  std::vector<float> along;   // times the distance, added as well; empty: nothing
};

struct Placed {
  std::vector<uint32_t> first, second;
  std::vector<float> first_distance2, second_distance2;
};

Placed place(Matrix const& rows, Matrix const& centroids, float lambda) {
  uint32_t const dim = rows.dim(), lists = uint32_t(centroids.rows());
  std::vector<char> memory(cluster::centroid_set_size(dim, lists) + 64),
      scratch(cluster::assign_scratch_size(dim, lists));
  char* const aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  cluster::CentroidSet const set = cluster::prepare_centroids(dim, centroids.data(), lists, aligned);
  Placed placed{std::vector<uint32_t>(rows.rows()), std::vector<uint32_t>(rows.rows()), std::vector<float>(rows.rows()),
                std::vector<float>(rows.rows())};
  cluster::assign_two(set, rows.data(), rows.rows(), lambda, placed.first.data(), placed.first_distance2.data(),
                      placed.second.data(), placed.second_distance2.data(), scratch.data());
  return placed;
}

// `takes_second` says which rows get a second list.
template <class TakesSecond>
Lists gather(std::string name, Matrix const& centroids, Placed const& placed, TakesSecond&& takes_second) {
  Lists lists;
  lists.name = std::move(name);
  lists.centroids = Matrix(centroids.rows(), centroids.dim());
  std::memcpy(lists.centroids.row(0), centroids.data(), centroids.value_count() * sizeof(float));
  size_t const count = centroids.rows(), row_count = placed.first.size();
  std::vector<double> sums(count);
  std::vector<uint32_t> sizes(count);
  auto for_each_entry = [&](auto&& take) {
    for (size_t row = 0; row < row_count; row++) {
      take(placed.first[row], row, placed.first_distance2[row]);
      if (takes_second(row)) take(placed.second[row], row, placed.second_distance2[row]);
    }
  };
  for_each_entry([&](uint32_t list, size_t, float distance2) {
    sizes[list]++;
    sums[list] += distance2;
  });
  lists.starts.assign(count + 1, 0);
  for (size_t i = 0; i < count; i++) lists.starts[i + 1] = lists.starts[i] + sizes[i];
  lists.rows.resize(lists.starts[count]);
  std::vector<uint32_t> next(lists.starts.begin(), lists.starts.end() - 1);
  for_each_entry([&](uint32_t list, size_t row, float) { lists.rows[next[list]++] = uint32_t(row); });
  lists.spread.resize(count);
  for (size_t i = 0; i < count; i++) lists.spread[i] = sizes[i] ? float(sums[i] / sizes[i]) : 0;
  return lists;
}

// What the trial on the sample of a new codebook says of second lists.
void print_trial(Metric metric, Matrix const& sample, Matrix const& centroids, std::vector<float> const& residuals2,
                 std::vector<uint32_t> const& row_counts, uint64_t seed) {
  std::vector<float> const mean(sample.dim());
  strata::Metric const searched = metric == Metric::ip ? strata::Metric::inner_product : strata::Metric::l2;
  double const ratio = cluster::spilled_code_ratio(
      {searched, sample.dim(), cluster::float_rows(sample.dim(), sample.data(), sample.rows()), mean.data(),
       uint32_t(centroids.rows()), centroids.data(), residuals2.data(), row_counts.data(), seed});
  std::printf("# second lists read %.2f times the codes, by a trial on the sample\n", ratio);
}

Matrix train(Matrix const& rows, uint64_t seed, Metric metric) {
  uint32_t const wanted = policy::list_count_for(rows.rows());
  if (wanted == 0) throw Failure("too few rows for lists");
  std::vector<uint32_t> order(rows.rows());
  std::iota(order.begin(), order.end(), 0);
  Generator random(seed);
  Matrix sample(policy::training_row_count(wanted, rows.rows()), rows.dim());
  for (uint64_t i = 0; i < sample.rows(); i++) {
    std::swap(order[i], order[i + random.below(order.size() - i)]);
    std::memcpy(sample.row(i), rows.row(order[i]), rows.dim() * sizeof(float));
  }
  cluster::TrainOptions options;
  options.list_count = wanted;
  options.seed = seed;
  Matrix centroids(wanted, rows.dim());
  std::vector<float> residuals2(wanted);
  std::vector<uint32_t> row_counts(wanted);
  options.residuals2 = residuals2.data();
  options.row_counts = row_counts.data();
  cluster::TrainResult result;
  Status const status = cluster::train_centroids(cluster::float_rows(rows.dim(), sample.data(), sample.rows()), options,
                                                 centroids.row(0), result);
  if (!status.ok()) throw Failure("training says: ", status.message);
  centroids.resize(result.list_count);
  print_trial(metric, sample, centroids, residuals2, row_counts, seed);
  return centroids;
}

// The lists of `lists` in the order of probing of `other`, which has the same centroids.
Lists in_order_of(Lists const& other, Lists const& lists) {
  Lists ordered;
  ordered.name = lists.name + ", spread 4";
  ordered.centroids = Matrix(lists.centroids.rows(), lists.centroids.dim());
  std::memcpy(ordered.centroids.row(0), lists.centroids.data(), lists.centroids.value_count() * sizeof(float));
  ordered.starts = lists.starts;
  ordered.rows = lists.rows;
  ordered.spread = other.spread;
  ordered.along = other.along;
  return ordered;
}

std::vector<Lists> lists_by_distance(Matrix const& base, uint64_t seed) {
  Matrix const centroids = train(base, seed, Metric::l2);
  Placed const near = place(base, centroids, 0.0F);
  std::vector<Lists> all;
  all.push_back(gather("one list", centroids, near, [](size_t) { return false; }));
  for (uint32_t const gain : {1U, 2U, 4U}) {
    all.push_back(gather("one list, spread " + std::to_string(gain), centroids, near, [](size_t) { return false; }));
    for (float spread : all.back().spread)
      all.back().along.push_back(-2 * float(gain) * std::sqrt(spread / float(base.dim())));
  }
  all.push_back(gather("two nearest", centroids, near, [](size_t) { return true; }));
  for (float const lambda : {1.0F, cluster::soar_lambda}) {
    char name[32];
    std::snprintf(name, sizeof name, "SOAR %.1f", double(lambda));
    all.push_back(gather(name, centroids, place(base, centroids, lambda), [](size_t) { return true; }));
  }
  Placed const soar = place(base, centroids, cluster::soar_lambda);
  all.push_back(gather("SOAR 1.5, if near", centroids, soar,
                       [&](size_t row) { return soar.second_distance2[row] < 1.2F * soar.first_distance2[row]; }));
  // Lists of two kinds of rows come in the order of those that have them as their first: a spread with them is wider.
  for (size_t at : {all.size() - 4, all.size() - 2, all.size() - 1}) all.push_back(in_order_of(all[3], all[at]));
  return all;
}

double norm2_of(float const* row, uint32_t dim) {
  return dot_product(row, row, dim);
}

std::vector<Lists> lists_by_product(Matrix const& base, uint64_t seed) {
  uint32_t const dim = base.dim();
  std::vector<Lists> all;
  Matrix const centroids = train(base, seed, Metric::ip);
  Placed const near = place(base, centroids, 0.0F);
  auto one = [](size_t) { return false; };
  for (uint32_t const gain : {0U, 1U, 2U, 3U}) {
    all.push_back(gather("direct, spread " + std::to_string(gain), centroids, near, one));
    for (float& spread : all.back().spread) spread = -2 * float(gain) * std::sqrt(spread / float(dim));
  }
  double longest = 0;
  for (uint64_t row = 0; row < base.rows(); row++) longest = std::max(longest, norm2_of(base.row(row), dim));
  Matrix lifted(base.rows(), dim + 1);
  for (uint64_t row = 0; row < base.rows(); row++) {
    std::memcpy(lifted.row(row), base.row(row), dim * sizeof(float));
    lifted.row(row)[dim] = float(std::sqrt(std::max(longest - norm2_of(base.row(row), dim), 0.0)));
  }
  Matrix const high = train(lifted, seed, Metric::l2);
  all.push_back(gather("lifted", high, place(lifted, high, 0.0F), one));
  for (float& spread : all.back().spread) spread = 0;
  return all;
}

// One query against all rows: squared distances, or inner products lifted to such.
struct Truth {
  std::vector<float> distances2;
  std::vector<uint32_t> nearest;  // stop_k_max of them
};

class Bench {
 public:
  Bench(Matrix const& base, Matrix const& queries, Metric metric, std::vector<Lists> const& all)
      : base_(base), queries_(queries), metric_(metric), all_(all), seen_(base.rows()) {
    for (uint64_t row = 0; row < base.rows(); row++)
      norm2_max_ = std::max(norm2_max_, norm2_of(base.row(row), base.dim()));
    for (Lists const& lists : all) {
      uint32_t const list_count = uint32_t(lists.centroids.rows());
      memory_.emplace_back(policy::StopTrainer::memory_size(uint32_t(queries.rows()), list_count) + 8);
      trainers_.emplace_back(uint32_t(queries.rows()), list_count, memory_.back().data());
    }
    models_.resize(all.size());
    tallies_.resize(all.size());
  }

  void run() {
    uint64_t const half = queries_.rows() / 2;
    for (uint64_t query = 0; query < half; query++) {
      find_truth(queries_.row(query));
      for (size_t at = 0; at < all_.size(); at++) calibrate(at, queries_.row(query));
    }
    for (size_t at = 0; at < all_.size(); at++)
      if (!trainers_[at].train({}, models_[at]).ok()) throw Failure("too few queries to calibrate");
    measured_ = queries_.rows() - half;
    for (uint64_t query = half; query < queries_.rows(); query++) {
      find_truth(queries_.row(query));
      for (size_t at = 0; at < all_.size(); at++) measure(at, queries_.row(query));
    }
  }

  void print() const {
    std::printf("%-18s %7s %5s", "lists", "entries", "k");
    for (double target : targets) std::printf("   codes (lists) at %.2f", target);
    for (double target : targets) std::printf("   rule %.2f: recall, codes", target);
    std::printf("\n");
    for (size_t at = 0; at < all_.size(); at++)
      for (uint32_t b = 0; b < k_count; b++) print_line(at, b);
  }

 private:
  struct Tally {
    // By number of lists: the recall and codes of all measured queries.
    std::vector<double> recall[k_count], codes;
    double rule_recall[k_count][target_count] = {}, rule_codes[k_count][target_count] = {};
  };

  void find_truth(float const* query) {
    uint32_t const dim = base_.dim();
    truth_.distances2.resize(base_.rows());
    float const lift = float(norm2_max_ + norm2_of(query, dim));
    for (uint64_t row = 0; row < base_.rows(); row++)
      truth_.distances2[row] = metric_ == Metric::ip ? lift - 2 * math::inner_product(dim, query, base_.row(row))
                                                     : math::l2_squared(dim, query, base_.row(row));
    std::vector<uint32_t> order(base_.rows());
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + policy::stop_k_max, order.end(),
                      [&](uint32_t a, uint32_t b) { return truth_.distances2[a] < truth_.distances2[b]; });
    truth_.nearest.assign(order.begin(), order.begin() + policy::stop_k_max);
  }

  // Lists in the order in which they are probed, and their keys.
  void rank(Lists const& lists, float const* query) {
    uint32_t const dim = base_.dim();
    size_t const count = lists.centroids.rows();
    double const norm2 = norm2_of(query, dim);
    keys_.resize(count);
    for (size_t i = 0; i < count; i++) {
      float const* const centroid = lists.centroids.row(i);
      if (metric_ == Metric::ip) {
        keys_[i] = float(norm2 + norm2_max_) - 2 * math::inner_product(dim, query, centroid) +
                   float(std::sqrt(norm2)) * lists.spread[i];
      } else {
        float const distance2 = math::l2_squared(dim, query, centroid);
        keys_[i] = distance2 + lists.spread[i];
        if (!lists.along.empty()) keys_[i] += std::sqrt(distance2) * lists.along[i];
      }
    }
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) { return keys_[a] < keys_[b]; });
  }

  // Distances of the rows of a list that were not met in an earlier one.
  void take_list(Lists const& lists, uint32_t list) {
    fresh_.clear();
    for (uint32_t i = lists.starts[list]; i < lists.starts[list + 1]; i++) {
      uint32_t const row = lists.rows[i];
      if (seen_[row] == stamp_) continue;
      seen_[row] = stamp_;
      fresh_.push_back(truth_.distances2[row]);
    }
  }

  void calibrate(size_t at, float const* query) {
    Lists const& lists = all_[at];
    rank(lists, query);
    stamp_++;
    trainers_[at].begin_query();
    for (uint32_t list : order_) {
      take_list(lists, list);
      trainers_[at].add_list(std::max(keys_[list], 1e-20F), 1.0F, fresh_.data(), fresh_.size());
    }
    trainers_[at].end_query();
  }

  void measure(size_t at, float const* query) {
    Lists const& lists = all_[at];
    Tally& tally = tallies_[at];
    size_t const count = lists.centroids.rows();
    rank(lists, query);
    stamp_++;
    if (tally.codes.empty()) {
      tally.codes.resize(count);
      for (auto& recall : tally.recall) recall.resize(count);
    }
    policy::StopTracker trackers[k_count];
    policy::StopPlan plans[k_count][target_count];
    bool stopped[k_count][target_count] = {};
    for (uint32_t b = 0; b < k_count; b++) {
      trackers[b].start(std::max(keys_[order_[0]], 1e-20F));
      for (uint32_t t = 0; t < target_count; t++)
        plans[b][t] = policy::plan_stop(&models_[at], targets[t], policy::stop_k_values[b]);
    }
    std::vector<float> nearest;  // max-heap of stop_k_max
    double codes = 0;
    for (size_t probed = 0; probed < count; probed++) {
      uint32_t const list = order_[probed];
      take_list(lists, list);
      for (float distance2 : fresh_) keep_nearest(nearest, distance2);
      codes += lists.starts[list + 1] - lists.starts[list];
      tally.codes[probed] += codes;
      std::vector<float> sorted = nearest;
      std::sort(sorted.begin(), sorted.end());
      float const next_key = probed + 1 < count ? keys_[order_[probed + 1]] : INFINITY;
      for (uint32_t b = 0; b < k_count; b++) {
        uint32_t const k = policy::stop_k_values[b];
        float const limit = truth_.distances2[truth_.nearest[k - 1]];
        size_t found = 0;
        while (found < sorted.size() && found < k && sorted[found] <= limit) found++;
        double const recall = double(found) / k;
        tally.recall[b][probed] += recall;
        float const tau = sorted.size() >= k ? sorted[k - 1] : INFINITY;
        bool const decides = trackers[b].advance(1.0F, tau, next_key);
        for (uint32_t t = 0; t < target_count; t++) {
          if (stopped[b][t]) continue;
          stopped[b][t] = probed + 1 == count || (decides && policy::should_stop(plans[b][t], trackers[b]));
          if (!stopped[b][t]) continue;
          tally.rule_recall[b][t] += recall;
          tally.rule_codes[b][t] += codes;
        }
      }
    }
  }

  static void keep_nearest(std::vector<float>& heap, float distance2) {
    if (heap.size() == policy::stop_k_max) {
      if (distance2 >= heap.front()) return;
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
    heap.push_back(distance2);
    std::push_heap(heap.begin(), heap.end());
  }

  void print_line(size_t at, uint32_t b) const {
    Lists const& lists = all_[at];
    Tally const& tally = tallies_[at];
    double const count = double(measured_);
    std::printf("%-18s %7.2f %5u", lists.name.c_str(), double(lists.rows.size()) / double(base_.rows()),
                policy::stop_k_values[b]);
    for (double target : targets) {
      size_t lists_needed = 0;
      while (lists_needed + 1 < tally.codes.size() && tally.recall[b][lists_needed] / count < target) lists_needed++;
      std::printf("  %13.0f (%5zu)", tally.codes[lists_needed] / count, lists_needed + 1);
    }
    for (uint32_t t = 0; t < target_count; t++)
      std::printf("  %9.4f, %11.0f", tally.rule_recall[b][t] / count, tally.rule_codes[b][t] / count);
    std::printf("\n");
    std::fflush(stdout);
  }

  Matrix const& base_;
  Matrix const& queries_;
  Metric metric_;
  std::vector<Lists> const& all_;
  double norm2_max_ = 0;
  uint64_t measured_ = 0;
  std::vector<std::vector<char>> memory_;
  std::vector<policy::StopTrainer> trainers_;
  std::vector<policy::StopModelDisk> models_;
  std::vector<Tally> tallies_;
  Truth truth_;
  std::vector<float> keys_, fresh_;
  std::vector<uint32_t> order_, seen_;
  uint32_t stamp_ = 0;
};

void prepare(Options const& options, Metric metric, Matrix& rows, uint64_t seed) {
  Generator random(seed);
  for (uint64_t row = 0; row < rows.rows(); row++) {
    if (metric == Metric::cosine) normalize(rows.row(row), rows.dim());
    if (options.lengths == 0) continue;
    float const length = float(std::exp(options.lengths * random.normal()));
    for (uint32_t i = 0; i < rows.dim(); i++) rows.row(row)[i] *= length;
  }
}

int run(Options const& options) {
  Metric const metric = parse_metric(options.metric);
  auto [base, queries] = load_sets(options);
  prepare(options, metric, base, options.seed + 1);
  prepare(options, metric, queries, options.seed + 2);
  std::vector<Lists> const all =
      metric == Metric::ip ? lists_by_product(base, options.seed) : lists_by_distance(base, options.seed);
  std::printf("# %llu rows x %u, %llu queries, %s, %llu lists\n", static_cast<unsigned long long>(base.rows()),
              base.dim(), static_cast<unsigned long long>(queries.rows()), options.metric.c_str(),
              static_cast<unsigned long long>(all[0].centroids.rows()));
  Bench bench(base, queries, metric, all);
  bench.run();
  bench.print();
  return 0;
}

}  // namespace
}  // namespace strata::bench

int main(int count, char** arguments) {
  using namespace strata::bench;
  if (count < 2 || asks_for_help(count, arguments)) {
    std::fputs(usage, stdout);
    return 0;
  }
  return run_program("list_table", [&] { return run(parse(count, arguments)); });
}
