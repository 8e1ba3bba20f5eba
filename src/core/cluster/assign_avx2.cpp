// AVX2 and FMA: tiles of 6 rows and 16 columns keep 12 sums, 2 columns and 1 broadcast in the 16 registers.
#if defined(__x86_64__)
#include "core/cluster/assign_kernel.hpp"

#include <immintrin.h>

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr uint32_t rows = 6;

struct Sums {
  __m256 left[rows];
  __m256 right[rows];
};

inline __attribute__((always_inline)) void products(uint32_t dim, float const* tile, float const* panel, Sums& sums) {
  for (uint32_t r = 0; r < rows; ++r) sums.left[r] = sums.right[r] = _mm256_setzero_ps();
  for (uint32_t d = 0; d < dim; ++d) {
    __m256 left = _mm256_load_ps(panel);
    __m256 right = _mm256_load_ps(panel + 8);
#pragma GCC unroll 6
    for (uint32_t r = 0; r < rows; ++r) {
      __m256 x = _mm256_broadcast_ss(tile + r);
      sums.left[r] = _mm256_fmadd_ps(x, left, sums.left[r]);
      sums.right[r] = _mm256_fmadd_ps(x, right, sums.right[r]);
    }
    tile += rows;
    panel += panel_width;
  }
}

inline __attribute__((always_inline)) void take(__m256 key, uint32_t first_list, float* best_key, uint32_t* best_list) {
  __m256 old_key = _mm256_load_ps(best_key);
  __m256i old_list = _mm256_load_si256(reinterpret_cast<__m256i const*>(best_list));
  __m256 less = _mm256_cmp_ps(key, old_key, _CMP_LT_OQ);
  __m256i list =
      _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first_list)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  _mm256_store_ps(best_key, _mm256_blendv_ps(old_key, key, less));
  _mm256_store_si256(reinterpret_cast<__m256i*>(best_list),
                     _mm256_blendv_epi8(old_list, list, _mm256_castps_si256(less)));
}

void best(uint32_t dim, float const* tile, float const* panel, float const* half_norms, uint32_t first_list,
          BestLanes* best, float* keys, size_t stride) {
  for (uint32_t half = 0; half < panel_width; half += 16) {
    Sums sums;
    products(dim, tile, panel + half, sums);
    __m256 norm_left = _mm256_load_ps(half_norms + half);
    __m256 norm_right = _mm256_load_ps(half_norms + half + 8);
    for (uint32_t r = 0; r < rows; ++r) {
      __m256 left = _mm256_sub_ps(norm_left, sums.left[r]);
      __m256 right = _mm256_sub_ps(norm_right, sums.right[r]);
      take(left, first_list + half, best[r].key, best[r].list);
      take(right, first_list + half + 8, best[r].key + 8, best[r].list + 8);
      if (keys != nullptr) {
        _mm256_store_ps(keys + r * stride + half, left);
        _mm256_store_ps(keys + r * stride + half + 8, right);
      }
    }
  }
}

inline __m256 loss_of(float const* keys, float along, __m256 sums, __m256 lambda) {
  __m256 part = _mm256_sub_ps(_mm256_set1_ps(along), sums);
  __m256 key = _mm256_load_ps(keys);
  return _mm256_fmadd_ps(_mm256_mul_ps(lambda, part), part, _mm256_add_ps(key, key));
}

void second(uint32_t dim, float const* tile, float const* panel, float const* keys, size_t stride, float const* along,
            float lambda, uint32_t first_list, BestLanes* best) {
  __m256 lambdas = _mm256_set1_ps(lambda);
  for (uint32_t half = 0; half < panel_width; half += 16) {
    Sums sums;
    products(dim, tile, panel + half, sums);
    for (uint32_t r = 0; r < rows; ++r) {
      float const* key = keys + r * stride + half;
      take(loss_of(key, along[r], sums.left[r], lambdas), first_list + half, best[r].key, best[r].list);
      take(loss_of(key + 8, along[r], sums.right[r], lambdas), first_list + half + 8, best[r].key + 8,
           best[r].list + 8);
    }
  }
}

inline float sum_of(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

float l2_squared(uint32_t dim, float const* a, float const* b) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = _mm256_setzero_ps();
  uint32_t d = 0;
  for (; d + 16 <= dim; d += 16) {
    __m256 x = _mm256_sub_ps(_mm256_loadu_ps(a + d), _mm256_loadu_ps(b + d));
    __m256 y = _mm256_sub_ps(_mm256_loadu_ps(a + d + 8), _mm256_loadu_ps(b + d + 8));
    sum0 = _mm256_fmadd_ps(x, x, sum0);
    sum1 = _mm256_fmadd_ps(y, y, sum1);
  }
  float sum = sum_of(_mm256_add_ps(sum0, sum1));
  for (; d < dim; ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

}  // namespace

AssignKernel const assign_kernel_avx2 = {rows, best, second, l2_squared, nullptr};

}  // namespace strata::cluster
#endif
