#include "core/quant/list_key.hpp"

#include <cmath>

#include "core/quant/code_dispatch.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

ListKeyRule list_key_rule(Metric metric, uint32_t dim, float factor, float offset, float query_norm2) {
  constexpr float deviations_max = 4.0f, product_deviations = 3.0f;
  float const width = static_cast<float>(dim);
  if (metric == Metric::inner_product)
    return {factor, offset, 0.0f, product_deviations * std::sqrt(query_norm2), 0.0f, 1.0f / width};
  float const half_root = 0.5f * std::sqrt(width);  // more than the root would end below zero
  float const deviations = half_root < deviations_max ? half_root : deviations_max;
  return {factor, offset, 1.0f, 2.0f * deviations, 1.0f / width, 0.0f};
}

float list_key(ListKeyRule const& rule, float base, float residual2) {
  float const above = base > 0.0f ? base : 0.0f;
  float const root = std::sqrt(residual2 * (rule.root_base * above + rule.root_constant));
  float const key = rule.factor * (base + (rule.residual_weight * residual2 - rule.root_weight * root)) + rule.offset;
  return key == key ? key : INFINITY;
}

void list_keys(ListKeyRule const& rule, uint32_t count, std::byte const* residuals, float* bases) {
  code_kernels().list_keys(&rule, count, residuals, bases);
}

}  // namespace strata::quant
