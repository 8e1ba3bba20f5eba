#include "core/segment/filter.hpp"

#include <algorithm>

#include "core/base/core_only.hpp"

namespace strata::segment {
namespace {

constexpr uint32_t lanes = 32;

uint32_t low_bits(uint32_t count) {
  return count >= lanes ? ~uint32_t{0} : (uint32_t{1} << count) - 1;
}

// Compares in the type of the keys, a whole block at a time, so that the compiler makes vectors of it.
template <class Key>
uint32_t range_mask(uint64_t low, uint64_t high, std::byte const* bytes, uint32_t count) {
  if (low > Key(~Key{0})) return 0;
  Key const first = Key(low);
  Key const width = Key((high > Key(~Key{0}) ? Key(~Key{0}) : Key(high)) - first);
  Key keys[lanes] = {};
  std::memcpy(keys, bytes, count * sizeof(Key));
  uint8_t pass[lanes];
  for (uint32_t i = 0; i < lanes; i++) pass[i] = Key(keys[i] - first) <= width;
  uint32_t mask = 0;
  for (uint32_t i = 0; i < lanes; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, pass + i, sizeof eight);
    // Gathers the lowest bits of eight bytes into the highest byte of the product.
    mask |= uint32_t(eight * 0x0102040810204080ULL >> 56) << i;
  }
  return mask;
}

uint32_t range_mask(Condition const& condition, std::byte const* keys, uint32_t key_size, uint32_t count) {
  if (condition.low > condition.high) return 0;
  switch (key_size) {
    case 1:
      return range_mask<uint8_t>(condition.low, condition.high, keys, count);
    case 2:
      return range_mask<uint16_t>(condition.low, condition.high, keys, count);
    case 4:
      return range_mask<uint32_t>(condition.low, condition.high, keys, count);
    default:
      return range_mask<uint64_t>(condition.low, condition.high, keys, count);
  }
}

bool is_among(Condition const& condition, uint64_t key) {
  return std::binary_search(condition.keys, condition.keys + condition.key_count, key);
}

}  // namespace

bool passes(Condition const& condition, uint64_t key, bool is_null) {
  switch (condition.test) {
    case Test::range:
      return !is_null && key >= condition.low && key <= condition.high;
    case Test::any_of:
      return !is_null && is_among(condition, key);
    case Test::null:
      return is_null;
    case Test::not_null:
      return !is_null;
    case Test::never:
      break;
  }
  return false;
}

bool row_passes(Filter const& filter, format::ColumnsShape const& shape, std::byte const* columns, uint64_t hash) {
  for (uint32_t i = 0; i < filter.count; i++) {
    Condition const& condition = filter.conditions[i];
    uint32_t const column = condition.column;
    bool const holds = column == vector_hash
                           ? passes(condition, hash, false)
                           : passes(condition, format::load_key(columns + shape.offset[column], shape.size[column]),
                                    format::column_is_null(shape, columns, column));
    if (!holds) return false;
  }
  return true;
}

uint32_t mask_of(Condition const& condition, std::byte const* keys, uint32_t key_size, uint32_t row_count,
                 uint32_t nulls) {
  uint32_t const there = low_bits(row_count);
  switch (condition.test) {
    case Test::range:
      return range_mask(condition, keys, key_size, row_count) & ~nulls & there;
    case Test::any_of: {
      uint32_t mask = 0;
      for (uint32_t i = 0; i < row_count; i++)
        mask |= uint32_t(is_among(condition, format::load_key(keys + size_t(i) * key_size, key_size))) << i;
      return mask & ~nulls;
    }
    case Test::null:
      return nulls & there;
    case Test::not_null:
      return ~nulls & there;
    case Test::never:
      break;
  }
  return 0;
}

bool may_pass(Condition const& condition, format::ColumnSummaryDisk const& summary, uint32_t row_count) {
  bool const has_keys = summary.null_count < row_count;
  switch (condition.test) {
    case Test::range:
      return has_keys && condition.low <= condition.high && condition.low <= summary.max &&
             condition.high >= summary.min;
    case Test::any_of: {
      if (!has_keys) return false;
      uint64_t const* const end = condition.keys + condition.key_count;
      uint64_t const* const first = std::lower_bound(condition.keys, end, summary.min);
      return first != end && *first <= summary.max;
    }
    case Test::null:
      return summary.null_count > 0;
    case Test::not_null:
      return has_keys;
    case Test::never:
      break;
  }
  return false;
}

}  // namespace strata::segment
