// Conditions on filter columns, over the keys of format/columns.hpp: what a scan knows of its WHERE clause.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/format/columns.hpp"

namespace strata::segment {

// A condition on the hash of the vector instead of a column.
constexpr uint16_t vector_hash = 0xFFFF;

enum class Test : uint8_t {
  never,     // no row passes
  range,     // low <= key <= high, not NULL
  any_of,    // key is one of `keys`, not NULL
  null,      // IS NULL
  not_null,  // IS NOT NULL
};

struct Condition {
  uint16_t column;  // from 0, or vector_hash
  Test test;
  uint64_t low, high;    // range
  uint64_t const* keys;  // any_of: ascending and distinct, borrowed
  uint32_t key_count;
};

// All conditions must hold. Borrowed by whoever uses it.
struct Filter {
  Condition const* conditions;
  uint32_t count;
};

inline bool is_equality(Condition const& condition) {
  return condition.test == Test::any_of || (condition.test == Test::range && condition.low == condition.high);
}
// Keys an equality condition asks for.
inline uint32_t equality_count(Condition const& condition) {
  return condition.test == Test::any_of ? condition.key_count : 1;
}
inline uint64_t equality_key(Condition const& condition, uint32_t at) {
  return condition.test == Test::any_of ? condition.keys[at] : condition.low;
}

bool passes(Condition const& condition, uint64_t key, bool is_null);

// Whether a row with these columns and vector hash passes.
bool row_passes(Filter const& filter, format::ColumnsShape const& shape, std::byte const* columns, uint64_t hash);

// Up to 32 rows at once: bit i of the result = row i passes. `keys`: row_count keys of key_size bytes without
// alignment; `nulls`: bit i = row i is NULL.
uint32_t mask_of(Condition const& condition, std::byte const* keys, uint32_t key_size, uint32_t row_count,
                 uint32_t nulls);

// False when the summary shows that no row of a segment of `row_count` rows passes.
bool may_pass(Condition const& condition, format::ColumnSummaryDisk const& summary, uint32_t row_count);

}  // namespace strata::segment
