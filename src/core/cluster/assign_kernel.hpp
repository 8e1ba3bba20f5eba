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

// 32 centroids in 8 bits: centroid j is about scales[j] * codes[dim / 4][32][4], of which code (4 i + t) of centroid j
// is codes[i][j][t]. With y = row code - 127.5, the key is half_norms[j] - row scale * (scales[j] * <y, codes of j>).
struct BytePanel {
  int8_t const* codes;      // aligned to 64 bytes
  int32_t const* offsets;   // [32]: -128 times the sum of the codes
  float const* scales;      // [32]
  float const* halves;      // [32]: half the sum of the codes, times the scale
  float const* half_norms;  // [32]
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
  // best[byte_tile_rows] takes in the 32 keys of each row of codes; rows[r] are its dim codes, row_scales[r] its scale.
  // Null where the instruction set has no products of bytes worth it.
  void (*best_bytes)(uint32_t dim, uint8_t const* const* rows, float const* row_scales, BytePanel const& panel,
                     uint32_t first_list, BestLanes* best);
};

constexpr uint32_t byte_tile_rows = 8;

// The kernels of the level in use.
AssignKernel const& assign_kernel();

extern AssignKernel const assign_kernel_scalar;
#if defined(__x86_64__)
extern AssignKernel const assign_kernel_avx2;
extern AssignKernel const assign_kernel_avx512;
#elif defined(__aarch64__)
extern AssignKernel const assign_kernel_neon;
#endif

}  // namespace strata::cluster
