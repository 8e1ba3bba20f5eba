// Numbers as they lie in files, little-endian and of any alignment, and as PostgreSQL sends them, big-endian.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace strata::files {

template <class Number>
Number with_order(Number number, std::endian order) {
  if (std::endian::native == order || sizeof(Number) == 1) return number;
  auto bytes = std::bit_cast<std::array<unsigned char, sizeof(Number)>>(number);
  std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<Number>(bytes);
}

template <class Number>
Number load_little(void const* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return with_order(number, std::endian::little);
}

template <class Number>
void store_little(Number number, void* to) {
  number = with_order(number, std::endian::little);
  std::memcpy(to, &number, sizeof number);
}

template <class Number>
Number load_big(void const* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return with_order(number, std::endian::big);
}

template <class Number>
void store_big(Number number, void* to) {
  number = with_order(number, std::endian::big);
  std::memcpy(to, &number, sizeof number);
}

}  // namespace strata::files
