// CRC-32C (Castagnoli), reflected, as in RFC 3720 appendix B.4. A table of 256 entries: it guards strings of a few kB.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace strata {

namespace detail {
constexpr std::array<uint32_t, 256> crc32c_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    table[i] = crc;
  }
  return table;
}
inline constexpr auto crc32c_entries = crc32c_table();
}  // namespace detail

inline uint32_t crc32c(void const* bytes, size_t size) {
  auto const* at = static_cast<uint8_t const*>(bytes);
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; i++) crc = detail::crc32c_entries[(crc ^ at[i]) & 0xFF] ^ crc >> 8;
  return ~crc;
}

}  // namespace strata
