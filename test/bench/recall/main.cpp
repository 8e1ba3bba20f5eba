// recall_table: the recall that searches reach beside the recall they were asked for, on an index in memory.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <numeric>

#include "macro/generate.hpp"
#include "macro/ground_truth.hpp"
#include "macro/program.hpp"
#include "recall/filtered.hpp"
#include "recall/memory_index.hpp"
#include "recall/sets.hpp"

namespace strata::bench {
namespace {

char const* const usage =
    R"(recall_table: recall reached beside the recall asked for, on an index in memory; see test/bench/README.md

  --base FILE --type T --dim D   rows, in any format of the benchmark; or
  --generate SHAPE --rows N --dim D --seed S
  --limit N                      takes the first N rows only
  --query FILE                   queries; else the last --queries rows (1000), which are then not indexed
  --noise X                      queries are rows with noise of X times the spread of the data
  --between                      queries lie half way between two random rows: off the data
  --metric l2|ip|cosine          (l2)
  --fill bulk|paced              one codebook from all rows; or inserts into an empty index with maintenance between
  --pace N                       seed of the pacing (1); 0: maintenance comes to rest after every --batch rows
  --batch N                      mean rows between two looks of maintenance (2500)
  --sorted                       rows arrive in the order of a random direction: what comes is never like what was there
  --replace X                    holds a share X of the rows back, and in the end puts them in the place of the oldest
  --calibrations N               calibrates N times more, with other rows, and repeats the table
  --late X                       a share X of the rows comes after the last maintenance, and is only sealed
  --rest                         in the end the index is left in peace, as by a worker that finds no new rows
  --work N                       codes that a calibration may scan, in millions
  --spill auto|on|off            second lists (auto)
  --k LIST --targets LIST        (1,10,100) (0.9,0.95,0.98,0.99)
  --probes N                     a fixed number of lists instead of the targets
  --filter LIST                  searches with filters that let such shares of the rows through, see README.md
)";

struct Options : SetOptions {
  std::string fill = "bulk";
  store::Spill spill = store::Spill::automatic;
  uint64_t pace = 1, batch = 2500, work = 0, calibrations = 0;
  uint32_t probes = 0;
  double noise = 0, replace = 0, late = 0;
  bool between = false, sorted = false, rest = false;
  std::vector<uint32_t> k = {1, 10, 100};
  std::vector<double> targets = {0.9, 0.95, 0.98, 0.99}, shares;
};

template <class Number>
std::vector<Number> numbers(char const* text) {
  std::vector<Number> parts;
  for (char const* at = text; *at;) {
    char* end;
    parts.push_back(Number(std::strtod(at, &end)));
    if (end == at || (*end != ',' && *end != 0)) throw Failure("not a list of numbers: ", text);
    at = *end ? end + 1 : end;
  }
  return parts;
}

store::Spill parse_spill(std::string const& name) {
  if (name == "auto") return store::Spill::automatic;
  if (name == "on") return store::Spill::on;
  if (name == "off") return store::Spill::off;
  throw Failure("second lists are auto, on or off, not ", name);
}

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i++) {
    std::string const name = arguments[i];
    if (name == "--between" || name == "--sorted" || name == "--rest") {
      (name == "--sorted" ? options.sorted : name == "--rest" ? options.rest : options.between) = true;
      continue;
    }
    if (i + 1 == count) throw Failure(name, " needs a value\n", usage);
    char const* const value = arguments[++i];
    if (take_set_option(options, name, value)) continue;
    if (name == "--spill")
      options.spill = parse_spill(value);
    else if (name == "--fill")
      options.fill = value;
    else if (name == "--k")
      options.k = numbers<uint32_t>(value);
    else if (name == "--targets")
      options.targets = numbers<double>(value);
    else if (name == "--filter")
      options.shares = numbers<double>(value);
    else if (name == "--noise")
      options.noise = numbers<double>(value).at(0);
    else if (name == "--replace")
      options.replace = numbers<double>(value).at(0);
    else if (name == "--late")
      options.late = numbers<double>(value).at(0);
    else {
      uint64_t const number = numbers<uint64_t>(value).at(0);
      if (name == "--pace")
        options.pace = number;
      else if (name == "--batch")
        options.batch = number;
      else if (name == "--work")
        options.work = number;
      else if (name == "--calibrations")
        options.calibrations = number;
      else if (name == "--probes")
        options.probes = uint32_t(number);
      else
        throw Failure("unknown option ", name, "\n", usage);
    }
  }
  check_set_options(options, usage);
  return options;
}

// Where a row stands in the order of arrival under --sorted.
std::vector<float> direction_of(uint32_t dim, uint64_t seed) {
  Generator random(seed ^ 0xD1EC7);
  std::vector<float> direction(dim);
  for (float& value : direction) value = float(random.normal());
  return direction;
}

struct Data : Sets {
  std::vector<uint32_t> order;  // of arrival
};

