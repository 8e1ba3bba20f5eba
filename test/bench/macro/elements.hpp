// Element types of vector files and their conversion to float32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "macro/readers.hpp"

namespace strata::bench {

size_t element_size(Element element);

// False when the text names no element type.
bool parse_element(std::string const& name, Element* element);

// `bytes` holds `count` little-endian elements, of any alignment.
void convert_elements(Element element, void const* bytes, size_t count, float* values);

}  // namespace strata::bench
