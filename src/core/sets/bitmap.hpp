// Plain bitmaps in memory or on pages: bit i is bit i % 8 of byte i / 8, so a byte that changes is the byte to log, and
// a bitmap can be cut at any byte. No alignment is required. Whole 64-bit words are read through memcpy and never past
// the last byte that holds a bit of the range asked for. Ranges are half-open and counted in bits.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace strata::sets {

constexpr size_t bitmap_size(size_t bit_count) {
  return (bit_count + 7) / 8;
}  // bytes

inline bool bitmap_test(void const* bits, size_t index) {
  return (static_cast<uint8_t const*>(bits)[index >> 3] >> (index & 7)) & 1;
}

// Returns whether the bit was clear before.
inline bool bitmap_set(void* bits, size_t index) {
  uint8_t& byte = static_cast<uint8_t*>(bits)[index >> 3];
  uint8_t mask = static_cast<uint8_t>(1U << (index & 7));
  bool was_clear = (byte & mask) == 0;
  byte |= mask;
  return was_clear;
}

// Returns whether the bit was set before.
inline bool bitmap_clear(void* bits, size_t index) {
  uint8_t& byte = static_cast<uint8_t*>(bits)[index >> 3];
  uint8_t mask = static_cast<uint8_t>(1U << (index & 7));
  bool was_set = (byte & mask) != 0;
  byte = static_cast<uint8_t>(byte & ~mask);
  return was_set;
}

namespace detail {

// Bits [64 * word, 64 * word + 64) of a bitmap that ends at byte `size`; bits past the end read as zero.
inline uint64_t bitmap_word(uint8_t const* bytes, size_t size, size_t word) {
  size_t offset = word * 8;
  size_t left = size - offset;
  uint64_t value = 0;
  if (left >= 8) {
    std::memcpy(&value, bytes + offset, 8);
    if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  } else {
    for (size_t i = 0; i < left; ++i) value |= uint64_t{bytes[offset + i]} << (8 * i);
  }
  return value;
}

// Calls fn(first bit of the word, word masked to [begin, end)) for each word that overlaps the range.
template <class Fn>
inline void bitmap_for_each_word(void const* bits, size_t begin, size_t end, Fn&& fn) {
  if (begin >= end) return;
  auto const* bytes = static_cast<uint8_t const*>(bits);
  size_t size = bitmap_size(end);
  size_t last = (end - 1) / 64;
  for (size_t word = begin / 64; word <= last; ++word) {
    uint64_t value = bitmap_word(bytes, size, word);
    if (word == begin / 64) value &= ~uint64_t{0} << (begin % 64);
    if (word == last) value &= ~uint64_t{0} >> (63 - (end - 1) % 64);
    fn(word * 64, value);
  }
}

}  // namespace detail

// Set bits in [begin, end).
inline size_t bitmap_count(void const* bits, size_t begin, size_t end) {
  size_t count = 0;
  detail::bitmap_for_each_word(bits, begin, end, [&](size_t, uint64_t word) { count += std::popcount(word); });
  return count;
}

// Calls fn(index) for every set bit in [begin, end), ascending.
template <class Fn>
inline void bitmap_for_each_set(void const* bits, size_t begin, size_t end, Fn&& fn) {
  detail::bitmap_for_each_word(bits, begin, end, [&](size_t first, uint64_t word) {
    for (; word != 0; word &= word - 1) fn(first + static_cast<size_t>(std::countr_zero(word)));
  });
}

// Whether any bit in [begin, end) is set.
inline bool bitmap_any(void const* bits, size_t begin, size_t end) {
  bool any = false;
  detail::bitmap_for_each_word(bits, begin, end, [&](size_t, uint64_t word) { any |= word != 0; });
  return any;
}

// ORs the first bit_count bits of `source` into `target`; returns how many became set. Bits of target's last byte
// beyond bit_count are left alone. The two must not overlap.
inline size_t bitmap_merge(void* target, void const* source, size_t bit_count) {
  size_t added = 0;
  auto* bytes = static_cast<uint8_t*>(target);
  detail::bitmap_for_each_word(source, 0, bit_count, [&](size_t first, uint64_t word) {
    if (word == 0) return;
    size_t size = bitmap_size(bit_count);
    uint64_t before = detail::bitmap_word(bytes, size, first / 64);
    added += static_cast<size_t>(std::popcount(word & ~before));
    uint64_t after = before | word;
    for (size_t i = 0; i < 8 && first / 8 + i < size; ++i)
      bytes[first / 8 + i] = static_cast<uint8_t>(after >> (8 * i));
  });
  return added;
}

// The 32 bits [begin, begin + 32) of a bitmap of bit_count bits as a mask, zero past the end: one block of a scan.
inline uint32_t bitmap_mask32(void const* bits, size_t bit_count, size_t begin) {
  uint64_t mask = 0;
  size_t end = begin + 32 < bit_count ? begin + 32 : bit_count;
  detail::bitmap_for_each_word(bits, begin, end, [&](size_t first, uint64_t word) {
    mask |= first >= begin ? word << (first - begin) : word >> (begin - first);
  });
  return static_cast<uint32_t>(mask);
}

}  // namespace strata::sets
