// Strategy: a decoder with a planted bug, it trusts a length that it read. Invariant: this target fails; ctest expects
// that, and a run that passes means that the fuzzers would find nothing elsewhere either.
//
//   | size | bytes[size] | checksum = sum of the bytes |
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "fuzz/fuzz.hpp"

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size < 2) return 0;
  size_t const length = data[0];
  if (length + 2 > size + 1) return 0;  // the bug: one byte too far
  // Without a sanitizer reading one byte too far is silent.
  if (length + 2 > size) std::abort();
  uint8_t const sum = std::accumulate(data + 1, data + 1 + length, uint8_t{0});
  return sum == data[1 + length] ? 0 : 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  size_t const length = 10 * (number + 1);
  if (number > 3 || capacity < length + 2) return 0;
  out[0] = static_cast<uint8_t>(length);
  std::memset(out + 1, 1, length);
  out[1 + length] = static_cast<uint8_t>(length);
  return length + 2;
}
