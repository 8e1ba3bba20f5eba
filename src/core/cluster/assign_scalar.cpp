// Portable kernels: the reference, and what runs without AVX2. Tiles of 4 rows and 8 columns fit the 16 SSE registers
// that every x86-64 machine has; the loops are shaped so that the compiler vectorises over the columns.
#include "core/cluster/assign_kernel.hpp"

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr uint32_t rows = 4;
constexpr uint32_t columns = 8;

void products(uint32_t dim, float const* tile, float const* panel, float sums[rows][columns]) {
  float sum[rows][columns] = {};
  for (uint32_t d = 0; d < dim; ++d) {
    float const* x = tile + size_t{d} * rows;
    float const* c = panel + size_t{d} * panel_width;
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t j = 0; j < columns; ++j) sum[r][j] += x[r] * c[j];
    }
  }
  for (uint32_t r = 0; r < rows; ++r) {
    for (uint32_t j = 0; j < columns; ++j) sums[r][j] = sum[r][j];
  }
}

inline void take(float key, uint32_t list, uint32_t column, BestLanes& best) {
  uint32_t lane = column % best_lane_count;
  if (key < best.key[lane]) {
    best.key[lane] = key;
    best.list[lane] = list;
  }
}

void best(uint32_t dim, float const* tile, float const* panel, float const* half_norms, uint32_t first_list,
          BestLanes* best, float* keys, size_t stride) {
  for (uint32_t first = 0; first < panel_width; first += columns) {
    float sums[rows][columns];
    products(dim, tile, panel + first, sums);
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t j = first; j < first + columns; ++j) {
        float key = half_norms[j] - sums[r][j - first];
        take(key, first_list + j, j, best[r]);
        if (keys != nullptr) keys[r * stride + j] = key;
      }
    }
  }
}

void second(uint32_t dim, float const* tile, float const* panel, float const* keys, size_t stride, float const* along,
            float lambda, uint32_t first_list, BestLanes* best) {
  for (uint32_t first = 0; first < panel_width; first += columns) {
    float sums[rows][columns];
    products(dim, tile, panel + first, sums);
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t j = first; j < first + columns; ++j) {
        float part = along[r] - sums[r][j - first];
        take(2.0f * keys[r * stride + j] + lambda * part * part, first_list + j, j, best[r]);
      }
    }
  }
}

float l2_squared(uint32_t dim, float const* a, float const* b) {
  float sum[8] = {};
  uint32_t d = 0;
  for (; d + 8 <= dim; d += 8) {
    for (uint32_t j = 0; j < 8; ++j) sum[j] += (a[d + j] - b[d + j]) * (a[d + j] - b[d + j]);
  }
  for (; d < dim; ++d) sum[0] += (a[d] - b[d]) * (a[d] - b[d]);
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

}  // namespace

AssignKernel const assign_kernel_scalar = {rows, best, second, l2_squared, nullptr};

}  // namespace strata::cluster
