#include "macro/elements.hpp"

#include <bit>
#include <cstring>

#include "macro/half.hpp"

static_assert(std::endian::native == std::endian::little, "the file formats are little-endian");

namespace strata::bench {

size_t element_size(Element element) {
  switch (element) {
    case Element::u8:
    case Element::i8:
      return 1;
    case Element::f16:
      return 2;
    case Element::f32:
      return 4;
    case Element::f64:
      return 8;
  }
  return 0;
}

bool parse_element(std::string const& name, Element* element) {
  struct Name {
    char const* text;
    Element element;
  };
  constexpr Name names[] = {
      {"u8", Element::u8}, {"i8", Element::i8}, {"f16", Element::f16}, {"f32", Element::f32}, {"f64", Element::f64}};
  for (Name const& candidate : names) {
    if (name == candidate.text) {
      *element = candidate.element;
      return true;
    }
  }
  return false;
}

template <class Stored>
static void convert_as(void const* bytes, size_t count, float* values) {
  auto const* input = static_cast<unsigned char const*>(bytes);
  for (size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, input + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<float>(stored);
  }
}

static void convert_halves(void const* bytes, size_t count, float* values) {
  auto const* input = static_cast<unsigned char const*>(bytes);
  for (size_t i = 0; i < count; ++i) {
    uint16_t stored;
    std::memcpy(&stored, input + i * sizeof stored, sizeof stored);
    values[i] = half_to_float(stored);
  }
}

void convert_elements(Element element, void const* bytes, size_t count, float* values) {
  switch (element) {
    case Element::u8:
      return convert_as<uint8_t>(bytes, count, values);
    case Element::i8:
      return convert_as<int8_t>(bytes, count, values);
    case Element::f16:
      return convert_halves(bytes, count, values);
    case Element::f32:
      std::memcpy(values, bytes, count * sizeof(float));
      return;
    case Element::f64:
      return convert_as<double>(bytes, count, values);
  }
}

}  // namespace strata::bench
