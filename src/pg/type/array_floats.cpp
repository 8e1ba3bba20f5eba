#include "pg/type/array_floats.hpp"

#include <cstring>

namespace strata::pg {

namespace {

template <class Number>
void read_numbers(char const* data, uint32_t count, float* floats) {
  for (uint32_t i = 0; i < count; ++i) {
    Number number;
    memcpy(&number, data + size_t{i} * sizeof number, sizeof number);
    floats[i] = static_cast<float>(number);
  }
}

void read_numerics(ArrayType* array, uint32_t count, float* floats) {
  char* data = ARR_DATA_PTR(array);
  for (uint32_t i = 0; i < count; ++i) {
    data = reinterpret_cast<char*>(att_align_pointer(data, TYPALIGN_INT, -1, data));
    floats[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, PointerGetDatum(data)));
    data = att_addlength_pointer(data, -1, data);
  }
}

}  // namespace

uint32_t check_number_array(ArrayType* array) {
  if (ARR_NDIM(array) > 1) ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("array must be 1-D")));
  // A bitmap may be left over from elements that are no longer NULL.
  if (ARR_HASNULL(array) && array_contains_nulls(array)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain nulls")));
  }
  return ARR_NDIM(array) == 0 ? 0 : static_cast<uint32_t>(ARR_DIMS(array)[0]);
}

void read_number_array(ArrayType* array, float* floats) {
  uint32_t const count = ARR_NDIM(array) == 0 ? 0 : static_cast<uint32_t>(ARR_DIMS(array)[0]);
  switch (ARR_ELEMTYPE(array)) {
    case INT4OID:
      return read_numbers<int32>(ARR_DATA_PTR(array), count, floats);
    case FLOAT4OID:
      return read_numbers<float4>(ARR_DATA_PTR(array), count, floats);
    case FLOAT8OID:
      return read_numbers<float8>(ARR_DATA_PTR(array), count, floats);
    case NUMERICOID:
      return read_numerics(array, count, floats);
    default:
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("unsupported array type")));
  }
}

ArrayType* make_float4_array(uint32_t count) {
  size_t const size = ARR_OVERHEAD_NONULLS(1) + size_t{count} * sizeof(float4);
  auto* array = static_cast<ArrayType*>(palloc(size));
  SET_VARSIZE(array, size);
  array->ndim = 1;
  array->dataoffset = 0;
  array->elemtype = FLOAT4OID;
  ARR_DIMS(array)[0] = static_cast<int>(count);
  ARR_LBOUND(array)[0] = 1;
  return array;
}

}  // namespace strata::pg
