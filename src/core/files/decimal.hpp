// Decimal digits. std::to_chars would do it, but its table of digits becomes a symbol that the library exports.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::files {

constexpr size_t decimal_size_max = 20;

// Writes the digits of a number to `out` and returns how many there are, at most decimal_size_max.
inline size_t put_decimal(uint64_t number, char* out) {
  char reversed[decimal_size_max];
  size_t count = 0;
  do {
    reversed[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  for (size_t i = 0; i < count; ++i) out[i] = reversed[count - 1 - i];
  return count;
}

}  // namespace strata::files