double spread_of(Matrix const& base) {
  std::vector<double> mean(base.dim());
  double sum2 = 0;
  for (uint64_t row = 0; row < base.rows(); row++)
    for (uint32_t i = 0; i < base.dim(); i++) {
      mean[i] += base.row(row)[i] / double(base.rows());
      sum2 += double(base.row(row)[i]) * base.row(row)[i] / double(base.rows());
    }
  for (double value : mean) sum2 -= value * value;
  return std::sqrt(std::max(sum2, 0.0));
}

void make_queries(Options const& options, Data& data) {
  Matrix const& base = data.base;
  Generator random(options.seed + 99);
  Matrix queries(options.queries, base.dim());
  double const noise = options.noise * spread_of(base) / std::sqrt(double(base.dim()));
  for (uint64_t q = 0; q < options.queries; q++) {
    float const* a = base.row(random.below(base.rows()));
    float const* b = base.row(random.below(base.rows()));
    for (uint32_t i = 0; i < base.dim(); i++)
      queries.row(q)[i] = (options.between ? 0.5F * (a[i] + b[i]) : a[i]) + float(noise * random.normal());
  }
  data.queries = std::move(queries);
}

Data load(Options const& options) {
  Data data{load_sets(options), {}};
  if (options.noise > 0 || options.between) make_queries(options, data);
  if (parse_metric(options.metric) == Metric::cosine) {
    for (uint64_t row = 0; row < data.base.rows(); row++) normalize(data.base.row(row), data.base.dim());
    for (uint64_t row = 0; row < data.queries.rows(); row++) normalize(data.queries.row(row), data.base.dim());
  }
  data.order.resize(data.base.rows());
  std::iota(data.order.begin(), data.order.end(), 0);
  if (options.sorted) {
    std::vector<float> const direction = direction_of(data.base.dim(), options.seed);
    std::vector<double> place(data.base.rows());
    for (uint64_t row = 0; row < data.base.rows(); row++)
      place[row] = dot_product(data.base.row(row), direction.data(), data.base.dim());
    std::sort(data.order.begin(), data.order.end(), [&](uint32_t a, uint32_t b) { return place[a] < place[b]; });
  }
  return data;
}

class Filler {
 public:
  Filler(Options const& options, MemoryIndex& index) : options_(options), index_(index), random_(options.pace * 7919) {
    if (options.work) maintain_.calibration_work_max = options.work * 1000 * 1000;
    maintain_.spill = options.spill;
  }

  // Inserts with looks of maintenance between, some of which find time for one step only.
  void insert_paced(std::vector<uint32_t> const& rows) {
    uint64_t until_look = 0;
    for (uint32_t row : rows) {
      index_.insert(row);
      if (until_look-- > 0) continue;
      bool const even = options_.pace == 0;
      until_look = even ? options_.batch - 1 : random_.below(2 * options_.batch + 1);
      index_.maintain(maintain_, even ? UINT32_MAX : uint32_t(1 + random_.below(4)));
    }
    rest();
  }

  void insert_at_once(std::vector<uint32_t> const& rows) {
    for (uint32_t row : rows) index_.insert(row);
    index_.train(maintain_);
    index_.flush();
    rest();
  }

  void rest() {
    index_.maintain(maintain_);
    maintain_.at_rest = options_.rest;
    index_.maintain(maintain_);
    maintain_.at_rest = false;
  }

 private:
  Options const& options_;
  MemoryIndex& index_;
  Generator random_;
  store::MaintainOptions maintain_;
};

// Returns which rows are indexed in the end.
std::vector<uint32_t> fill(Options const& options, Data const& data, MemoryIndex& index) {
  Filler filler(options, index);
  size_t const last = size_t(options.late * double(data.order.size()));
  size_t const later = size_t(options.replace * double(data.order.size()));
  auto const late_from = data.order.end() - ptrdiff_t(last);
  auto const fresh_from = late_from - ptrdiff_t(later);
  std::vector<uint32_t> rows(data.order.begin(), fresh_from);
  if (options.fill == "paced")
    filler.insert_paced(rows);
  else
    filler.insert_at_once(rows);
  if (later > 0) {
    std::vector<uint32_t> const fresh(fresh_from, late_from);
    std::vector<bool> dead(data.base.rows());
    size_t const gone = std::min(later, rows.size());
    filler.insert_paced(fresh);
    for (size_t i = 0; i < gone; i++) dead[rows[i]] = true;
    index.remove(dead);
    filler.rest();
    rows.erase(rows.begin(), rows.begin() + ptrdiff_t(gone));
    rows.insert(rows.end(), fresh.begin(), fresh.end());
  }
  for (auto row = late_from; row != data.order.end(); ++row) index.insert(*row);
  if (last > 0) index.flush();
  rows.insert(rows.end(), late_from, data.order.end());
  return rows;
}

struct Outcome {
  double recall = 0, error = 0, lowest_tenth = 0;
  SearchWork work;
};

