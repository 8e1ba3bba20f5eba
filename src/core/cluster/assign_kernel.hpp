// The kernels behind assign.hpp, one table per instruction set. Private to src/core/cluster.
//
// A tile is tile_rows rows, interleaved: float[dim][tile_rows]. A panel is 32 centroids, interleaved: float[dim][32],
// aligned to 64 bytes. The key of row r and centroid c is half_norms[c] - <r, c>; the smaller, the nearer.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::cluster {

constexpr uint32_t panel_width = 32;
constexpr uint32_t best_lane_count = 16;

// Running minimum of one row, per column of a panel modulo 16: the least key so far and its list, the earlier one of
// equals.
struct alignas(64) BestLanes {
  float key[best_lane_count];
  uint32_t list[best_lane_count];
};

struct AssignKernel {
  uint32_t tile_rows;
  // best[tile_rows] takes in the 32 keys of each row; the panel's lists are first_list and up. With keys != nullptr the
  // keys are also kept: keys[r * stride + c]; keys and stride * 4 are multiples of 64 bytes.
  void (*best)(uint32_t dim, float const* tile, float const* panel, float const* half_norms, uint32_t first_list,
               BestLanes* best, float* keys, size_t stride);
  // The same with the loss 2 * keys[r * stride + c] + lambda * (along[r] - <r, c>)^2 in place of the key.
  void (*second)(uint32_t dim, float const* tile, float const* panel, float const* keys, size_t stride,
                 float const* along, float lambda, uint32_t first_list, BestLanes* best);
  float (*l2_squared)(uint32_t dim, float const* a, float const* b);
};

extern AssignKernel const assign_kernel_scalar;
#if defined(__x86_64__)
extern AssignKernel const assign_kernel_avx2;
extern AssignKernel const assign_kernel_avx512;
#elif defined(__aarch64__)
extern AssignKernel const assign_kernel_neon;
#endif

}  // namespace strata::cluster
