// Arrays of numbers as source of the casts to vector types, and real[] as target of those from them.
#pragma once
#include "pg/postgres.hpp"

#include <cstdint>

namespace strata::pg {

// Raises unless the array has at most one dimension and no NULL. Returns the number of elements.
uint32_t check_number_array(ArrayType* array);

// Writes all elements of an int4[], float4[], float8[] or numeric[]; what exceeds the range of float4 becomes infinity
// (numeric: an error). Requires: check_number_array() passed.
void read_number_array(ArrayType* array, float* floats);

// A new real[] with lower bound 1 and room for `count` elements, whose data the caller fills.
ArrayType* make_float4_array(uint32_t count);

}  // namespace strata::pg
