// Numbers at the front of a piece of text, with the grammar and the rounding of C's strtof and strtol in the C locale.
// Decimal numbers go through std::from_chars, which is several times faster; whatever it does not take the same way (a
// plus sign, hexadecimal digits, names, results of zero or beyond the range) is left to strtof.
#pragma once
#include <cstdint>

namespace strata::text {

struct FloatToken {
  char const* end = nullptr;  // after the number; equal to the start if there is none
  float value = 0;            // nearest float; infinity or zero if the number is outside the range
  bool out_of_range = false;  // the number is finite but `value` is infinite, or not zero but `value` is
};

struct IntegerToken {
  char const* end = nullptr;  // after the number; equal to the start if there is none
  int64_t value = 0;          // saturated
};

constexpr bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// Require: [begin, end) is readable and *end is '\0'; *begin is not a space. Never read behind `end`.
FloatToken read_float(char const* begin, char const* end) noexcept;
IntegerToken read_integer(char const* begin, char const* end) noexcept;

}  // namespace strata::text
