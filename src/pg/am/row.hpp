// From a value of the indexed column to what store wants to know about a row.
#pragma once
#include "pg/am/opclass.hpp"
#include "store/shape.hpp"

namespace strata::pg {

// The indexed column, fixed for the life of an index. Lives in a memory context of the caller.
struct RowShape {
  ColumnClass column;
  uint32_t dim;
};

struct Row {
  uint16_t flags;       // format::row_is_null, format::row_is_zero; 0: `vector` is set
  uint64_t hash;        // of the vector with -0 written as 0; 0 when it is NULL
  float const* vector;  // float[dim], of unit length under cosine
};

// Reads the dimensions of the indexed column, which must be declared: error 22023 otherwise.
RowShape row_shape(Relation index);

// Fills `vector` (float[dim]) from a value. A vector of other dimensions is an error 22000. Detoasted copies are freed.
Row make_row(RowShape const& shape, Datum value, bool is_null, float* vector);

// Scales a vector whose norm is not zero to unit length.
void normalize(uint32_t dim, float* vector);

Tid tid_of(ItemPointer pointer);
void set_item_pointer(ItemPointer pointer, Tid tid);

}  // namespace strata::pg
