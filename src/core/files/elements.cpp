#include "core/files/elements.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/check.hpp"
#include "core/files/little_endian.hpp"
#include "core/math/half.hpp"
#include "core/text/vector_wire.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {
namespace {

template <class Stored>
void convert(void const* from, uint32_t count, float* floats) {
  auto const* bytes = static_cast<unsigned char const*>(from);
  for (size_t i = 0; i < count; ++i) floats[i] = static_cast<float>(load_little<Stored>(bytes + i * sizeof(Stored)));
}

// A double beyond the range of float is not infinite, and must not be taken for a number that is.
bool fits_float(double value) {
  return !std::isfinite(value) || std::isfinite(static_cast<float>(value));
}

void convert_elements(Element element, void const* from, uint32_t count, float* floats) {
  switch (element) {
    case Element::u8:
      return convert<uint8_t>(from, count, floats);
    case Element::i8:
      return convert<int8_t>(from, count, floats);
    case Element::i32:
      return convert<int32_t>(from, count, floats);
    case Element::f16:
      if constexpr (std::endian::native == std::endian::little) return math::halves_to_floats(count, from, floats);
      for (size_t i = 0; i < count; ++i)
        floats[i] = math::half_to_float(load_little<uint16_t>(static_cast<char const*>(from) + i * sizeof(uint16_t)));
      return;
    case Element::f32:
      return convert<float>(from, count, floats);
    case Element::f64:
      return convert<double>(from, count, floats);
  }
}

// What is wrong with one element, or none.
FaultKind fault_of(Row const& row, Element element, uint32_t index, Number column, float value) {
  if (element == Element::f64) {
    double const exact = load_little<double>(static_cast<char const*>(row.elements) + size_t{index} * sizeof(double));
    if (!fits_float(exact)) return FaultKind::out_of_range;
  }
  if (std::isnan(value)) return FaultKind::not_a_number;
  if (std::isinf(value)) return FaultKind::infinite;
  if (column == Number::f16 && (math::float_to_half(value) & 0x7fff) == 0x7c00) return FaultKind::out_of_range;
  return FaultKind::none;
}

// Whether the value is a whole number of the range of Stored.
template <class Stored>
bool is_whole(float value) {
  double const exact = value;
  return std::trunc(exact) == exact && exact >= double{std::numeric_limits<Stored>::min()} &&
         exact <= double{std::numeric_limits<Stored>::max()};
}

bool put_element(Element element, float value, char* to) {
  switch (element) {
    case Element::u8:
      if (!is_whole<uint8_t>(value)) return false;
      store_little(static_cast<uint8_t>(value), to);
      return true;
    case Element::i8:
      if (!is_whole<int8_t>(value)) return false;
      store_little(static_cast<int8_t>(value), to);
      return true;
    case Element::i32:
      if (!is_whole<int32_t>(value)) return false;
      store_little(static_cast<int32_t>(value), to);
      return true;
    case Element::f16:
      store_little(math::float_to_half(value), to);
      return true;
    case Element::f32:
      store_little(value, to);
      return true;
    case Element::f64:
      store_little(static_cast<double>(value), to);
      return true;
  }
  return false;
}

}  // namespace

bool row_to_floats(Row const& row, Element element, uint32_t dim, Number column, float* floats, Fault* fault) {
  convert_elements(element, row.elements, dim, floats);
  bool const is_float = element == Element::f16 || element == Element::f32 || element == Element::f64;
  if (!is_float && column == Number::f32) return true;
  if (column == Number::f32 && text::check_floats(dim, floats) == text::Fault::none) return true;
  for (uint32_t i = 0; i < dim; ++i) {
    FaultKind const kind = fault_of(row, element, i, column, floats[i]);
    if (kind == FaultKind::none) continue;
    *fault = {};
    fault->kind = kind;
    fault->row = row.number;
    fault->byte = row.byte + uint64_t{i} * element_size(element);
    fault->found = i;
    return false;
  }
  return true;
}

size_t file_row_size(Format format, Element element, uint32_t dim) {
  return (format == Format::npy ? 0 : sizeof(int32_t)) + dim * element_size(element);
}

size_t write_row(Format format, Element element, uint64_t number, uint32_t dim, float const* floats, void* out,
                 Fault* fault) {
  STRATA_ASSERT(format != Format::hdf5);
  char* at = static_cast<char*>(out);
  if (format != Format::npy) {
    store_little(dim, at);
    at += sizeof dim;
  }
  if (element == Element::f32 && std::endian::native == std::endian::little) {
    std::memcpy(at, floats, dim * sizeof(float));
    return file_row_size(format, element, dim);
  }
  size_t const step = element_size(element);
  for (uint32_t i = 0; i < dim; ++i, at += step) {
    if (put_element(element, floats[i], at)) continue;
    *fault = {};
    fault->kind = FaultKind::not_integer;
    fault->row = number;
    fault->found = i;
    return 0;
  }
  return file_row_size(format, element, dim);
}

}  // namespace strata::files
