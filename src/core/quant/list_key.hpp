// Keys of lists: where in the order of probing a list comes, from the score of its centroid and the scatter of its
// rows.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/metric.hpp"

namespace strata::quant {

// key = factor * (base + spread) + offset, +inf for what is no number, where for a centroid's score `base` and the mean
// squared residual of the rows, `residual2`,
//
//   spread = residual_weight * residual2 - root_weight * sqrt(residual2 * (root_base * max(base, 0) + root_constant))
//
// All weights are 0 or more. No inline functions here: the header is seen by translation units with different
// instruction sets.
struct ListKeyRule {
  float factor, offset;
  float residual_weight;
  float root_weight, root_base, root_constant;
};

// The rule of a search: what the key of a list has over the score of its centroid. Under distances that is the mean
// squared residual of its rows, and less the more they scatter towards the query, sqrt(residual2 / dim) if alike in all
// directions. The nearest rows are the far end of that, so a list stands for rows `deviations` out: of two lists
// equally near, the wider one comes first. docs/performance.md, "The order of lists" and "Inner products", has what it
// is worth. `dim`: of the vectors; query_norm2: squared norm of the query, for inner products.
ListKeyRule list_key_rule(Metric metric, uint32_t dim, float factor, float offset, float query_norm2);

float list_key(ListKeyRule const& rule, float base, float residual2);

// The keys of many lists: bases[count] become keys. `residuals` holds `count` floats and needs no alignment.
void list_keys(ListKeyRule const& rule, uint32_t count, std::byte const* residuals, float* bases);

}  // namespace strata::quant
