#include "core/quant/list_key.hpp"

#include <cmath>

#include "core/quant/code_dispatch.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

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
