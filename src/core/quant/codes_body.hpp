// Encoders and the plain dot product of the codes over the lanes of one instruction set; included once per translation
// unit, after its lanes_*.hpp.
#pragma once
#include "core/quant/code_kernels.hpp"

namespace strata::quant {
namespace {

using namespace lanes;

constexpr uint32_t parts = 16 / lane_count;  // vectors in 16 dimensions

template <bool centred>
inline void encode_signs_of(uint32_t n, float const* z, float const* c, uint16_t* bits, SignSums* sums) {
  F norm2[parts], l1[parts], sign_centroid[parts];
  for (uint32_t p = 0; p < parts; ++p) norm2[p] = l1[p] = sign_centroid[p] = zero();
  for (uint32_t i = 0; i < n; i += 16) {
    uint32_t unit_bits = 0;
#pragma GCC unroll 4
    for (uint32_t p = 0; p < parts; ++p) {
      uint32_t const at = i + p * lane_count;
      F const centroid = centred ? load(c + at) : zero();
      F const r = sub(load(z + at), centroid);
      auto const positive = greater(r, zero());
      unit_bits |= bits_of(positive) << (p * lane_count);
      norm2[p] = mul_add(r, r, norm2[p]);
      l1[p] = add(l1[p], abs(r));
      if constexpr (centred) sign_centroid[p] = add(sign_centroid[p], negate_unless(positive, centroid));
    }
    bits[i / 16] = uint16_t(unit_bits);
  }
  *sums = {0, 0, 0};
  for (uint32_t p = 0; p < parts; ++p) {
    sums->norm2 += sum(norm2[p]);
    sums->l1 += sum(l1[p]);
    sums->sign_centroid += sum(sign_centroid[p]);
  }
}

void encode_signs(uint32_t n, float const* z, float const* c, uint16_t* bits, SignSums* sums) {
  c ? encode_signs_of<true>(n, z, c, bits, sums) : encode_signs_of<false>(n, z, c, bits, sums);
}

template <bool centred>
inline void encode_magnitudes_of(uint32_t n, float const* z, float const* c, float threshold, uint16_t* bits,
                                 MagnitudeSums* sums) {
  F code_residual[parts], code_centroid[parts];
  for (uint32_t p = 0; p < parts; ++p) code_residual[p] = code_centroid[p] = zero();
  uint32_t large_count = 0;
  F const limit = set1(threshold), high = set1(1.5f), low = set1(0.5f);
  for (uint32_t i = 0; i < n; i += 16) {
    uint32_t positive_bits = 0, large_bits = 0;
#pragma GCC unroll 4
    for (uint32_t p = 0; p < parts; ++p) {
      uint32_t const at = i + p * lane_count;
      F const centroid = centred ? load(c + at) : zero();
      F const r = sub(load(z + at), centroid);
      auto const positive = greater(r, zero());
      auto const large = at_least(abs(r), limit);
      F const magnitude = select(large, high, low);
      positive_bits |= bits_of(positive) << (p * lane_count);
      large_bits |= bits_of(large) << (p * lane_count);
      code_residual[p] = mul_add(magnitude, abs(r), code_residual[p]);
      if constexpr (centred) {
        code_centroid[p] = mul_add(magnitude, negate_unless(positive, centroid), code_centroid[p]);
      }
    }
    large_count += uint32_t(__builtin_popcount(large_bits));
    bits[i / 16] = uint16_t(~(positive_bits ^ large_bits));
  }
  *sums = {0, 0, large_count};
  for (uint32_t p = 0; p < parts; ++p) {
    sums->code_residual += sum(code_residual[p]);
    sums->code_centroid += sum(code_centroid[p]);
  }
}

void encode_magnitudes(uint32_t n, float const* z, float const* c, float threshold, uint16_t* bits,
                       MagnitudeSums* sums) {
  c ? encode_magnitudes_of<true>(n, z, c, threshold, bits, sums)
    : encode_magnitudes_of<false>(n, z, c, threshold, bits, sums);
}

float max_magnitude(uint32_t n, float const* z) {
  F largest = zero();
  for (uint32_t i = 0; i < n; i += lane_count) largest = max(abs(load(z + i)), largest);
  return max_lane(largest);
}

float encode_bytes(uint32_t n, float const* z, float factor, uint8_t* codes) {
  F const f = set1(factor), centre = set1(127.5f);
  F code_z[parts];
  for (uint32_t p = 0; p < parts; ++p) code_z[p] = zero();
  for (uint32_t i = 0; i < n; i += 16) {
#pragma GCC unroll 4
    for (uint32_t p = 0; p < parts; ++p) {
      uint32_t const at = i + p * lane_count;
      F const x = load(z + at);
      F const code = round(mul_add(x, f, centre));
      store_bytes(codes + at, code);
      code_z[p] = mul_add(sub(code, centre), x, code_z[p]);
    }
  }
  float total = 0;
  for (uint32_t p = 0; p < parts; ++p) total += sum(code_z[p]);
  return total;
}

// At most 16,000 * 255^2 < 2^31.
uint32_t byte_norm2(uint32_t n, uint8_t const* codes) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < n; ++i) {
    int32_t const y = 2 * int32_t(codes[i]) - 255;
    total += uint32_t(y * y);
  }
  return total;
}

float byte_residual_norm2(uint32_t n, float const* z, float scale, uint8_t const* codes) {
  F const s = set1(scale), centre = set1(127.5f);
  F norm2[parts];
  for (uint32_t p = 0; p < parts; ++p) norm2[p] = zero();
  for (uint32_t i = 0; i < n; i += 16) {
#pragma GCC unroll 4
    for (uint32_t p = 0; p < parts; ++p) {
      uint32_t const at = i + p * lane_count;
      F const difference = sub(load(z + at), mul(s, sub(load_bytes(codes + at), centre)));
      norm2[p] = mul_add(difference, difference, norm2[p]);
    }
  }
  float total = 0;
  for (uint32_t p = 0; p < parts; ++p) total += sum(norm2[p]);
  return total;
}

void decode_bytes(uint32_t n, float scale, uint8_t const* codes, float* z) {
  F const s = set1(scale), centre = set1(127.5f);
  for (uint32_t i = 0; i < n; i += lane_count) store(z + i, mul(s, sub(load_bytes(codes + i), centre)));
}

float dot_bytes(uint32_t n, float const* w, uint8_t const* codes) {
  F s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  uint32_t i = 0;
  for (; n - i >= 4 * lane_count; i += 4 * lane_count) {
    s0 = mul_add(load_bytes(codes + i), load(w + i), s0);
    s1 = mul_add(load_bytes(codes + i + lane_count), load(w + i + lane_count), s1);
    s2 = mul_add(load_bytes(codes + i + 2 * lane_count), load(w + i + 2 * lane_count), s2);
    s3 = mul_add(load_bytes(codes + i + 3 * lane_count), load(w + i + 3 * lane_count), s3);
  }
  for (; i < n; i += lane_count) s0 = mul_add(load_bytes(codes + i), load(w + i), s0);
  return sum(add(add(s0, s1), add(s2, s3)));
}

}  // namespace
}  // namespace strata::quant
