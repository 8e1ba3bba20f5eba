// From values of filter columns to the keys that the index keeps of them (core/format/columns.hpp).
#pragma once
#include "core/format/columns.hpp"
#include "core/segment/filter.hpp"
#include "pg/am/opclass.hpp"

namespace strata::pg {

// Strategies of filter columns and, for `equal` and `within`, of vectors.
enum FilterStrategy : uint16 { less = 11, less_equal = 12, equal = 13, greater_equal = 14, greater = 15 };
constexpr uint16 within_strategy = 16;

// A filter column of an index.
struct FilterColumn {
  KeyType type;
  Oid collation;
};

// How values of this type lie in the index.
format::ColumnDisk column_disk(KeyType type);

// Whether keys have the order of the values, and whether equal keys mean equal values.
bool keys_have_order(KeyType type);
bool keys_are_exact(KeyType type);

// The key of a value that is not NULL. May detoast: memory of the current context.
uint64_t key_of_value(FilterColumn const& column, Datum value);

// The value with this key, of a type whose keys have the order of the values; NaN for keys of NaN.
Datum value_of_key(KeyType type, uint64_t key);

// Keys that pass `column OP value`; Test::never when none can. `subtype`: type of the value where the column's operator
// class knows several, else InvalidOid.
segment::Condition condition_of(FilterColumn const& column, uint16 strategy, Oid subtype, Datum value);

}  // namespace strata::pg
