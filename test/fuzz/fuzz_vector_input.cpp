// Strategy: any bytes as text of the vector types and as their elements on the wire. Invariant: nothing is read behind
// the input; what is accepted is finite, in order, and the same again after it was printed and read.
//
//   | kind: vector, halfvec, sparsevec, wire | capacity | text or words |
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/math/half.hpp"
#include "core/text/vector_text.hpp"
#include "core/text/vector_wire.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace strata;

void require(bool condition) {
  if (!condition) std::abort();
}

bool same(void const* a, void const* b, size_t size) {
  return size == 0 || std::memcmp(a, b, size) == 0;
}

std::string print(float value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", static_cast<double>(value));
  return buffer;
}

void check_vector(std::string_view text, uint32_t capacity) {
  std::vector<float> elements(capacity);
  text::DenseText const parsed = text::parse_vector(text, capacity, elements.data());
  if (parsed.fault != text::Fault::none) return;
  require(parsed.dim >= 1 && parsed.dim <= capacity && parsed.dim == text::element_count_bound(text));
  require(text::check_floats(parsed.dim, elements.data()) == text::Fault::none);
  std::string again = "[";
  for (uint32_t i = 0; i < parsed.dim; ++i) again += (i > 0 ? "," : "") + print(elements[i]);
  again += "]";
  std::vector<float> second(capacity);
  require(text::parse_vector(again, capacity, second.data()).dim == parsed.dim);
  require(same(elements.data(), second.data(), parsed.dim * sizeof(float)));
}

void check_halfvec(std::string_view text, uint32_t capacity) {
  std::vector<uint16_t> elements(capacity);
  text::DenseText const parsed = text::parse_halfvec(text, capacity, elements.data());
  if (parsed.fault != text::Fault::none) return;
  require(parsed.dim >= 1 && parsed.dim <= capacity);
  require(text::check_halves(parsed.dim, elements.data()) == text::Fault::none);
  // A halfvec is a vector whose elements were rounded.
  std::vector<float> floats(capacity);
  require(text::parse_vector(text, capacity, floats.data()).dim == parsed.dim);
  for (uint32_t i = 0; i < parsed.dim; ++i) require(math::float_to_half(floats[i]) == elements[i]);
}

void check_sparsevec(std::string_view text, uint32_t capacity) {
  std::vector<text::SparseElement> elements(capacity);
  text::SparseText const parsed = text::parse_sparsevec(text, capacity, elements.data());
  if (parsed.fault != text::Fault::none) return;
  require(parsed.count <= capacity);
  if (text::check_indices(parsed.count, elements.data(), sizeof elements[0], parsed.dim) != text::IndexFault::none)
    return;
  std::string again = "{";
  for (uint32_t i = 0; i < parsed.count; ++i) {
    require(elements[i].value != 0 && std::isfinite(elements[i].value));
    again += (i > 0 ? "," : "") + std::to_string(elements[i].index + 1) + ":" + print(elements[i].value);
  }
  again += "}/" + std::to_string(parsed.dim);
  std::vector<text::SparseElement> second(capacity);
  text::SparseText const reparsed = text::parse_sparsevec(again, capacity, second.data());
  require(reparsed.count == parsed.count && reparsed.dim == parsed.dim);
  require(same(elements.data(), second.data(), parsed.count * sizeof elements[0]));
}

void check_wire(std::vector<char> const& bytes) {
  uint32_t const count = static_cast<uint32_t>(bytes.size() / sizeof(float));
  std::vector<float> floats(count);
  text::swap_words32(count, bytes.data(), floats.data());
  bool finite = true;
  for (float value : floats) finite &= std::isfinite(value);
  require((text::check_floats(count, floats.data()) == text::Fault::none) == finite);
  std::vector<char> again(count * sizeof(float));
  text::swap_words32(count, floats.data(), again.data());
  require(same(again.data(), bytes.data(), again.size()));
  text::check_halves(static_cast<uint32_t>(bytes.size() / sizeof(uint16_t)), bytes.data());
  int64_t previous = -1;
  bool ascending = true;
  for (float value : floats) {
    int32_t const index = std::bit_cast<int32_t>(value);
    ascending &= index > previous && index < 1000;
    previous = index;
  }
  require((text::check_indices(count, floats.data(), sizeof(float), 1000) == text::IndexFault::none) == ascending);
}

}  // namespace

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size < 2) return 0;
  uint32_t const capacity = data[1] % 32;
  // A copy of exactly the size of the input, so that a sanitizer sees any read behind it; text ends in '\0'.
  std::vector<char> bytes(data + 2, data + size);
  if (data[0] % 4 == 3) {
    check_wire(bytes);
    return 0;
  }
  bytes.push_back('\0');
  std::string_view const text(bytes.data(), bytes.size() - 1);
  if (data[0] % 4 == 0) check_vector(text, capacity);
  if (data[0] % 4 == 1) check_halfvec(text, capacity);
  if (data[0] % 4 == 2) check_sparsevec(text, capacity);
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  struct Seed {
    uint8_t kind;
    std::string_view input;
  };
  static constexpr Seed seeds[] = {
      {0, "[1,-2.5,3e4]"},         {0, " [ 0x1p3 , +.5,\t1e-40 ] "},
      {0, "[nan,inf,1e400]"},      {1, "[65504,-6e-8,0.1]"},
      {1, "[1,2,65519,65520]"},    {2, "{1:1.5,3:2}/5"},
      {2, " { 7:1 , 2:-0 } / 9 "}, {2, "{}/1000000000"},
      {2, "{2147483648:1}/-1"},    {3, std::string_view("\0\0\0\1\0\0\0\2\0\0\3\0", 12)},
      {3, "\x3f\x80\x7f\x80"},
  };
  if (number >= std::size(seeds) || capacity < seeds[number].input.size() + 2) return 0;
  out[0] = seeds[number].kind;
  out[1] = 8;
  std::memcpy(out + 2, seeds[number].input.data(), seeds[number].input.size());
  return seeds[number].input.size() + 2;
}
