// NEON: tiles of 8 rows and 8 columns keep 16 sums, 2 columns and 2 row vectors in the 32 registers.
#if defined(__aarch64__)
#include "core/cluster/assign_kernel.hpp"

#include <arm_neon.h>

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr uint32_t rows = 8;
constexpr uint32_t columns = 8;

struct Sums {
  float32x4_t left[rows];
  float32x4_t right[rows];
};

template <int lane>
inline __attribute__((always_inline)) void add_row(float32x4_t x, float32x4_t left, float32x4_t right, Sums& sums,
                                                   uint32_t row) {
  sums.left[row] = vfmaq_laneq_f32(sums.left[row], left, x, lane);
  sums.right[row] = vfmaq_laneq_f32(sums.right[row], right, x, lane);
}

inline __attribute__((always_inline)) void products(uint32_t dim, float const* tile, float const* panel, Sums& sums) {
  for (uint32_t r = 0; r < rows; ++r) sums.left[r] = sums.right[r] = vdupq_n_f32(0.0f);
  for (uint32_t d = 0; d < dim; ++d) {
    float32x4_t left = vld1q_f32(panel);
    float32x4_t right = vld1q_f32(panel + 4);
    float32x4_t upper = vld1q_f32(tile);
    float32x4_t lower = vld1q_f32(tile + 4);
    add_row<0>(upper, left, right, sums, 0);
    add_row<1>(upper, left, right, sums, 1);
    add_row<2>(upper, left, right, sums, 2);
    add_row<3>(upper, left, right, sums, 3);
    add_row<0>(lower, left, right, sums, 4);
    add_row<1>(lower, left, right, sums, 5);
    add_row<2>(lower, left, right, sums, 6);
    add_row<3>(lower, left, right, sums, 7);
    tile += rows;
    panel += panel_width;
  }
}

inline void take(float32x4_t key, uint32_t first_list, float* best_key, uint32_t* best_list) {
  static constexpr uint32_t steps[4] = {0, 1, 2, 3};
  float32x4_t old_key = vld1q_f32(best_key);
  uint32x4_t less = vcltq_f32(key, old_key);
  uint32x4_t list = vaddq_u32(vdupq_n_u32(first_list), vld1q_u32(steps));
  vst1q_f32(best_key, vbslq_f32(less, key, old_key));
  vst1q_u32(best_list, vbslq_u32(less, list, vld1q_u32(best_list)));
}

void best(uint32_t dim, float const* tile, float const* panel, float const* half_norms, uint32_t first_list,
          BestLanes* best, float* keys, size_t stride) {
  for (uint32_t first = 0; first < panel_width; first += columns) {
    Sums sums;
    products(dim, tile, panel + first, sums);
    float32x4_t norm_left = vld1q_f32(half_norms + first);
    float32x4_t norm_right = vld1q_f32(half_norms + first + 4);
    uint32_t lane = first % best_lane_count;
    for (uint32_t r = 0; r < rows; ++r) {
      float32x4_t left = vsubq_f32(norm_left, sums.left[r]);
      float32x4_t right = vsubq_f32(norm_right, sums.right[r]);
      take(left, first_list + first, best[r].key + lane, best[r].list + lane);
      take(right, first_list + first + 4, best[r].key + lane + 4, best[r].list + lane + 4);
      if (keys != nullptr) {
        vst1q_f32(keys + r * stride + first, left);
        vst1q_f32(keys + r * stride + first + 4, right);
      }
    }
  }
}

inline float32x4_t loss_of(float const* keys, float along, float32x4_t sums, float lambda) {
  float32x4_t part = vsubq_f32(vdupq_n_f32(along), sums);
  float32x4_t key = vld1q_f32(keys);
  return vfmaq_f32(vaddq_f32(key, key), vmulq_n_f32(part, lambda), part);
}

void second(uint32_t dim, float const* tile, float const* panel, float const* keys, size_t stride, float const* along,
            float lambda, uint32_t first_list, BestLanes* best) {
  for (uint32_t first = 0; first < panel_width; first += columns) {
    Sums sums;
    products(dim, tile, panel + first, sums);
    uint32_t lane = first % best_lane_count;
    for (uint32_t r = 0; r < rows; ++r) {
      float const* key = keys + r * stride + first;
      take(loss_of(key, along[r], sums.left[r], lambda), first_list + first, best[r].key + lane, best[r].list + lane);
      take(loss_of(key + 4, along[r], sums.right[r], lambda), first_list + first + 4, best[r].key + lane + 4,
           best[r].list + lane + 4);
    }
  }
}

float l2_squared(uint32_t dim, float const* a, float const* b) {
  float32x4_t sum0 = vdupq_n_f32(0.0f), sum1 = vdupq_n_f32(0.0f);
  uint32_t d = 0;
  for (; d + 8 <= dim; d += 8) {
    float32x4_t x = vsubq_f32(vld1q_f32(a + d), vld1q_f32(b + d));
    float32x4_t y = vsubq_f32(vld1q_f32(a + d + 4), vld1q_f32(b + d + 4));
    sum0 = vfmaq_f32(sum0, x, x);
    sum1 = vfmaq_f32(sum1, y, y);
  }
  float sum = vaddvq_f32(vaddq_f32(sum0, sum1));
  for (; d < dim; ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

}  // namespace

AssignKernel const assign_kernel_neon = {rows, best, second, l2_squared, nullptr};

}  // namespace strata::cluster
#endif
