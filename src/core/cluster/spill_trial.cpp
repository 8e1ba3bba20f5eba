#include "core/cluster/spill_trial.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <vector>

#include "core/base/random.hpp"
#include "core/cluster/assign.hpp"
#include "core/math/distance.hpp"
#include "core/quant/list_key.hpp"

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr uint32_t neighbour_count = 10;
constexpr double recalls[] = {0.9, 0.95, 0.98};
constexpr uint32_t query_count_min = 40, query_count_max = 200;
constexpr double work_max = 4e9;  // multiplications for the true neighbours, unless query_count_min takes more

struct Neighbour {
  float score;
  uint32_t row;
  bool operator<(Neighbour const& other) const { return score < other.score; }
};

struct Query {
  uint32_t row;
  std::vector<float> vector;
  std::vector<Neighbour> nearest;  // heap, farthest first
};

float score_of(Metric metric, uint32_t dim, float const* query, float const* row) {
  return metric == Metric::inner_product ? -math::inner_product(dim, query, row) : math::l2_squared(dim, query, row);
}

std::vector<Query> draw_queries(SpillTrial const& trial) {
  uint32_t const dim = trial.rows.dim;
  double const affordable = work_max / (double(trial.rows.count) * dim);
  auto count = uint32_t(std::clamp(affordable, double(query_count_min), double(query_count_max)));
  Random random(trial.seed);
  std::vector<Query> queries(count);
  std::vector<float> buffer(dim);
  for (Query& query : queries) {
    query.row = uint32_t(random.below(trial.rows.count));
    float const* const row = trial.rows.read(query.row, buffer.data());
    query.vector.assign(row, row + dim);
    if (trial.metric != Metric::inner_product) continue;
    for (uint32_t i = 0; i < dim; ++i) query.vector[i] += trial.mean[i];
  }
  return queries;
}

void find_neighbours(SpillTrial const& trial, std::vector<Query>& queries) {
  uint32_t const dim = trial.rows.dim;
  std::vector<float> buffer(dim);
  for (size_t at = 0; at < trial.rows.count; ++at) {
    float const* const row = trial.rows.read(at, buffer.data());
    for (Query& query : queries) {
      if (query.row == at) continue;
      auto& nearest = query.nearest;
      float const score = score_of(trial.metric, dim, query.vector.data(), row);
      if (nearest.size() == neighbour_count) {
        if (!(score < nearest.front().score)) continue;
        std::pop_heap(nearest.begin(), nearest.end());
        nearest.pop_back();
      }
      nearest.push_back({score, uint32_t(at)});
      std::push_heap(nearest.begin(), nearest.end());
    }
  }
}

// Lists of the neighbours of all queries, in their order.
struct TwoLists {
  std::vector<uint32_t> first, second;
};

TwoLists lists_of_neighbours(SpillTrial const& trial, std::vector<Query> const& queries) {
  uint32_t const dim = trial.rows.dim;
  std::vector<float> rows, buffer(dim);
  for (Query const& query : queries)
    for (Neighbour const& neighbour : query.nearest) {
      float const* const row = trial.rows.read(neighbour.row, buffer.data());
      rows.insert(rows.end(), row, row + dim);
    }
  size_t const count = rows.size() / dim;
  std::vector<char> memory(centroid_set_size(dim, trial.list_count)),
      scratch(assign_scratch_size(dim, trial.list_count));
  CentroidSet const set = prepare_centroids(dim, trial.centroids, trial.list_count, memory.data());
  TwoLists lists{std::vector<uint32_t>(count), std::vector<uint32_t>(count)};
  assign_two(set, rows.data(), count, soar_lambda, lists.first.data(), nullptr, lists.second.data(), nullptr,
             scratch.data());
  return lists;
}

// places[list] = where in the order of probing the list comes.
void rank_lists(SpillTrial const& trial, float const* query, std::vector<float>& keys, std::vector<uint32_t>& order,
                std::vector<uint32_t>& places) {
  uint32_t const dim = trial.rows.dim;
  float const norm2 = math::inner_product(dim, query, query);
  quant::ListKeyRule const rule = quant::list_key_rule(trial.metric, trial.dim, 1.0f, 0.0f, norm2);
  for (uint32_t list = 0; list < trial.list_count; ++list) {
    float const base = score_of(trial.metric, dim, query, trial.centroids + size_t{list} * dim);
    keys[list] = quant::list_key(rule, base, trial.residuals2[list]);
  }
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
  for (uint32_t place = 0; place < trial.list_count; ++place) places[order[place]] = place;
}

// The least number of lists in which such a share of `found` neighbours lies: found[i] of them are met by list i.
uint32_t lists_needed(std::vector<uint64_t> const& found, double recall) {
  double const all = double(std::accumulate(found.begin(), found.end(), uint64_t{0}));
  uint64_t met = 0;
  for (size_t place = 0; place < found.size(); ++place)
    if (double(met += found[place]) >= recall * all) return uint32_t(place + 1);
  return uint32_t(found.size());
}

}  // namespace

double spilled_code_ratio(SpillTrial const& trial) {
  constexpr uint32_t rows_per_neighbour_min = 20;
  if (trial.list_count < 3 || trial.rows.count < size_t{neighbour_count} * rows_per_neighbour_min) return 1.0;
  std::vector<Query> queries = draw_queries(trial);
  find_neighbours(trial, queries);
  TwoLists const lists = lists_of_neighbours(trial, queries);
  std::vector<float> keys(trial.list_count);
  std::vector<uint32_t> order(trial.list_count), places(trial.list_count);
  // By the number of lists read: neighbours met, and rows in lists, of all queries.
  std::vector<uint64_t> met_by_one(trial.list_count), met_by_two(trial.list_count), codes(trial.list_count);
  size_t at = 0;
  for (Query const& query : queries) {
    rank_lists(trial, query.vector.data(), keys, order, places);
    for (size_t end = at + query.nearest.size(); at < end; ++at) {
      uint32_t const first = places[lists.first[at]], second = places[lists.second[at]];
      ++met_by_one[first];
      ++met_by_two[std::min(first, second)];
    }
    uint64_t read = 0;
    for (uint32_t place = 0; place < trial.list_count; ++place) codes[place] += read += trial.row_counts[order[place]];
  }
  double logarithms = 0.0;
  for (double const recall : recalls) {
    uint64_t const one = codes[lists_needed(met_by_one, recall) - 1], two = codes[lists_needed(met_by_two, recall) - 1];
    logarithms += std::log(2.0 * double(std::max<uint64_t>(two, 1)) / double(std::max<uint64_t>(one, 1)));
  }
  return std::exp(logarithms / std::size(recalls));
}

}  // namespace strata::cluster
