#include "core/math/half.hpp"

#include <bit>

#include "core/base/core_only.hpp"

namespace strata::math {

namespace {
constexpr uint32_t float_infinity = 0x7f800000;
constexpr uint16_t half_infinity = 0x7c00;
}  // namespace

float half_to_float(uint16_t half) {
  uint32_t const sign = uint32_t(half & 0x8000) << 16;
  uint32_t const magnitude = half & 0x7fff;
  uint32_t bits;
  if (magnitude < 0x400) {
    bits = std::bit_cast<uint32_t>(float(magnitude) * 0x1p-24f);  // subnormal or zero: exact
  } else if (magnitude < half_infinity) {
    bits = (magnitude << 13) + (112u << 23);  // exponent bias 15 -> 127
  } else {
    bits = (magnitude << 13) | float_infinity;
    if (magnitude > half_infinity) bits |= 0x400000;  // quiet, as the hardware conversions do
  }
  return std::bit_cast<float>(sign | bits);
}

uint16_t float_to_half(float value) {
  uint32_t const bits = std::bit_cast<uint32_t>(value);
  uint16_t const sign = uint16_t((bits >> 16) & 0x8000);
  uint32_t const magnitude = bits & 0x7fffffff;
  if (magnitude > float_infinity) return uint16_t(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x47800000) return sign | half_infinity;  // 2^16 and above
  if (magnitude < 0x38800000) {
    // Below 2^-14: adding 2^-1 leaves the subnormal half, rounded to nearest even, in the lowest bits of the sum.
    float const sum = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<uint32_t>(sum) - 0x3f000000));
  }
  // Round to nearest even on the 13 bits that are lost; a carry runs into the exponent and, from 65520 on, to infinity.
  uint32_t const rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return uint16_t(sign | ((rounded - (112u << 23)) >> 13));
}

uint16_t float_to_half_up(float value) {
  if (value != value) return half_infinity;
  if (!(value > 0)) return 0;
  uint16_t half = float_to_half(value);
  if (half_to_float(half) < value) ++half;  // positive halves are ordered like their bits; the last one leads to +inf
  return half;
}

}  // namespace strata::math
