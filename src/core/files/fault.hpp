// What is wrong with a file of vectors, and where: a value, so that it may be alive across a jump of the server.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace strata::files {

enum class FaultKind : uint8_t {
  none = 0,
  not_npy,           // no magic bytes
  npy_version,       // found
  npy_header_size,   // found, expected: the most that is read
  npy_header,        // `text`: what is wrong
  npy_type,          // `text`: the type that was found
  npy_order,         // column by column
  npy_axes,          // found
  row_count,         // rows * dimension does not fit
  header_cut_off,    // found: bytes that there are, expected
  row_cut_off,       // found: bytes of the row that there are, expected
  bytes_after_rows,  // found: at least so many
  dim_range,         // found, expected: the most
  dim_expected,      // found, expected: what the caller asks for
  dim_mixed,         // found, expected: that of the first row
  not_a_number,      // an element, its number in `found`
  infinite,          // an element, its number in `found`
  out_of_range,      // an element, its number in `found`, is beyond the type that it becomes
  not_integer,       // an element, its number in `found`, does not fit the integers of the file that is written
};

// `row` counts from 0. `byte` is an offset from the start of the file: of the row, or of the element that is wrong.
struct Fault {
  FaultKind kind = FaultKind::none;
  uint64_t row = 0;
  uint64_t byte = 0;
  uint64_t found = 0;
  uint64_t expected = 0;
  char text[40] = {};

  bool ok() const { return kind == FaultKind::none; }
};
static_assert(std::is_trivially_destructible_v<Fault> && std::is_trivially_copyable_v<Fault>);

// Whether only the one row is bad, so that the ones after it can be read.
bool is_of_one_row(FaultKind kind);

constexpr size_t fault_text_size = 200;
// What is wrong, with row and byte, lower case and without a full stop; at most fault_text_size bytes with '\0'.
void describe(Fault const& fault, char* text);
// What can be done about it, or null.
char const* advice(FaultKind kind);

}  // namespace strata::files
