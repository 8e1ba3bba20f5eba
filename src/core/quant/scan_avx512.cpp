// Scan kernels for AVX-512 with VBMI and VNNI: after a 16 x 4 transpose of the bytes of a unit, the four bytes of a
// 32-bit lane are the four groups of one row; one permutation looks up 64 bytes in the unit's four tables, and one dot
// product with the weight adds them to the row's 32-bit sum. Nothing overflows below 2^31 and nothing has to be folded.
#if defined(__x86_64__)
#include <immintrin.h>

#include "core/quant/query_table.hpp"

namespace strata::quant {
namespace {

// Two vectors of sixteen 32-bit sums: rows 0..15, 16..31.
struct RowSums {
  __m512i rows[2];
};

inline RowSums zero_sums() {
  return {{_mm512_setzero_si512(), _mm512_setzero_si512()}};
}

inline RowSums load_sums(uint32_t const* sums) {
  return {{_mm512_loadu_si512(sums), _mm512_loadu_si512(sums + 16)}};
}

inline void store_sums(uint32_t* sums, RowSums const& total) {
  _mm512_storeu_si512(sums, total.rows[0]);
  _mm512_storeu_si512(sums + 16, total.rows[1]);
}

// Byte 4 v + g of a transposed unit is byte 16 g + v: row v of group g.
alignas(64) constexpr uint8_t transpose[64] = {0,  16, 32, 48, 1,  17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51,
                                               4,  20, 36, 52, 5,  21, 37, 53, 6,  22, 38, 54, 7,  23, 39, 55,
                                               8,  24, 40, 56, 9,  25, 41, 57, 10, 26, 42, 58, 11, 27, 43, 59,
                                               12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63};

struct UnitLookup {
  __m512i order, table_of_byte, mask, weights;

  void add(uint8_t const* entries, uint8_t const* units, __m512i& low_rows, __m512i& high_rows) const {
    __m512i const codes = _mm512_maskz_permutexvar_epi8(~__mmask64{0}, order, _mm512_loadu_si512(units));
    __m512i const table = _mm512_loadu_si512(entries);
    // (codes & mask) | table_of_byte
    __m512i const low = _mm512_ternarylogic_epi64(codes, mask, table_of_byte, 0xea);
    __m512i const high = _mm512_ternarylogic_epi64(_mm512_srli_epi16(codes, 4), mask, table_of_byte, 0xea);
    low_rows = _mm512_dpbusd_epi32(low_rows, _mm512_maskz_permutexvar_epi8(~__mmask64{0}, low, table), weights);
    high_rows = _mm512_dpbusd_epi32(high_rows, _mm512_maskz_permutexvar_epi8(~__mmask64{0}, high, table), weights);
  }
};

// Two pairs of accumulators, because one dot product takes longer than the look-ups of one unit.
inline void add_plane(uint8_t const* entries, uint8_t const* units, uint32_t unit_count, uint32_t weight,
                      RowSums& total) {
  UnitLookup const lookup{_mm512_load_si512(transpose), _mm512_set1_epi32(0x30201000), _mm512_set1_epi8(15),
                          _mm512_set1_epi8(char(weight))};
  __m512i low = _mm512_setzero_si512(), high = low;
  uint32_t unit = 0;
  for (; unit + 2 <= unit_count; unit += 2, entries += 128, units += 128) {
    lookup.add(entries, units, total.rows[0], total.rows[1]);
    lookup.add(entries + 64, units + 64, low, high);
  }
  if (unit < unit_count) lookup.add(entries, units, total.rows[0], total.rows[1]);
  total.rows[0] = _mm512_add_epi32(total.rows[0], low);
  total.rows[1] = _mm512_add_epi32(total.rows[1], high);
}

inline __m512 halves(uint8_t const* p) {
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)));
}

inline uint32_t finish_sums(QueryTable const* table, RowSums const& total, uint8_t const* factors,
                            ScanBounds const* bounds, float* lower_bounds) {
  __m512 const step = _mm512_set1_ps(table->step), bias = _mm512_set1_ps(table->bias);
  __m512 const base = _mm512_set1_ps(bounds->base), gain = _mm512_set1_ps(bounds->gain);
  __m512 const threshold = _mm512_set1_ps(bounds->threshold);
  __m512 const lowest = _mm512_set1_ps(-__builtin_inff()), highest = _mm512_set1_ps(__FLT_MAX__);
  uint32_t survivors = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    __m512 const product = _mm512_fmadd_ps(_mm512_maskz_cvtepi32_ps(0xffff, total.rows[i]), step, bias);
    __m512 const add = _mm512_loadu_ps(factors + 64 * i);
    __m512 const estimate = _mm512_fmadd_ps(halves(factors + 128 + 32 * i), product, _mm512_add_ps(add, base));
    __m512 bound = _mm512_fnmadd_ps(halves(factors + 192 + 32 * i), gain, estimate);
    // The maximum takes its second operand when the first is NaN.
    bound = _mm512_maskz_min_ps(0xffff, _mm512_maskz_max_ps(0xffff, bound, lowest), highest);
    survivors |= uint32_t(_mm512_cmp_ps_mask(bound, threshold, _CMP_LT_OQ)) << (16 * i);
    if (lower_bounds) _mm512_storeu_ps(lower_bounds + 16 * i, bound);
  }
  return survivors;
}

}  // namespace
}  // namespace strata::quant

#include "core/quant/survivors_body.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

constexpr ScanKernels scan_kernels_avx512 = {add_units, finish, scan_one, scan_many};

}  // namespace strata::quant
#endif
