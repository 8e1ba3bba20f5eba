#include "pg/am/filter_cost.hpp"

#include <cmath>

namespace strata::pg {
namespace {

constexpr double lookup_pages = 4;       // of a condition in a segment: summary, order, bloom filter
constexpr double lookup_operators = 40;  // the same
constexpr double row_operators = 3;      // a row that is looked at by itself
constexpr double order_entries_per_page = 2000;

}  // namespace

FilterCost filter_cost(PlannerInfo* root, IndexPath* path, IndexStats const& stats, Cost seq_page) {
  IndexOptInfo* const info = path->indexinfo;
  List* const quals = get_quals_from_indexclauses(path->indexclauses);
  FilterCost cost{1, 1, 0, quals != NIL};
  double const tuples = Max(info->tuples, 1);
  if (cost.selects) {
    List* const all = add_predicate_to_index_quals(info, quals);
    cost.pushed = clauselist_selectivity(root, all, int(info->rel->relid), JOIN_INNER, nullptr);
    cost.pushed = Min(Max(cost.pushed, 1 / tuples), 1);
  }
  double const passing = Max(path->path.rows, 1) / Max(info->rel->tuples, 1);
  cost.residual = Min(Max(passing / cost.pushed, 1 / (tuples * cost.pushed)), 1);
  double const conditions = list_length(quals);
  double const found_pages = tuples * cost.pushed / order_entries_per_page;
  cost.setup = conditions * stats.segment_count * (lookup_pages * seq_page + lookup_operators * cpu_operator_cost) +
               conditions * found_pages * seq_page;
  return cost;
}

Cost gather_cost(IndexStats const& stats, double rows, Cost seq_page) {
  double const pages = std::ceil(double(stats.listed_rows + stats.flat_rows) * stats.refine_size / BLCKSZ);
  return Min(rows, pages) * seq_page + rows * row_operators * cpu_operator_cost;
}

Cost walk_cost(IndexStats const& stats, double rows, Cost seq_page) {
  double const pages = std::ceil(double(stats.listed_rows + stats.flat_rows) * sizeof(ItemPointerData) / BLCKSZ);
  double const growing_pages = std::ceil(double(stats.growing_rows) * stats.growing_size_per_row / BLCKSZ);
  return (Min(rows, pages) + growing_pages) * seq_page + rows * row_operators * cpu_operator_cost;
}

}  // namespace strata::pg
