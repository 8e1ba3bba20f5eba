// vector and halfvec: + - * ||, normalisation, parts, quantisation to bits.
#include "pg/postgres.hpp"

#include <bit>
#include <type_traits>

#include "pg/entry.hpp"
#include "pg/type/dense.hpp"

namespace strata::pg {

namespace {

template <class Type>
bool is_zero(View<Type> const& v, uint32_t i) {
  typename Type::Element element;
  memcpy(&element, v.elements + size_t{i} * sizeof element, sizeof element);
  if constexpr (std::is_same_v<Type, Vector>) return element == 0;
  return (static_cast<uint32_t>(element) & 0x7fff) == 0;
}

// Stores results of arithmetic on finite numbers; an infinite one is an overflow. Requires: x has chunk_size elements,
// of which those behind `count` are finite.
void store_results(View<Vector> const& v, uint32_t first, uint32_t count, float const* x) {
  constexpr uint32_t exponent = 0x7f800000;
  uint32_t overflow = 0;
  for (uint32_t i = 0; i < chunk_size; ++i) overflow |= (std::bit_cast<uint32_t>(x[i]) & exponent) == exponent;
  if (overflow != 0) float_overflow_error();
  store(v, first, count, x);
}

void store_results(View<Halfvec> const& v, uint32_t first, uint32_t count, float const* x) {
  for (uint32_t i = 0; i < count; ++i) {
    uint16_t const half = math::float_to_half(x[i]);
    if ((half & 0x7fff) == 0x7c00) float_overflow_error();
    memcpy(v.elements + (size_t{first} + i) * sizeof half, &half, sizeof half);
  }
}

// The first argument is ours to overwrite if it is the state of an aggregate, in its plain form: the executor then owns
// it and hands it on to us alone. sum() would otherwise allocate a value for every row.
bool is_owned_state(FunctionCallInfo fcinfo) {
  return AggCheckCallContext(fcinfo, nullptr) != 0 && VARATT_IS_4B_U(DatumGetPointer(PG_GETARG_DATUM(0)));
}

template <class Type, class Operation>
Datum element_wise(FunctionCallInfo fcinfo, Operation operation, bool check_underflow = false) {
  View<Type> const a = view<Type>(PG_GETARG_DATUM(0));
  View<Type> const b = view<Type>(PG_GETARG_DATUM(1));
  check_same_dims(a, b);
  View<Type> const result = is_owned_state(fcinfo) ? a : make<Type>(a.dim);
  float x[chunk_size] = {};
  float y[chunk_size] = {};
  float z[chunk_size];
  for_each_chunk(a.dim, [&](uint32_t first, uint32_t count) {
    load(a, first, count, x);
    load(b, first, count, y);
    for (uint32_t i = 0; i < chunk_size; ++i) z[i] = operation(x[i], y[i]);
    store_results(result, first, count, z);
    if (!check_underflow) return;
    for (uint32_t i = 0; i < count; ++i) {
      if (is_zero(result, first + i) && x[i] != 0 && y[i] != 0) float_underflow_error();
    }
  });
  release(b, PG_GETARG_DATUM(1));
  return datum_of(result.value);
}

template <class Type>
Datum add(FunctionCallInfo fcinfo) {
  return element_wise<Type>(fcinfo, [](float x, float y) { return x + y; });
}
template <class Type>
Datum subtract(FunctionCallInfo fcinfo) {
  return element_wise<Type>(fcinfo, [](float x, float y) { return x - y; });
}
template <class Type>
Datum multiply(FunctionCallInfo fcinfo) {
  return element_wise<Type>(
      fcinfo, [](float x, float y) { return x * y; }, true);
}

template <class Type>
Datum concat(FunctionCallInfo fcinfo) {
  View<Type> const a = view<Type>(PG_GETARG_DATUM(0));
  View<Type> const b = view<Type>(PG_GETARG_DATUM(1));
  check_dense_dim(Type::name, int64_t{a.dim} + b.dim);
  View<Type> const result = make<Type>(a.dim + b.dim);
  size_t const a_size = size_t{a.dim} * sizeof(typename Type::Element);
  memcpy(result.elements, a.elements, a_size);
  memcpy(result.elements + a_size, b.elements, size_t{b.dim} * sizeof(typename Type::Element));
  return datum_of(result.value);
}

// Unit length; a zero vector stays zero.
template <class Type>
Datum normalize(FunctionCallInfo fcinfo) {
  View<Type> const v = view<Type>(PG_GETARG_DATUM(0));
  View<Type> const result = make<Type>(v.dim);
  double const length = norm(v);
  float x[chunk_size] = {};
  for_each_chunk(v.dim, [&](uint32_t first, uint32_t count) {
    load(v, first, count, x);
    for (uint32_t i = 0; i < count; ++i) x[i] = length > 0 ? static_cast<float>(x[i] / length) : 0.0f;
    store_results(result, first, count, x);
  });
  return datum_of(result.value);
}

// `count` elements from position `start`, both counted from 1 and cut to the vector as substring() does.
template <class Type>
Datum part(FunctionCallInfo fcinfo) {
  View<Type> const v = view<Type>(PG_GETARG_DATUM(0));
  int64_t const start = PG_GETARG_INT32(1);
  int64_t const count = PG_GETARG_INT32(2);
  int64_t const begin = std::max<int64_t>(start, 1);
  int64_t const end = std::min<int64_t>(start + count, int64_t{v.dim} + 1);
  check_dense_dim(Type::name, end - begin);
  View<Type> const result = make<Type>(static_cast<uint32_t>(end - begin));
  constexpr size_t element_size = sizeof(typename Type::Element);
  memcpy(result.elements, v.elements + static_cast<size_t>(begin - 1) * element_size, result.dim * element_size);
  return datum_of(result.value);
}

// One bit a dimension, set where the element is positive.
template <class Type>
Datum quantize(FunctionCallInfo fcinfo) {
  View<Type> const v = view<Type>(PG_GETARG_DATUM(0));
  int const size = VARBITTOTALLEN(static_cast<int>(v.dim));
  VarBit* const result = static_cast<VarBit*>(palloc0(size));
  SET_VARSIZE(result, size);
  VARBITLEN(result) = static_cast<int32>(v.dim);
  uint8* const bits = VARBITS(result);
  float x[chunk_size];
  for_each_chunk(v.dim, [&](uint32_t first, uint32_t count) {
    load(v, first, count, x);
    for (uint32_t i = 0; i < count; ++i) bits[(first + i) / 8] |= static_cast<uint8>((x[i] > 0) << (7 - i % 8));
  });
  static_assert(chunk_size % 8 == 0);
  PG_RETURN_VARBIT_P(result);
}

}  // namespace

}  // namespace strata::pg

using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(vector_add) {
  return strata::pg::add<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_sub) {
  return strata::pg::subtract<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_mul) {
  return strata::pg::multiply<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_concat) {
  return strata::pg::concat<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_l2_normalize) {
  return strata::pg::normalize<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_subvector) {
  return strata::pg::part<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_binary_quantize) {
  return strata::pg::quantize<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_dims) {
  return Int32GetDatum(strata::pg::peek_dim(Vector::name, PG_GETARG_DATUM(0)));
}

STRATA_FUNCTION(halfvec_add) {
  return strata::pg::add<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_sub) {
  return strata::pg::subtract<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_mul) {
  return strata::pg::multiply<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_concat) {
  return strata::pg::concat<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_l2_normalize) {
  return strata::pg::normalize<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_subvector) {
  return strata::pg::part<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_binary_quantize) {
  return strata::pg::quantize<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_dims) {
  return Int32GetDatum(strata::pg::peek_dim(Halfvec::name, PG_GETARG_DATUM(0)));
}
