// What the conditions of an index scan do to its cost.
#pragma once
#include "pg/am/index_stats.hpp"

namespace strata::pg {

struct FilterCost {
  double pushed;    // share of the rows that pass the conditions that the index evaluates
  double residual;  // share of those that pass the others, too
  Cost setup;       // of finding out which rows pass
  bool selects;     // there is a condition that the index evaluates
};

FilterCost filter_cost(PlannerInfo* root, IndexPath* path, IndexStats const& stats, Cost seq_page);

// Evaluating `rows` rows one by one, wherever they lie.
Cost gather_cost(IndexStats const& stats, double rows, Cost seq_page);

// Returning `rows` rows in no order.
Cost walk_cost(IndexStats const& stats, double rows, Cost seq_page);

}  // namespace strata::pg
