// What an operator class of ivf says about its column. Support function 1, (internal) returns internal, ignores its
// argument and returns a pointer to a ColumnClass that lives as long as the library is loaded.
#pragma once
#include "pg/postgres.hpp"

#include "core/base/metric.hpp"

namespace strata::pg {

constexpr uint16 distance_strategy = 1;  // of the operator a vector column is ordered by
constexpr uint16 column_class_procedure = 1;

enum class ColumnRole : uint8_t { vector = 1, filter = 2 };
enum class Element : uint8_t { float32 = 1, float16 = 2 };

// What the keys of a filter column are made of.
enum class KeyType : uint8_t {
  boolean = 1,
  int16,
  int32,  // date, too
  int64,  // time, timestamp and timestamptz, too
  float32,
  float64,
  oid,
  enumeration,  // by the oid of the label: equality only
  numeric,
  text,
  uuid,
};

struct ColumnClass {
  ColumnRole role;
  Metric metric;    // role vector
  Element element;  // role vector
  KeyType key;      // role filter
};

// The class of key column `attribute` (from 1) of an index.
ColumnClass const& column_class(Relation index, AttrNumber attribute);

// A vector or halfvec value in place: `elements` has no alignment and lives as long as the value.
struct VectorRef {
  uint32_t dim;
  Element element;
  char const* elements;
};

// The value of a column whose class has role vector. May detoast: then the memory is the current context's, and
// `to_free`, if given, receives what may be pfree'd (or null).
VectorRef vector_ref(Datum value, Element element, void** to_free = nullptr);

// out[0..dim) = the elements in single precision.
void copy_elements(VectorRef vector, float* out);

// The distance that orders rows, as the operator of the class reports it but for monotone steps left out: squared for
// l2. NaN when it is not defined (cosine with a zero vector).
double ordering_distance(Metric metric, VectorRef a, VectorRef b);

}  // namespace strata::pg
