#include "core/files/fault.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "core/files/decimal.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {
namespace {

// %r stands for the row, %b for the byte, %f for what was found, %e for what was expected, %t for the text.
char const* pattern_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::not_npy:
      return "byte %b: no npy file starts like this";
    case FaultKind::npy_version:
      return "byte %b: npy version %f is not 1, 2 or 3";
    case FaultKind::npy_header_size:
      return "byte %b: npy header of %f bytes, at most %e are read";
    case FaultKind::npy_order:
      return "byte %b: the array is stored column by column (fortran_order)";
    case FaultKind::npy_axes:
      return "byte %b: array with %f axes, two are needed: rows and dimensions";
    case FaultKind::row_count:
      return "byte %b: %f rows of %e dimensions do not fit into a file";
    case FaultKind::header_cut_off:
      return "byte %b: the file ends inside its header, after %f of %e bytes";
    case FaultKind::row_cut_off:
      return "row %r at byte %b: the file ends after %f of its %e bytes";
    case FaultKind::bytes_after_rows:
      return "byte %b: the file goes on after its %r rows";
    case FaultKind::dim_range:
      return "row %r at byte %b: dimension %f is not in 1 .. %e";
    case FaultKind::dim_expected:
      return "row %r at byte %b: %f dimensions, expected %e";
    case FaultKind::dim_mixed:
      return "row %r at byte %b: %f dimensions, the first row has %e";
    case FaultKind::not_a_number:
      return "row %r at byte %b: element %f is NaN";
    case FaultKind::infinite:
      return "row %r at byte %b: element %f is infinite";
    case FaultKind::out_of_range:
      return "row %r at byte %b: element %f is out of range";
    case FaultKind::not_integer:
      return "row %r: element %f is no integer of the file's range";
    case FaultKind::npy_header:
      return "byte %b: damaged npy header: %t";
    case FaultKind::npy_type:
      return "byte %b: npy elements of type %t";
    case FaultKind::none:
      break;
  }
  return "no fault";
}

// Appends to [at, end), as far as there is room.
char* append(char* at, char const* end, std::string_view text) {
  size_t const size = std::min(text.size(), static_cast<size_t>(end - at));
  std::memcpy(at, text.data(), size);
  return at + size;
}

char* append(char* at, char const* end, uint64_t number) {
  char digits[decimal_size_max];
  return append(at, end, std::string_view(digits, put_decimal(number, digits)));
}

}  // namespace

bool is_of_one_row(FaultKind kind) {
  return kind == FaultKind::dim_mixed || kind == FaultKind::not_a_number || kind == FaultKind::infinite ||
         kind == FaultKind::out_of_range;
}

void describe(Fault const& fault, char* text) {
  char const* const end = text + fault_text_size - 1;
  char* at = text;
  for (char const* pattern = pattern_of(fault.kind); *pattern != '\0'; ++pattern) {
    if (*pattern != '%') {
      at = append(at, end, std::string_view(pattern, 1));
      continue;
    }
    switch (*++pattern) {
      case 'r':
        at = append(at, end, fault.row);
        break;
      case 'b':
        at = append(at, end, fault.byte);
        break;
      case 'f':
        at = append(at, end, fault.found);
        break;
      case 'e':
        at = append(at, end, fault.expected);
        break;
      default:
        at = append(at, end, std::string_view(fault.text));
    }
  }
  *at = '\0';
}

char const* advice(FaultKind kind) {
  switch (kind) {
    case FaultKind::npy_order:
      return "Save it with numpy.ascontiguousarray().";
    case FaultKind::npy_type:
      return "Supported are <f4, <f2, <f8, |u1, |i1 and <i4: save it with astype('<f4').";
    case FaultKind::npy_axes:
      return "Save it with reshape(rows, dimensions).";
    case FaultKind::dim_range:
      return "Is it a file of another format, or a damaged one?";
    case FaultKind::row_cut_off:
    case FaultKind::header_cut_off:
    case FaultKind::bytes_after_rows:
      return "Was the file copied whole?";
    default:
      return nullptr;
  }
}

}  // namespace strata::files
