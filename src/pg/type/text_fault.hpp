// The errors of text input and of type modifiers that all vector types share.
#pragma once
#include "pg/postgres.hpp"

#include <cstdint>
#include <string_view>

#include "core/text/vector_text.hpp"

namespace strata::pg {

struct TextFault {
  char const* type_name;
  char const* literal;  // the whole input
  text::Fault fault;
  std::string_view token;  // the offending element, for out_of_range
  char opening;            // the bracket that the type starts with
  uint32_t count_max;      // what too_many exceeds
};

// Raises the error, or stores it in `context` if that asks for soft errors and returns a dummy for the input function.
Datum text_fault(Node* context, TextFault const& fault);

// The dimensions asked for by a type modifier such as vector(3): one number from 1 to dim_max.
int32 dims_of_typmod(ArrayType* modifiers, char const* type_name, uint32_t dim_max);

}  // namespace strata::pg
