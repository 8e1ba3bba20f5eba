// Keys of lists: where in the order of probing a list comes, from the score of its centroid and the scatter of its
// rows.
#pragma once
#include <cstddef>
#include <cstdint>

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

float list_key(ListKeyRule const& rule, float base, float residual2);

// The keys of many lists: bases[count] become keys. `residuals` holds `count` floats and needs no alignment.
void list_keys(ListKeyRule const& rule, uint32_t count, std::byte const* residuals, float* bases);

}  // namespace strata::quant
