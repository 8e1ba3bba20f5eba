// IEEE 754 half precision <-> single, without relying on compiler support for a half type; and integers of as many
// bits.
#pragma once
#include <cstdint>

namespace strata::math {

float half_to_float(uint16_t half);
uint16_t float_to_half(float value);     // round to nearest even; overflow gives infinity
uint16_t float_to_half_up(float value);  // smallest half >= value, for value >= 0; +inf when out of range
void halves_to_floats(uint32_t count, void const* halves, float* floats);  // dispatched; `halves` needs no alignment

// floats[i] = scale times the i-th int16, rounded once; dispatched. `shorts` needs no alignment.
void shorts_to_floats(uint32_t count, void const* shorts, float scale, float* floats);

}  // namespace strata::math
