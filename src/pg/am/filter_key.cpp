#include "pg/am/filter_key.hpp"

#include <cmath>
#include <limits>

namespace strata::pg {
namespace {

using segment::Condition;
using segment::Test;

// Numbers as unsigned keys of the same order: the sign bit is turned round; negative floats all bits, so that zero and
// minus zero must be one value first. NaN is the server's: one value, above infinity.
uint64_t key_of_signed(int64_t value, uint32_t bits) {
  uint64_t const sign = uint64_t{1} << (bits - 1);
  uint64_t const all = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return (uint64_t(value) & all) ^ sign;
}

uint64_t key_of_float(float value) {
  if (std::isnan(value)) return UINT32_MAX;
  value += 0.0f;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits & 0x80000000u ? uint32_t(~bits) : bits | 0x80000000u;
}

uint64_t key_of_double(double value) {
  if (std::isnan(value)) return UINT64_MAX;
  value += 0.0;
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
}

uint64_t hash_of(Datum (*function)(FunctionCallInfo), Oid collation, Datum value) {
  return uint64_t(DatumGetInt64(DirectFunctionCall2Coll(function, collation, value, Int64GetDatum(0))));
}

uint32_t key_bits(KeyType type) {
  return 8u * column_disk(type).size;
}

// The value of an integer column or of what it is compared with.
int64_t integer_of(KeyType type, Oid subtype, Datum value) {
  switch (subtype) {
    case INT2OID:
      return DatumGetInt16(value);
    case INT4OID:
      return DatumGetInt32(value);
    case INT8OID:
      return DatumGetInt64(value);
    default:
      break;
  }
  return type == KeyType::int16   ? DatumGetInt16(value)
         : type == KeyType::int32 ? DatumGetInt32(value)
                                  : DatumGetInt64(value);
}

Condition never() {
  Condition condition{};
  condition.test = Test::never;
  return condition;
}

Condition range(uint64_t low, uint64_t high) {
  if (low > high) return never();
  Condition condition{};
  condition.test = Test::range;
  condition.low = low;
  condition.high = high;
  return condition;
}

// Keys in [0, key_max] that stand in this relation to `key`. `exact`: the value has that key; otherwise it lies between
// the keys `key` - 1 and `key`, where `key` may be one past key_max (then above_all is set).
Condition compare(uint16 strategy, uint64_t key, bool exact, bool above_all, uint64_t key_max) {
  if (above_all) return strategy == less || strategy == less_equal ? range(0, key_max) : never();
  switch (strategy) {
    case less:
      return key == 0 ? never() : range(0, key - 1);
    case less_equal:
      return exact ? range(0, key) : key == 0 ? never() : range(0, key - 1);
    case equal:
      return exact ? range(key, key) : never();
    case greater_equal:
      return range(key, key_max);
    case greater:
      return exact ? (key == key_max ? never() : range(key + 1, key_max)) : range(key, key_max);
    default:
      elog(ERROR, "ivf index has no strategy %d for filter columns", strategy);
  }
  pg_unreachable();
}

Condition compare_integer(KeyType type, uint16 strategy, int64_t value) {
  uint32_t const bits = key_bits(type);
  uint64_t const key_max = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  int64_t const largest = int64_t(key_max >> 1);
  int64_t const smallest = -largest - 1;
  if (value > largest) return compare(strategy, 0, false, true, key_max);
  if (value < smallest) return compare(strategy, 0, false, false, key_max);
  return compare(strategy, key_of_signed(value, bits), true, false, key_max);
}

// A float4 column against a value that may lie between two of its own: then its key is that of the next larger one.
Condition compare_float(uint16 strategy, double value) {
  if (std::isnan(value)) return compare(strategy, key_of_float(std::nanf("")), true, false, UINT32_MAX);
  float near = float(value);
  if (double(near) < value) near = std::nextafter(near, std::numeric_limits<float>::infinity());
  return compare(strategy, key_of_float(near), double(near) == value, false, UINT32_MAX);
}

}  // namespace

format::ColumnDisk column_disk(KeyType type) {
  using format::ColumnKind;
  switch (type) {
    case KeyType::boolean:
      return {ColumnKind::fixed, 1, 0, 0};
    case KeyType::int16:
      return {ColumnKind::fixed, 2, 0, 0};
    case KeyType::int32:
    case KeyType::float32:
    case KeyType::oid:
      return {ColumnKind::fixed, 4, 0, 0};
    case KeyType::enumeration:
      return {ColumnKind::hash, 4, 0, 0};
    case KeyType::int64:
    case KeyType::float64:
      return {ColumnKind::fixed, 8, 0, 0};
    case KeyType::numeric:
    case KeyType::text:
    case KeyType::uuid:
      break;
  }
  return {ColumnKind::hash, 8, 0, 0};
}

bool keys_have_order(KeyType type) {
  return column_disk(type).kind == format::ColumnKind::fixed;
}

bool keys_are_exact(KeyType type) {
  return type != KeyType::numeric && type != KeyType::text && type != KeyType::uuid;
}

uint64_t key_of_value(FilterColumn const& column, Datum value) {
  switch (column.type) {
    case KeyType::boolean:
      return DatumGetBool(value);
    case KeyType::int16:
    case KeyType::int32:
    case KeyType::int64:
      return key_of_signed(integer_of(column.type, InvalidOid, value), key_bits(column.type));
    case KeyType::float32:
      return key_of_float(DatumGetFloat4(value));
    case KeyType::float64:
      return key_of_double(DatumGetFloat8(value));
    case KeyType::oid:
    case KeyType::enumeration:
      return DatumGetObjectId(value);
    case KeyType::numeric: {
      // The hash function leaves its detoasted copy behind.
      struct varlena* const plain = pg_detoast_datum(reinterpret_cast<struct varlena*>(DatumGetPointer(value)));
      uint64_t const hash = hash_of(hash_numeric_extended, InvalidOid, PointerGetDatum(plain));
      if (PointerGetDatum(plain) != value) pfree(plain);
      return hash;
    }
    case KeyType::text:
      return hash_of(hashtextextended, column.collation, value);
    case KeyType::uuid:
      return hash_of(uuid_hash_extended, InvalidOid, value);
  }
  pg_unreachable();
}

Datum value_of_key(KeyType type, uint64_t key) {
  switch (type) {
    case KeyType::boolean:
      return BoolGetDatum(key != 0);
    case KeyType::int16:
      return Int16GetDatum(int16(key_of_signed(int64_t(key), 16)));
    case KeyType::int32:
      return Int32GetDatum(int32(key_of_signed(int64_t(key), 32)));
    case KeyType::int64:
      return Int64GetDatum(int64(key_of_signed(int64_t(key), 64)));
    case KeyType::float32: {
      uint32_t const bits = key & 0x80000000u ? uint32_t(key) & 0x7FFFFFFFu : uint32_t(~key);
      float value;
      memcpy(&value, &bits, sizeof value);
      return Float4GetDatum(value);
    }
    case KeyType::float64: {
      uint64_t const bits = key >> 63 ? key & ~(uint64_t{1} << 63) : ~key;
      double value;
      memcpy(&value, &bits, sizeof value);
      return Float8GetDatum(value);
    }
    case KeyType::oid:
      return ObjectIdGetDatum(Oid(key));
    default:
      elog(ERROR, "keys of type %d name no value", int(type));
  }
  pg_unreachable();
}

Condition condition_of(FilterColumn const& column, uint16 strategy, Oid subtype, Datum value) {
  switch (column.type) {
    case KeyType::int16:
    case KeyType::int32:
    case KeyType::int64:
      return compare_integer(column.type, strategy, integer_of(column.type, subtype, value));
    case KeyType::float32:
      return compare_float(strategy, subtype == FLOAT8OID ? DatumGetFloat8(value) : DatumGetFloat4(value));
    case KeyType::float64: {
      double const number = subtype == FLOAT4OID ? DatumGetFloat4(value) : DatumGetFloat8(value);
      return compare(strategy, key_of_double(number), true, false, UINT64_MAX);
    }
    default:
      break;
  }
  uint32_t const bits = key_bits(column.type);
  uint64_t const key_max = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  if (!keys_have_order(column.type) && strategy != equal)
    elog(ERROR, "ivf index has no strategy %d for this filter column", strategy);
  return compare(strategy, key_of_value(column, value), true, false, key_max);
}

}  // namespace strata::pg
