#include "core/text/vector_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/math/half.hpp"
#include "core/text/number.hpp"

#include "core/base/core_only.hpp"

namespace strata::text {

namespace {

// A position in the text. peek() at the end gives '\0', which no rule of the grammar accepts.
struct Cursor {
  char const* at;
  char const* end;

  explicit Cursor(std::string_view text) : at(text.data()), end(text.data() + text.size()) {}

  void skip_spaces() {
    while (at != end && is_space(*at)) ++at;
  }
  bool at_end() const { return at == end; }
  char peek() const { return *at; }
  // Takes `c` if it is next. Not for '\0'.
  bool take(char c) {
    if (at == end || *at != c) return false;
    ++at;
    return true;
  }
};

struct FloatElement {
  using Type = float;
  static bool encode(float value, float* element) {
    *element = value;
    return true;
  }
};

struct HalfElement {
  using Type = uint16_t;
  // False if a finite value rounds to infinity.
  static bool encode(float value, uint16_t* element) {
    *element = math::float_to_half(value);
    return (*element & 0x7fff) != 0x7c00;
  }
};

// Reads one number. The fault is none, syntax, not_a_number, infinite, or out_of_range for magnitudes that are too
// large; `underflow` tells whether a number other than zero was rounded to zero.
struct Number {
  Fault fault;
  float value;
  bool underflow;
  std::string_view token;
};

Number take_number(Cursor& cursor) {
  FloatToken const token = read_float(cursor.at, cursor.end);
  if (token.end == cursor.at) return {Fault::syntax, 0, false, {}};
  std::string_view const text(cursor.at, static_cast<size_t>(token.end - cursor.at));
  Number number{Fault::none, token.value, token.out_of_range && token.value == 0, text};
  if (std::isnan(token.value)) {
    number.fault = Fault::not_a_number;
  } else if (std::isinf(token.value)) {
    number.fault = token.out_of_range ? Fault::out_of_range : Fault::infinite;
  }
  cursor.at = token.end;
  return number;
}

template <class Element>
DenseText parse_dense(std::string_view text, uint32_t capacity, typename Element::Type* elements) {
  Cursor cursor(text);
  cursor.skip_spaces();
  if (!cursor.take('[')) return {Fault::no_opening, 0, {}};
  cursor.skip_spaces();
  if (cursor.take(']')) return {Fault::empty, 0, {}};
  uint32_t dim = 0;
  for (;;) {
    if (dim == capacity) return {Fault::too_many, 0, {}};
    cursor.skip_spaces();
    Number const number = take_number(cursor);
    if (number.fault != Fault::none) return {number.fault, 0, number.token};
    if (!Element::encode(number.value, &elements[dim])) return {Fault::out_of_range, 0, number.token};
    ++dim;
    cursor.skip_spaces();
    if (cursor.take(']')) break;
    if (!cursor.take(',')) return {Fault::syntax, 0, {}};
  }
  cursor.skip_spaces();
  if (!cursor.at_end()) return {Fault::junk, 0, {}};
  return {Fault::none, dim, {}};
}

int32_t saturate(int64_t value, int32_t lowest) {
  return static_cast<int32_t>(std::clamp<int64_t>(value, lowest, std::numeric_limits<int32_t>::max()));
}

SparseText sparse_fault(Fault fault, std::string_view token = {}) {
  return {fault, 0, 0, token};
}

// The elements up to and with the closing brace.
SparseText take_sparse_elements(Cursor& cursor, uint32_t capacity, SparseElement* elements) {
  cursor.skip_spaces();
  if (cursor.take('}')) return {};
  uint32_t count = 0;
  for (;;) {
    cursor.skip_spaces();
    IntegerToken const index = read_integer(cursor.at, cursor.end);
    if (index.end == cursor.at) return sparse_fault(Fault::syntax);
    cursor.at = index.end;
    cursor.skip_spaces();
    if (!cursor.take(':')) return sparse_fault(Fault::syntax);
    cursor.skip_spaces();
    Number const number = take_number(cursor);
    if (number.fault != Fault::none) return sparse_fault(number.fault, number.token);
    if (number.underflow) return sparse_fault(Fault::out_of_range, number.token);
    if (number.value != 0) {
      if (count == capacity) return sparse_fault(Fault::too_many);
      // One above the lowest int32, so that the step from 1-based to 0-based stays in range.
      elements[count++] = {saturate(index.value, std::numeric_limits<int32_t>::min() + 1) - 1, number.value};
    }
    cursor.skip_spaces();
    if (cursor.take('}')) return {Fault::none, count, 0, {}};
    if (!cursor.take(',')) return sparse_fault(Fault::syntax);
  }
}

}  // namespace

uint64_t element_count_bound(std::string_view text) noexcept {
  return 1 + static_cast<uint64_t>(std::count(text.begin(), text.end(), ','));
}

DenseText parse_vector(std::string_view text, uint32_t capacity, float* elements) noexcept {
  return parse_dense<FloatElement>(text, capacity, elements);
}

DenseText parse_halfvec(std::string_view text, uint32_t capacity, uint16_t* elements) noexcept {
  return parse_dense<HalfElement>(text, capacity, elements);
}

SparseText parse_sparsevec(std::string_view text, uint32_t capacity, SparseElement* elements) noexcept {
  Cursor cursor(text);
  cursor.skip_spaces();
  if (!cursor.take('{')) return sparse_fault(Fault::no_opening);
  SparseText result = take_sparse_elements(cursor, capacity, elements);
  if (result.fault != Fault::none) return result;
  cursor.skip_spaces();
  if (!cursor.take('/')) return sparse_fault(Fault::no_dimensions);
  cursor.skip_spaces();
  IntegerToken const dim = read_integer(cursor.at, cursor.end);
  if (dim.end == cursor.at) return sparse_fault(Fault::syntax);
  cursor.at = dim.end;
  cursor.skip_spaces();
  if (!cursor.at_end()) return sparse_fault(Fault::junk);
  result.dim = saturate(dim.value, std::numeric_limits<int32_t>::min());
  auto const by_index = [](SparseElement const& a, SparseElement const& b) { return a.index < b.index; };
  if (!std::is_sorted(elements, elements + result.count, by_index)) {
    std::sort(elements, elements + result.count, by_index);
  }
  return result;
}

IndexFault check_indices(uint32_t count, void const* indices, uint32_t stride, int32_t dim) noexcept {
  char const* at = static_cast<char const*>(indices);
  int64_t previous = -1;
  for (uint32_t i = 0; i < count; ++i, at += stride) {
    int32_t index;
    std::memcpy(&index, at, sizeof index);
    if (index < 0 || index >= dim) return IndexFault::out_of_bounds;
    if (index < previous) return IndexFault::descending;
    if (index == previous) return IndexFault::duplicate;
    previous = index;
  }
  return IndexFault::none;
}

}  // namespace strata::text
