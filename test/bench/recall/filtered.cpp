#include "recall/filtered.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <limits>

#include "core/math/distance.hpp"
#include "macro/generate.hpp"
#include "macro/ground_truth.hpp"

namespace strata::bench {
namespace {

std::vector<uint32_t> cells_of(Matrix const& rows, Matrix const& centers, Metric metric) {
  // Cells of inner products would be those of the few longest rows.
  NeighborTable const nearest = compute_neighbors(centers, rows, metric == Metric::ip ? Metric::l2 : metric, 1);
  std::vector<uint32_t> cells(rows.rows());
  for (uint64_t row = 0; row < rows.rows(); row++) cells[row] = uint32_t(nearest.ids[row * nearest.width]);
  return cells;
}

double score_of(Metric metric, float const* a, float const* b, uint32_t dim) {
  if (metric == Metric::ip) return -double(math::inner_product(dim, a, b));
  return double(math::l2_squared(dim, a, b));
}

struct Asker {
  MemoryIndex& index;
  Matrix const& base;
  Matrix const& queries;
  Metric metric;
  std::vector<std::vector<uint32_t>> rows_of;  // by label
  uint16_t column;
  std::vector<uint32_t> const& labels;  // of the rows of base
  std::vector<uint32_t> wanted;         // label of each query
  clock_t spent;                        // in searches

  // The score of the k-th nearest row with a label, or of the last one when there are fewer.
  double limit(uint64_t query, uint32_t k) const {
    std::vector<double> scores;
    for (uint32_t row : rows_of[wanted[query]])
      scores.push_back(score_of(metric, queries.row(query), base.row(row), base.dim()));
    size_t const at = std::min<size_t>(k, scores.size()) - 1;
    std::nth_element(scores.begin(), scores.begin() + ptrdiff_t(at), scores.end());
    return scores[at];
  }

  // The share of the nearest rows that a search found.
  double ask(uint64_t query, uint32_t k, double target, SearchWork* work) {
    uint32_t const reachable = uint32_t(std::min<size_t>(k, rows_of[wanted[query]].size()));
    if (reachable == 0) return 1;
    segment::Condition condition{};
    condition.column = column;
    condition.test = segment::Test::range;
    condition.low = condition.high = wanted[query];
    segment::Filter const filter{&condition, 1};
    store::SearchOptions options;
    options.recall_target = target;
    options.filter = &filter;
    std::vector<int64_t> ids;
    clock_t const start = clock();
    index.search(queries.row(query), k, options, &ids, work);
    spent += clock() - start;
    if (ids.size() < reachable) throw Failure("query ", query, " found ", ids.size(), " of ", reachable, " rows");
    double const end = limit(query, k);
    double const allowed = end + 1e-6 * std::abs(end);
    uint32_t hits = 0;
    for (int64_t id : ids) {
      if (labels[size_t(id)] != wanted[query]) throw Failure("row ", id, " does not pass the filter");
      hits += score_of(metric, queries.row(query), base.row(uint64_t(id)), base.dim()) <= allowed;
    }
    return double(hits) / reachable;
  }
};

void print_line(char const* kind, double share, uint32_t k, double target, Asker& asker) {
  SearchWork work;
  double sum = 0, sum2 = 0;
  asker.spent = 0;
  for (uint64_t query = 0; query < asker.queries.rows(); query++) {
    double const recall = asker.ask(query, k, target, &work);
    sum += recall;
    sum2 += recall * recall;
  }
  double const count = double(asker.queries.rows()), recall = sum / count;
  std::printf("%8.4g %7s %5u %7.4g %8.4f %7.4f %9.1f %9.0f %8.1f %8.1f %7.2f %7.2f %8.0f%s\n", share, kind, k, target,
              recall, std::sqrt(std::max(sum2 / count - recall * recall, 0.0) / count), double(work.list_count) / count,
              double(work.code_count) / count, double(work.refined_count) / count, double(work.fetched_count) / count,
              double(work.advance_count) / count, double(work.gather_count) / count,
              1e6 * double(asker.spent) / CLOCKS_PER_SEC / count, recall < target ? "  LOW" : "");
  std::fflush(stdout);
}

}  // namespace

FilterLabels make_filter_labels(Matrix const& base, Metric metric, std::vector<double> const& shares, uint64_t seed) {
  FilterLabels labels;
  labels.shares = shares;
  Generator random(seed ^ 0xF117E5);
  for (double share : shares) {
    uint64_t const count = std::max<uint64_t>(1, uint64_t(std::llround(1 / share)));
    std::vector<uint32_t> drawn(base.rows());
    for (uint32_t& label : drawn) label = uint32_t(random.below(count));
    Matrix centers(count, base.dim());
    for (uint64_t i = 0; i < count; i++)
      std::memcpy(centers.row(i), base.row(random.below(base.rows())), base.dim() * sizeof(float));
    labels.columns.push_back(std::move(drawn));
    labels.columns.push_back(cells_of(base, centers, metric));
    labels.centers.push_back(std::move(centers));
  }
  return labels;
}

void print_filtered(MemoryIndex& index, Matrix const& base, Matrix const& queries, Metric metric,
                    std::vector<uint32_t> const& rows, FilterLabels const& labels, std::vector<uint32_t> const& k,
                    std::vector<double> const& targets, uint64_t seed) {
  std::printf("%8s %7s %5s %7s %8s %7s %9s %9s %8s %8s %7s %7s %8s\n", "share", "filter", "k", "target", "recall", "+-",
              "lists", "codes", "refined", "fetched", "further", "gathers", "cpu us");
  for (size_t i = 0; i < labels.shares.size(); i++)
    for (char const* kind : {"random", "own", "other"}) {
      uint16_t const column = uint16_t(2 * i + (kind[0] != 'r'));
      Asker asker{index, base, queries, metric, {}, column, labels.columns[column], {}, 0};
      uint64_t const count = labels.centers[i].rows();
      asker.rows_of.resize(count);
      for (uint32_t row : rows) asker.rows_of[asker.labels[row]].push_back(row);
      Generator random(seed + i);
      if (kind[1] == 'w') {
        asker.wanted = cells_of(queries, labels.centers[i], metric);
      } else {
        for (uint64_t query = 0; query < queries.rows(); query++) asker.wanted.push_back(uint32_t(random.below(count)));
      }
      for (uint32_t wanted : k)
        for (double target : targets) print_line(kind, labels.shares[i], wanted, target, asker);
    }
}

}  // namespace strata::bench
