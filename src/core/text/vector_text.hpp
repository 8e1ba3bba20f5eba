// The text form of the vector types, as pure functions:
//   vector, halfvec  [1,2.5,-3e-2]          spaces allowed around every token
//   sparsevec        {1:1.5,3:2}/5          index (from 1) : value, then the number of dimensions
// Nothing is allocated; the caller gives room for the elements, see element_count_bound().
#pragma once
#include <cstdint>
#include <string_view>

namespace strata::text {

enum class Fault : uint8_t {
  none = 0,
  syntax,         // not in the grammar
  no_opening,     // the first character is not the opening bracket
  no_dimensions,  // sparsevec: no slash after the elements
  junk,           // text follows a complete value
  empty,          // vector, halfvec: no elements
  too_many,       // more elements than there is room for
  not_a_number,   // an element is NaN
  infinite,       // an element is infinite by name
  out_of_range,   // an element does not fit the element type; see `token`
};

struct DenseText {
  Fault fault = Fault::none;
  uint32_t dim = 0;        // elements written, if there is no fault
  std::string_view token;  // the offending element, for out_of_range
};

struct SparseElement {
  int32_t index;  // from 0; not yet checked against the dimensions
  float value;    // finite, not zero
};

struct SparseText {
  Fault fault = Fault::none;
  uint32_t count = 0;      // elements written, sorted by index; elements of value zero are left out
  int32_t dim = 0;         // as written, saturated to the range of int32
  std::string_view token;  // the offending element, for out_of_range
};

// At most this many elements can be in `text`: one more than there are commas.
uint64_t element_count_bound(std::string_view text) noexcept;

// All require: text.data()[text.size()] is '\0'. Elements too small for the element type become zero in the dense types
// and are out of range in a sparsevec, which stores no zeros.
DenseText parse_vector(std::string_view text, uint32_t capacity, float* elements) noexcept;
DenseText parse_halfvec(std::string_view text, uint32_t capacity, uint16_t* elements) noexcept;
SparseText parse_sparsevec(std::string_view text, uint32_t capacity, SparseElement* elements) noexcept;

enum class IndexFault : uint8_t { none = 0, out_of_bounds, descending, duplicate };

// The first broken rule among indices read in order; `stride` is the distance of two indices in bytes.
IndexFault check_indices(uint32_t count, void const* indices, uint32_t stride, int32_t dim) noexcept;

}  // namespace strata::text
