// Distances for AVX-512 with VPOPCNTDQ.
#if defined(__x86_64__)
#include "core/math/lanes_avx512.hpp"

#include "core/math/distance_body.hpp"

namespace strata::math {
namespace {

inline __m512i load_bits(void const* p, size_t offset, size_t byte_count) {
  void const* address = static_cast<char const*>(p) + offset;
  if (byte_count >= 64) return _mm512_loadu_si512(address);
  return _mm512_maskz_loadu_epi8((__mmask64{1} << byte_count) - 1, address);
}

inline uint64_t lane_sum(__m512i counts) {
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, counts);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

uint64_t hamming_of(size_t byte_count, void const* a, void const* b) {
  __m512i count = _mm512_setzero_si512();
  for (size_t i = 0; i < byte_count; i += 64) {
    __m512i const different = _mm512_xor_si512(load_bits(a, i, byte_count - i), load_bits(b, i, byte_count - i));
    count = _mm512_add_epi64(count, _mm512_popcnt_epi64(different));
  }
  return lane_sum(count);
}

JaccardParts jaccard_parts_of(size_t byte_count, void const* a, void const* b) {
  __m512i both = _mm512_setzero_si512(), any = both;
  for (size_t i = 0; i < byte_count; i += 64) {
    __m512i const x = load_bits(a, i, byte_count - i), y = load_bits(b, i, byte_count - i);
    both = _mm512_add_epi64(both, _mm512_popcnt_epi64(_mm512_and_si512(x, y)));
    any = _mm512_add_epi64(any, _mm512_popcnt_epi64(_mm512_or_si512(x, y)));
  }
  return {lane_sum(both), lane_sum(any)};
}

}  // namespace
}  // namespace strata::math

#include "core/math/kernels_body.hpp"

namespace strata::math {

constexpr Kernels kernels_avx512 = kernels_here;

}  // namespace strata::math
#endif

#include "core/base/core_only.hpp"
