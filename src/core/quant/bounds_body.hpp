// What is done to the bounds of scanned blocks, for translation units of one instruction set: plain loops, which the
// compiler turns into its vectors.
#pragma once
#include <limits>

#include "core/quant/query_table.hpp"

namespace strata::quant {
namespace {

// Loops of constant length over a block become vectors.
void scale_all(float* bounds, uint32_t block_count, float factor, float offset) {
  constexpr float largest = std::numeric_limits<float>::max(), lowest = -std::numeric_limits<float>::infinity();
  for (uint32_t b = 0; b < block_count; ++b, bounds += block_rows)
    for (uint32_t lane = 0; lane < block_rows; ++lane) {
      float const bound = factor * bounds[lane] + offset;
      float const capped = bound > largest ? largest : bound;
      bounds[lane] = capped == capped ? capped : lowest;
    }
}

uint32_t collect_below(float const* bounds, uint32_t row_count, float cut, uint32_t* rows) {
  uint32_t count = 0, row = 0;
  for (; row + block_rows <= row_count; row += block_rows) {
    float const* const block = bounds + row;  // an index of 32 bits could wrap around, which no vector does
    uint32_t below = 0;
    for (uint32_t lane = 0; lane < block_rows; ++lane) below |= block[lane] < cut ? 1u << lane : 0u;
    for (; below; below &= below - 1) rows[count++] = row + uint32_t(__builtin_ctz(below));
  }
  for (; row < row_count; ++row)
    if (bounds[row] < cut) rows[count++] = row;
  return count;
}

}  // namespace
}  // namespace strata::quant
