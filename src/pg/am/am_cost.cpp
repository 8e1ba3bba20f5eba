// What an index scan costs. The model follows the scan: rank the lists, read the codes of a share of them, all flat
// rows and all growing rows, evaluate the survivors, then fetch heap rows in the order of their distance.
//
// Page costs are the planner's, arithmetic is in cpu_operator_cost, which stands for about 25 ns here: a block of 32
// scan codes takes 20 to 140 ns, a refine row about 30 ns a 768 dimensions (both memory-bound: counted by bytes).
#include "pg/postgres.hpp"

#include <cmath>

#include "core/policy/stop_rule.hpp"
#include "pg/am/am_callbacks.hpp"
#include "pg/am/filter_cost.hpp"
#include "pg/am/index_stats.hpp"
#include "pg/settings.hpp"

namespace strata::pg {
namespace {

constexpr double bytes_per_operator = 500;  // codes that are read in the time of one operator
constexpr double survivor_share = 0.03;     // of scanned rows that need their refine code
constexpr double lists_read_min = 8;        // without a calibration a scan reads at least about this many lists
constexpr double limit_default = 16;        // rows, when the planner does not know
constexpr double filtered_growth = 0.4;     // lists that are read grow with this power of 1 / selectivity
constexpr double descent_cost_in_operators =
    50;  // of pages that are in memory anyway, as the server's indexes count it

double pages_of(double bytes) {
  return std::ceil(bytes / BLCKSZ);
}

// Lists that are read before the first of `wanted` rows can be returned: what the calibration of the codebook saw its
// rule do. Without one, 2 % at recall 0.95, as measured, and more as the target nears 1.
double lists_read(IndexStats const& stats, double wanted) {
  if (settings.probes > 0) return settings.probes;
  double const lists = stats.list_count;
  if (!stats.has_model) return Max(0.02 * std::sqrt(0.05 / (1 - settings.recall_target)) * lists, lists_read_min);
  return policy::expected_lists(&stats.model, settings.recall_target, uint32_t(Max(wanted, 1)), stats.list_count);
}

// Share of the lists that is read before the first row can be returned.
double scanned_share(IndexStats const& stats, double wanted) {
  if (stats.list_count == 0) return 1;
  double share = lists_read(stats, wanted) / stats.list_count;
  // Calibration goes up to policy::stop_k_max rows; beyond that the rows wanted have to lie in what is read.
  constexpr double rows_read_per_row = 4;
  if (stats.listed_rows > 0) share = Max(share, rows_read_per_row * wanted / double(stats.listed_rows));
  return Min(share, 1);
}

// Cost of everything but heap rows, when `share` of the lists is read.
Cost code_cost(IndexStats const& stats, double share, double seq_page, double random_page) {
  double const lists = stats.list_count * share;
  double const entries = double(stats.listed_rows) * (stats.spills ? 2 : 1);
  double const listed_bytes = entries * share / 32 * stats.block_size;
  double const flat_bytes = double(stats.flat_rows) / 32 * stats.block_size;
  double const growing_bytes = double(stats.growing_rows) * stats.growing_size_per_row;
  double const survivors = (double(stats.listed_rows) * share + double(stats.flat_rows)) * survivor_share;
  double const centroid_bytes = double(stats.list_count) / 32 * stats.block_size;

  double const runs = Min(lists, pages_of(listed_bytes));
  Cost cost = runs * random_page + Max(pages_of(listed_bytes) - runs, 0) * seq_page;
  cost += (pages_of(flat_bytes) + pages_of(growing_bytes) + pages_of(centroid_bytes)) * seq_page;
  double const refine_pages = pages_of(double(stats.listed_rows + stats.flat_rows) * stats.refine_size);
  cost += Min(survivors, refine_pages * share) * seq_page;
  cost += (listed_bytes + flat_bytes + growing_bytes + centroid_bytes + survivors * stats.refine_size) /
          bytes_per_operator * cpu_operator_cost;
  // Ranking the lists and keeping the survivors in order.
  cost += (lists + survivors) * std::log2(Max(lists + survivors, 2)) * cpu_operator_cost * 0.1;
  return cost + descent_cost_in_operators * cpu_operator_cost;
}

IndexStats stats_for(IndexPath* path) {
  IndexOptInfo const* const info = path->indexinfo;
  if (info->hypothetical) {
    IndexStats stats{};
    stats.listed_rows = uint64_t(Max(info->tuples, 0));
    stats.list_count = uint32_t(4 * std::sqrt(double(stats.listed_rows)));
    stats.block_size = 1024;
    stats.refine_size = 140;
    return stats;
  }
  Relation const index = index_open(info->indexoid, NoLock);
  IndexStats const stats = index_stats(index);
  index_close(index, NoLock);
  return stats;
}

}  // namespace

void am_cost_estimate(PlannerInfo* root, IndexPath* path, double loop_count, Cost* startup_cost, Cost* total_cost,
                      Selectivity* selectivity, double* correlation, double* pages) {
  IndexOptInfo const* const info = path->indexinfo;
  *correlation = 0;
  *selectivity = 1;
  *pages = info->pages;
  // Without an order and a condition there is nothing to gain: a sequential scan returns the same rows for less.
  if (path->indexorderbys == NIL && path->indexclauses == NIL) {
    disable_path(path);
    *startup_cost = *total_cost = get_float8_infinity();
    return;
  }
  IndexStats const stats = stats_for(path);
  double random_page, seq_page;
  get_tablespace_page_costs(info->reltablespace, &random_page, &seq_page);
  if (loop_count > 1) random_page = seq_page = Min(seq_page, random_page) * 0.5;  // repeated scans find pages in memory

  FilterCost const filter = filter_cost(root, path, stats, seq_page);
  double const rows = Max(Max(info->tuples, 1) * filter.pushed, 1);
  // The distance of every row that is returned is computed here; the heap page is charged by the caller.
  Cost const row_cost = cpu_index_tuple_cost + 2 * cpu_operator_cost;
  *selectivity = filter.pushed;
  if (path->indexorderbys == NIL) {
    *startup_cost = filter.setup;
    *total_cost = filter.setup + walk_cost(stats, rows, seq_page) + rows * row_cost;
    return;
  }
  // Rows that fail the conditions the index does not know are asked for, too; of the rows that are scanned, only those
  // that pass the ones it knows count.
  double const limit = (root->limit_tuples > 0 ? Min(root->limit_tuples, 1e6) : limit_default) / filter.residual;
  double const share = scanned_share(stats, limit / filter.pushed) * std::pow(1 / filter.pushed, filtered_growth);
  Cost const probe = code_cost(stats, Min(share, 1), seq_page, random_page);
  Cost const all = code_cost(stats, 1, seq_page, random_page);
  Cost const gather = filter.selects ? gather_cost(stats, rows, seq_page) : all;
  *startup_cost = filter.setup + Min(probe, gather);
  *total_cost = Max(*startup_cost, filter.setup + Min(all, gather)) + rows * row_cost;
}

}  // namespace strata::pg
