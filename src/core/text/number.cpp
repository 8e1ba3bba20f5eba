#include "core/text/number.hpp"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/base/core_only.hpp"

namespace strata::text {

namespace {

FloatToken read_float_by_libc(char const* begin) {
  FloatToken token;
  char* end = nullptr;
  int const errno_before = errno;
  errno = 0;
  token.value = std::strtof(begin, &end);
  token.end = end;
  token.out_of_range = errno == ERANGE && (token.value == 0 || std::isinf(token.value));
  errno = errno_before;
  return token;
}

}  // namespace

FloatToken read_float(char const* begin, char const* end) noexcept {
  FloatToken token;
  auto const [stop, error] = std::from_chars(begin, end, token.value);
  // A hexadecimal number is a zero to from_chars, which leaves the rest.
  bool const plain = error == std::errc() && token.value != 0 && std::isfinite(token.value);
  if (!plain) return read_float_by_libc(begin);
  token.end = stop;
  return token;
}

IntegerToken read_integer(char const* begin, char const* end) noexcept {
  char const* p = begin;
  bool negative = false;
  if (p != end && (*p == '-' || *p == '+')) negative = *p++ == '-';
  char const* const digits = p;
  constexpr uint64_t magnitude_max = std::numeric_limits<int64_t>::max();
  uint64_t magnitude = 0;
  for (; p != end && *p >= '0' && *p <= '9'; ++p) {
    uint64_t const digit = static_cast<uint64_t>(*p - '0');
    magnitude = magnitude > (magnitude_max - digit) / 10 ? magnitude_max : magnitude * 10 + digit;
  }
  if (p == digits) return {begin, 0};
  int64_t const value = static_cast<int64_t>(magnitude);
  return {p, negative ? -value : value};
}

}  // namespace strata::text
