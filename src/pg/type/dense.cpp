#include "pg/type/dense.hpp"

#include "pg/compat.hpp"

namespace strata::pg {

void raise_corrupt_value(char const* type_name) {
  ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid internal representation of type %s", type_name)));
  pg_unreachable();
}

void raise_different_dims(char const* type_name, uint32_t a, uint32_t b) {
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("different %s dimensions %u and %u", type_name, a, b)));
  pg_unreachable();
}

void check_dense_dim(char const* type_name, int64_t dim) {
  if (dim < 1) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s must have at least 1 dimension", type_name)));
  }
  if (dim > int64_t{vector_dim_max}) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("%s cannot have more than %u dimensions", type_name, vector_dim_max)));
  }
}

bool check_typmod(int32 typmod, int64_t dim, Node* context) {
  if (typmod == -1 || typmod == dim) return true;
  ereturn(context, false,
          (errcode(ERRCODE_DATA_EXCEPTION),
           errmsg("expected %d dimensions, not %lld", typmod, static_cast<long long>(dim))));
}

void check_fault(char const* type_name, text::Fault fault) {
  if (fault == text::Fault::none) return;
  if (fault == text::Fault::not_a_number) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in %s", type_name)));
  }
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in %s", type_name)));
}

void check_elements(char const* type_name, uint32_t count, float const* elements) {
  check_fault(type_name, text::check_floats(count, elements));
}

void store_checked(View<Vector> const& v, uint32_t first, uint32_t count, float const* floats) {
  check_elements(Vector::name, count, floats);
  store(v, first, count, floats);
}

void store_checked(View<Halfvec> const& v, uint32_t first, uint32_t count, float const* floats) {
  for (uint32_t i = 0; i < count; ++i) {
    uint16_t const half = math::float_to_half(floats[i]);
    if ((half & 0x7fff) >= 0x7c00) {
      check_elements(Halfvec::name, 1, &floats[i]);
      char number[FLOAT_SHORTEST_DECIMAL_LEN];
      float_to_shortest_decimal_buf(floats[i], number);
      ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                      errmsg("\"%s\" is out of range for type %s", number, Halfvec::name)));
    }
    memcpy(v.elements + (size_t{first} + i) * sizeof half, &half, sizeof half);
  }
}

void peek_payload(char const* type_name, Datum datum, void* payload, uint32_t size) {
  auto* value = reinterpret_cast<struct varlena*>(DatumGetPointer(datum));
  if (VARATT_IS_EXTERNAL(value) || VARATT_IS_COMPRESSED(value)) {
    value = PG_DETOAST_DATUM_SLICE(datum, 0, static_cast<int32>(size));
  }
  if (VARSIZE_ANY_EXHDR(value) < size) raise_corrupt_value(type_name);
  memcpy(payload, VARDATA_ANY(value), size);
  if (reinterpret_cast<Pointer>(value) != DatumGetPointer(datum)) pfree(value);
}

}  // namespace strata::pg
