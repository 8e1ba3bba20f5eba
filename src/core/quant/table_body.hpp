// Building look-up tables over the lanes of one instruction set; included once per translation unit, after its
// lanes_*.hpp. Sums are taken in the same order at every level and products are never fused into them, so that tables
// are equal bytes.
#pragma once
#include "core/quant/code_kernels.hpp"

namespace strata::quant {
namespace {

using namespace lanes;

float max_group(uint32_t n, float const* w) {
  F largest = zero(), total = zero();
  for (uint32_t i = 0; i < n; i += lane_count) {
    F const groups = sums_of_four(abs(load(w + i)));
    largest = max(groups, largest);
    total = add(total, groups);  // carries NaN and infinity along, which the comparison may lose
  }
  float const all = sum(total);
  return all - all == 0 ? max_lane(largest) : all;
}

uint32_t build_entries(uint32_t n, float const* w, float factor, uint8_t* entries) {
  // Entry j takes dimension t with a minus sign where bit t of j is clear.
  constexpr uint32_t minus[4] = {0x5555, 0x3333, 0x0f0f, 0x00ff};
  uint32_t span_total = 0;
  F const f = set1(factor);
  for (uint32_t i = 0; i < n; i += 4, entries += 16) {
    F const u[4] = {opaque(mul(set1(w[i]), f)), opaque(mul(set1(w[i + 1]), f)), opaque(mul(set1(w[i + 2]), f)),
                    opaque(mul(set1(w[i + 3]), f))};
    F const magnitude = add(add(abs(u[0]), abs(u[1])), add(abs(u[2]), abs(u[3])));
    F const span = round(add(magnitude, magnitude));
    F const middle = mul(span, set1(0.5f));
#pragma GCC unroll 4
    for (uint32_t p = 0; p < 16 / lane_count; ++p) {
      uint32_t const shift = p * lane_count;
      F const low = add(flip(u[0], minus[0] >> shift), flip(u[1], minus[1] >> shift));
      F const high = add(flip(u[2], minus[2] >> shift), flip(u[3], minus[3] >> shift));
      store_bytes(entries + shift, add(middle, add(low, high)));
    }
    span_total += uint32_t(first_lane(span));
  }
  return span_total;
}

}  // namespace
}  // namespace strata::quant
