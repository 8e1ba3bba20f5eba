// Casts among vector, halfvec and arrays. Those that take a type modifier are called with (value, typmod, explicit).
#include "pg/postgres.hpp"

#include "pg/entry.hpp"
#include "pg/type/array_floats.hpp"
#include "pg/type/dense.hpp"

namespace strata::pg {

namespace {

// The cast to the same type, which only checks the type modifier: the value is passed on as it is, toasted or not.
template <class Type>
Datum check(FunctionCallInfo fcinfo) {
  int32 const typmod = PG_GETARG_INT32(1);
  if (typmod != -1) check_typmod(typmod, peek_dim(Type::name, PG_GETARG_DATUM(0)));
  return PG_GETARG_DATUM(0);
}

template <class Source, class Target>
Datum convert(FunctionCallInfo fcinfo) {
  View<Source> const source = view<Source>(PG_GETARG_DATUM(0));
  check_dense_dim(Target::name, source.dim);
  check_typmod(PG_GETARG_INT32(1), source.dim);
  View<Target> const target = make<Target>(source.dim);
  float x[chunk_size];
  for_each_chunk(source.dim, [&](uint32_t first, uint32_t count) {
    load(source, first, count, x);
    store_checked(target, first, count, x);
  });
  return datum_of(target.value);
}

template <class Target>
Datum from_array(FunctionCallInfo fcinfo) {
  ArrayType* const array = PG_GETARG_ARRAYTYPE_P(0);
  uint32_t const dim = check_number_array(array);
  check_dense_dim(Target::name, dim);
  check_typmod(PG_GETARG_INT32(1), dim);
  auto* floats = static_cast<float*>(palloc(size_t{dim} * sizeof(float)));
  read_number_array(array, floats);
  View<Target> const target = make<Target>(dim);
  store_checked(target, 0, dim, floats);
  pfree(floats);
  return datum_of(target.value);
}

template <class Source>
Datum to_array(FunctionCallInfo fcinfo) {
  View<Source> const source = view<Source>(PG_GETARG_DATUM(0));
  ArrayType* const array = make_float4_array(source.dim);
  load(source, 0, source.dim, reinterpret_cast<float*>(ARR_DATA_PTR(array)));
  PG_RETURN_ARRAYTYPE_P(array);
}

}  // namespace

}  // namespace strata::pg

using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(vector_check) {
  return strata::pg::check<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_to_halfvec) {
  return strata::pg::convert<Vector, Halfvec>(fcinfo);
}
STRATA_FUNCTION(vector_to_float4) {
  return strata::pg::to_array<Vector>(fcinfo);
}
STRATA_FUNCTION(array_to_vector) {
  return strata::pg::from_array<Vector>(fcinfo);
}

STRATA_FUNCTION(halfvec_check) {
  return strata::pg::check<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_to_vector) {
  return strata::pg::convert<Halfvec, Vector>(fcinfo);
}
STRATA_FUNCTION(halfvec_to_float4) {
  return strata::pg::to_array<Halfvec>(fcinfo);
}
STRATA_FUNCTION(array_to_halfvec) {
  return strata::pg::from_array<Halfvec>(fcinfo);
}