Outcome measure(MemoryIndex& index, Matrix const& queries, std::vector<int64_t> const& number_of,
                RecallJudge const& judge, uint32_t k, store::SearchOptions const& search) {
  Outcome outcome;
  std::vector<double> all;
  std::vector<int64_t> ids;
  for (uint64_t q = 0; q < queries.rows(); q++) {
    index.search(queries.row(q), k, search, &ids, &outcome.work);
    for (int64_t& id : ids) id = number_of[size_t(id)];
    all.push_back(judge.recall(q, ids));
  }
  double const count = double(all.size());
  double sum2 = 0;
  for (double recall : all) {
    outcome.recall += recall / count;
    sum2 += recall * recall / count;
  }
  outcome.error = std::sqrt(std::max(sum2 - outcome.recall * outcome.recall, 0.0) / count);
  std::sort(all.begin(), all.end());
  size_t const tenth = std::max<size_t>(all.size() / 10, 1);
  for (size_t i = 0; i < tenth; i++) outcome.lowest_tenth += all[i] / double(tenth);
  return outcome;
}

void print_table(Options const& options, MemoryIndex& index, Matrix const& queries,
                 std::vector<int64_t> const& number_of, Matrix const& live, NeighborTable const& truth) {
  Metric const metric = parse_metric(options.metric);
  for (uint32_t k : options.k) {
    RecallJudge const judge(live, queries, metric, truth, k);
    for (double target : options.targets) {
      store::SearchOptions search;
      search.recall_target = target;
      search.probes = options.probes;
      Outcome const outcome = measure(index, queries, number_of, judge, k, search);
      double const count = double(queries.rows());
      std::printf("%5u %7.4g %8.4f %7.4f %+8.4f %9.3f %9.1f %9.0f %8.1f %8.1f %8.2f%s\n", k, target, outcome.recall,
                  outcome.error, outcome.recall - target, outcome.lowest_tenth, double(outcome.work.list_count) / count,
                  double(outcome.work.code_count) / count, double(outcome.work.refined_count) / count,
                  double(outcome.work.fetched_count) / count, double(outcome.work.advance_count) / count,
                  outcome.recall < target           ? "  LOW"
                  : outcome.recall > target + 0.015 ? "  high"
                                                    : "");
      std::fflush(stdout);
    }
  }
}

int run(Options const& options) {
  Metric const metric = parse_metric(options.metric);
  Data const data = load(options);
  FilterLabels const labels = make_filter_labels(data.base, metric, options.shares, options.seed);
  MemoryIndex index(data.base, metric, labels.columns);
  std::vector<uint32_t> const rows = fill(options, data, index);
  Matrix live(rows.size(), data.base.dim());
  std::vector<int64_t> number_of(data.base.rows(), -1);
  for (size_t i = 0; i < rows.size(); i++) {
    std::memcpy(live.row(i), data.base.row(rows[i]), data.base.dim() * sizeof(float));
    number_of[rows[i]] = int64_t(i);
  }
  MemoryIndex::Shape const shape = index.shape();
  std::printf(
      "# %zu rows x %u, %zu queries, %s; %llu segments, %llu epochs, newest of %u lists with %llu rows, %llu "
      "elsewhere, calibrated at %llu%s\n",
      rows.size(), data.base.dim(), size_t(data.queries.rows()), options.metric.c_str(),
      static_cast<unsigned long long>(shape.segments), static_cast<unsigned long long>(shape.epochs), shape.list_count,
      static_cast<unsigned long long>(shape.listed_rows), static_cast<unsigned long long>(shape.other_rows),
      static_cast<unsigned long long>(shape.calibrated_rows), shape.spills ? ", two lists a row" : "");
  if (!options.shares.empty()) {
    print_filtered(index, data.base, data.queries, metric, rows, labels, options.k, options.targets, options.seed);
    return 0;
  }
  std::printf("%5s %7s %8s %7s %8s %9s %9s %9s %8s %8s %8s\n", "k", "target", "recall", "+-", "over", "low 10th",
              "lists", "codes", "refined", "fetched", "further");
  uint32_t const k_max = *std::max_element(options.k.begin(), options.k.end());
  NeighborTable const truth = compute_neighbors(live, data.queries, metric, k_max);
  print_table(options, index, data.queries, number_of, live, truth);
  for (uint64_t i = 0; i < options.calibrations; i++) {
    clock_t const start = clock();
    store::CalibrateResult const calibrated =
        index.calibrate(options.work ? options.work * 1000 * 1000 : store::MaintainOptions{}.calibration_work_max);
    std::printf("# calibrated again in %.2f s of processor time, %u queries, %.1f million codes\n",
                double(clock() - start) / CLOCKS_PER_SEC, calibrated.query_count, double(calibrated.code_count) * 1e-6);
    print_table(options, index, data.queries, number_of, live, truth);
  }
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
  return run_program("recall_table", [&] { return run(parse(count, arguments)); });
}
