// Rows that are trained on or assigned: floats, or 8-bit codes (quant/refine_code.hpp), a quarter of their size, which
// are decoded as they are read. All borrowed.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/quant/refine_code.hpp"

namespace strata::cluster {

struct Rows {
  uint32_t dim = 0;
  size_t count = 0;
  float const* floats = nullptr;     // float[count][dim], or null:
  std::byte const* codes = nullptr;  // refine rows; dim is a multiple of 16
  size_t stride = 0;                 // bytes from one row of codes to the next

  // The row as floats: in place, or decoded into `buffer`, float[dim].
  float const* read(size_t row, float* buffer) const {
    if (floats != nullptr) return floats + row * dim;
    quant::decode_refine(dim, codes + row * stride, buffer);
    return buffer;
  }
};

inline Rows float_rows(uint32_t dim, float const* floats, size_t count) {
  return {dim, count, floats, nullptr, 0};
}

inline Rows code_rows(uint32_t dim, std::byte const* codes, size_t count) {
  return {dim, count, nullptr, codes, quant::refine_row_size(dim)};
}

}  // namespace strata::cluster
