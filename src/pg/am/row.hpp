// From a value of the indexed column to what store wants to know about a row.
#pragma once
#include "pg/am/filter_key.hpp"
#include "pg/am/opclass.hpp"
#include "store/shape.hpp"

namespace strata::pg {

// The indexed columns, fixed for the life of an index.
struct RowShape {
  ColumnClass column;  // the vector
  uint32_t dim;
  format::ColumnsShape columns;  // the filter columns
  FilterColumn filters[indexed_column_count_max];
};

struct Row {
  uint16_t flags;       // format::row_is_null, format::row_is_zero; 0: `vector` is set
  uint64_t hash;        // of the vector with -0 written as 0; 0 when it is NULL
  float const* vector;  // float[dim], of unit length under cosine
};

// Reads the dimensions of the vector, which must be declared: error 22023 otherwise. The vector must be the first
// column and the only one: error 0A000 otherwise.
RowShape row_shape(Relation index);

// The fixed part of the meta page of an index.
format::MetaDisk meta_for(RowShape const& shape, uint64_t seed, store::CopyPlan copies);

// Bytes of an element of the indexed vectors.
uint32_t element_size(RowShape const& shape);

// Where the copy of a vector goes, in the form in which the index keeps it; `bytes` null: none is made.
struct RowCopy {
  void* bytes;  // store::IndexShape::copy_size
  format::CopyKind kind;
};

// Fills `columns` (shape.columns.total_size bytes) from the values of a row, the vector first.
void make_columns(RowShape const& shape, Datum const* values, bool const* isnull, std::byte* columns);

// Fills `vector` (float[dim]) from a value, and `copy` from its elements as they are. A vector of other dimensions is
// an error 22000. Detoasted copies are freed.
Row make_row(RowShape const& shape, Datum value, bool is_null, float* vector, RowCopy copy = {});

// The same without a hash.
Row make_query(RowShape const& shape, Datum value, float* vector);

// Scales a vector whose norm is not zero to unit length.
void normalize(uint32_t dim, float* vector);

Tid tid_of(ItemPointer pointer);
void set_item_pointer(ItemPointer pointer, Tid tid);

}  // namespace strata::pg
