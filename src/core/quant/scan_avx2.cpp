// Scan kernels for AVX2, FMA and F16C: byte shuffles as table look-ups, as in the fast scan of Andre, Kermarrec and
// Le Scouarnec (VLDB 2015).
#if defined(__x86_64__)
#include <immintrin.h>

#include "core/quant/query_table.hpp"

namespace strata::quant {
namespace {

// Four vectors of eight 32-bit sums: rows 0..7, 8..15, 16..23, 24..31.
struct RowSums {
  __m256i rows[4];
};

inline RowSums zero_sums() {
  __m256i const zero = _mm256_setzero_si256();
  return {{zero, zero, zero, zero}};
}

inline RowSums load_sums(uint32_t const* sums) {
  RowSums total;
  for (uint32_t i = 0; i < 4; ++i) total.rows[i] = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(sums + 8 * i));
  return total;
}

inline void store_sums(uint32_t* sums, RowSums const& total) {
  for (uint32_t i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8 * i), total.rows[i]);
}

// 16-bit sums of up to short_sum_units units. Byte j of a look-up belongs to row j % 16, and the two halves of a vector
// to different groups. `all` adds up whole 16-bit words, odd byte included, modulo 2^16; `odd` the odd bytes alone; so
// the even ones are all - 256 odd modulo 2^16, exact because the true sum is below 2^16.
struct ShortSums {
  __m256i low_all, low_odd, high_all, high_odd;

  // Byte sums of up to four look-ups: 4 * 63 < 256.
  void take(__m256i low, __m256i high) {
    low_all = _mm256_add_epi16(low_all, low);
    low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(low, 8));
    high_all = _mm256_add_epi16(high_all, high);
    high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(high, 8));
  }
};

inline void look_up(uint8_t const* entries, uint8_t const* units, __m256i& low, __m256i& high) {
  __m256i const mask = _mm256_set1_epi8(15);
  __m256i const codes = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(units));
  __m256i const table = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(entries));
  low = _mm256_add_epi8(low, _mm256_shuffle_epi8(table, _mm256_and_si256(codes, mask)));
  high = _mm256_add_epi8(high, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask)));
}

// Adds the two halves, puts even and odd rows in order, widens and adds 16 rows.
inline void widen(__m256i all, __m256i odd, uint32_t shift, __m256i* rows) {
  __m256i const even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
  __m128i const even_sum = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
  __m128i const odd_sum = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
  __m128i const count = _mm_cvtsi32_si128(int(shift));
  __m256i const first = _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(even_sum, odd_sum));
  __m256i const second = _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(even_sum, odd_sum));
  rows[0] = _mm256_add_epi32(rows[0], _mm256_sll_epi32(first, count));
  rows[1] = _mm256_add_epi32(rows[1], _mm256_sll_epi32(second, count));
}

inline void add_plane(uint8_t const* entries, uint8_t const* units, uint32_t unit_count, uint32_t weight,
                      RowSums& total) {
  __m256i const zero = _mm256_setzero_si256();
  while (unit_count > 0) {
    uint32_t const count = unit_count < short_sum_units ? unit_count : short_sum_units;
    ShortSums sums{zero, zero, zero, zero};
    uint32_t unit = 0;
    for (; unit + 2 <= count; unit += 2, entries += 128, units += 128) {
      __m256i low = zero, high = zero;
      look_up(entries, units, low, high);
      look_up(entries + 32, units + 32, low, high);
      look_up(entries + 64, units + 64, low, high);
      look_up(entries + 96, units + 96, low, high);
      sums.take(low, high);
    }
    if (unit < count) {
      __m256i low = zero, high = zero;
      look_up(entries, units, low, high);
      look_up(entries + 32, units + 32, low, high);
      sums.take(low, high);
      entries += 64;
      units += 64;
    }
    widen(sums.low_all, sums.low_odd, weight - 1, total.rows);
    widen(sums.high_all, sums.high_odd, weight - 1, total.rows + 2);
    unit_count -= count;
  }
}

inline __m256 halves(uint8_t const* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
}

inline uint32_t finish_sums(QueryTable const* table, RowSums const& total, uint8_t const* factors,
                            ScanBounds const* bounds, float* lower_bounds) {
  __m256 const step = _mm256_set1_ps(table->step), bias = _mm256_set1_ps(table->bias);
  __m256 const base = _mm256_set1_ps(bounds->base), gain = _mm256_set1_ps(bounds->gain);
  __m256 const threshold = _mm256_set1_ps(bounds->threshold);
  __m256 const lowest = _mm256_set1_ps(-__builtin_inff()), highest = _mm256_set1_ps(__FLT_MAX__);
  uint32_t survivors = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    __m256 const product = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total.rows[i]), step, bias);
    __m256 const add = _mm256_loadu_ps(reinterpret_cast<float const*>(factors + 32 * i));
    __m256 const estimate = _mm256_fmadd_ps(halves(factors + 128 + 16 * i), product, _mm256_add_ps(add, base));
    __m256 bound = _mm256_fnmadd_ps(halves(factors + 192 + 16 * i), gain, estimate);
    // The maximum takes its second operand when the first is NaN.
    bound = _mm256_min_ps(_mm256_max_ps(bound, lowest), highest);
    survivors |= uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(bound, threshold, _CMP_LT_OQ))) << (8 * i);
    if (lower_bounds) _mm256_storeu_ps(lower_bounds + 8 * i, bound);
  }
  return survivors;
}

}  // namespace
}  // namespace strata::quant

#include "core/quant/bounds_body.hpp"
#include "core/quant/survivors_body.hpp"

namespace strata::quant {

constexpr ScanKernels scan_kernels_avx2 = {add_units, finish, scan_one, scan_many, scale_all, collect_below};

}  // namespace strata::quant
#endif

#include "core/base/core_only.hpp"
