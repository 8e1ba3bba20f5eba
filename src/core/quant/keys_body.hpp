// Keys of lists over the lanes of one instruction set; included once per translation unit, after its lanes_*.hpp.
#pragma once
#include "core/quant/code_kernels.hpp"
#include "core/quant/list_key.hpp"

namespace strata::quant {
namespace {

using namespace lanes;

struct KeyLanes {
  F factor, offset, residual_weight, root_weight, root_base, root_constant, last;

  F keys_of(F base, F residual2) const {
    F const inner = mul(residual2, mul_add(root_base, max(base, zero()), root_constant));
    F const spread = sub(mul(residual_weight, residual2), mul(root_weight, sqrt(inner)));
    F const key = mul_add(factor, add(base, spread), offset);
    return select(at_least(key, key), key, last);
  }
};

void list_keys_of(ListKeyRule const* rule, uint32_t count, std::byte const* residuals, float* bases) {
  KeyLanes const lanes{set1(rule->factor),      set1(rule->offset),    set1(rule->residual_weight),
                       set1(rule->root_weight), set1(rule->root_base), set1(rule->root_constant),
                       set1(__builtin_inff())};
  uint32_t i = 0;
  for (; i + lane_count <= count; i += lane_count)
    store(bases + i, lanes.keys_of(load(bases + i), load(residuals + i * sizeof(float))));
  if (uint32_t const left = count - i; left > 0)
    store_part(bases + i, lanes.keys_of(load_part(bases + i, left), load_part(residuals + i * sizeof(float), left)),
               left);
}

}  // namespace
}  // namespace strata::quant
