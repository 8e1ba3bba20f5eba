// IEEE 754 half precision. The benchmark has its own conversion so that it does not share code with what it judges.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace strata::bench {

inline float half_to_float(uint16_t half) {
  uint32_t const sign = uint32_t(half & 0x8000U) << 16;
  uint32_t const exponent = (half >> 10) & 0x1fU;
  uint32_t const mantissa = half & 0x3ffU;
  if (exponent == 0) {  // zero and subnormal: mantissa * 2^-24
    float const magnitude = std::ldexp(float(mantissa), -24);
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

// Round to nearest even; too large becomes infinity.
inline uint16_t float_to_half(float value) {
  uint32_t const bits = std::bit_cast<uint32_t>(value);
  uint16_t const sign = uint16_t((bits >> 16) & 0x8000U);
  uint32_t const magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return uint16_t(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return uint16_t(sign | 0x7c00U);
  if (magnitude < 0x38800000U) {  // below 2^-14: count steps of 2^-24; nearbyint rounds halves to even
    return uint16_t(sign | uint32_t(std::nearbyint(std::ldexp(std::bit_cast<float>(magnitude), 24))));
  }
  uint32_t const rebased = magnitude - 0x38000000U;
  return uint16_t(sign | ((rebased + 0xfffU + ((rebased >> 13) & 1U)) >> 13));
}

}  // namespace strata::bench
