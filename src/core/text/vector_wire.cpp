#include "core/text/vector_wire.hpp"

#include <bit>
#include <cstring>

#include "core/base/core_only.hpp"

namespace strata::text {

namespace {

uint16_t big_endian(uint16_t word) {
  return std::endian::native == std::endian::little ? __builtin_bswap16(word) : word;
}
uint32_t big_endian(uint32_t word) {
  return std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
}

template <class Word>
void swap_words(uint32_t count, void const* source, void* target) {
  auto const* from = static_cast<unsigned char const*>(source);
  auto* to = static_cast<unsigned char*>(target);
  for (size_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, from + i * sizeof word, sizeof word);
    word = big_endian(word);
    std::memcpy(to + i * sizeof word, &word, sizeof word);
  }
}

// An IEEE number is NaN or infinite when all bits of its exponent are set.
template <class Word>
Fault check_finite(uint32_t count, void const* numbers, Word exponent, Word mantissa) {
  auto const* from = static_cast<unsigned char const*>(numbers);
  for (size_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, from + i * sizeof word, sizeof word);
    if ((word & exponent) == exponent) return (word & mantissa) != 0 ? Fault::not_a_number : Fault::infinite;
  }
  return Fault::none;
}

}  // namespace

void swap_words16(uint32_t count, void const* source, void* target) noexcept {
  swap_words<uint16_t>(count, source, target);
}

void swap_words32(uint32_t count, void const* source, void* target) noexcept {
  swap_words<uint32_t>(count, source, target);
}

Fault check_floats(uint32_t count, void const* floats) noexcept {
  return check_finite<uint32_t>(count, floats, 0x7f800000u, 0x007fffffu);
}

Fault check_halves(uint32_t count, void const* halves) noexcept {
  return check_finite<uint16_t>(count, halves, 0x7c00u, 0x03ffu);
}

}  // namespace strata::text
