// Hamming and Jaccard counts over 64-bit words; the including translation unit defines count_bits(uint64_t) before.
#pragma once
#include "core/math/kernels.hpp"

namespace strata::math {
namespace {

inline uint64_t load_word(void const* p, size_t offset, size_t size) {
  uint64_t word = 0;
  __builtin_memcpy(&word, static_cast<char const*>(p) + offset, size);
  return word;
}

uint64_t hamming_of(size_t byte_count, void const* a, void const* b) {
  uint64_t count = 0;
  size_t i = 0;
  for (; byte_count - i >= 8; i += 8) count += count_bits(load_word(a, i, 8) ^ load_word(b, i, 8));
  if (i < byte_count) count += count_bits(load_word(a, i, byte_count - i) ^ load_word(b, i, byte_count - i));
  return count;
}

JaccardParts jaccard_parts_of(size_t byte_count, void const* a, void const* b) {
  JaccardParts parts{0, 0};
  size_t i = 0;
  for (; byte_count - i >= 8; i += 8) {
    uint64_t const x = load_word(a, i, 8), y = load_word(b, i, 8);
    parts.both += count_bits(x & y);
    parts.any += count_bits(x | y);
  }
  if (i < byte_count) {
    uint64_t const x = load_word(a, i, byte_count - i), y = load_word(b, i, byte_count - i);
    parts.both += count_bits(x & y);
    parts.any += count_bits(x | y);
  }
  return parts;
}

}  // namespace
}  // namespace strata::math
