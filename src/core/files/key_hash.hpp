// The hash of a key of an archive, which its bloom filters hold: FNV-1a of 64 bits over the fields, each with its
// length ahead, so that ('a', 'bc') and ('ab', 'c') differ. Part of the format of archives; the same on every machine.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::files {

constexpr uint64_t key_hash_start = 0xcbf29ce484222325ULL;

constexpr uint64_t add_key_byte(uint64_t hash, unsigned char byte) {
  return (hash ^ byte) * 0x100000001b3ULL;
}

// `bytes` as the server sends the field.
inline uint64_t add_key_field(uint64_t hash, void const* bytes, uint32_t size) {
  for (int shift = 24; shift >= 0; shift -= 8) hash = add_key_byte(hash, static_cast<unsigned char>(size >> shift));
  for (size_t i = 0; i < size; ++i) hash = add_key_byte(hash, static_cast<unsigned char const*>(bytes)[i]);
  return hash;
}

}  // namespace strata::files
