// avg() of vector and halfvec. The state is a float8[]: the number of values, then the sum of each dimension; {0}
// before the first value. sum() needs no more than the operator +.
#include "pg/postgres.hpp"

#include "pg/entry.hpp"
#include "pg/type/dense.hpp"

namespace strata::pg {

namespace {

// `sums` follow the count in the array, which is aligned.
struct State {
  ArrayType* array;
  float8* values;
  uint32_t dim;

  float8& count() const { return values[0]; }
  float8* sums() const { return values + 1; }
};

// The functions can be called by hand with any array.
State state_of(ArrayType* array, char const* function_name) {
  bool const sound =
      ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] >= 1 && !ARR_HASNULL(array) && ARR_ELEMTYPE(array) == FLOAT8OID;
  if (!sound) elog(ERROR, "%s: expected state array", function_name);
  return {array, reinterpret_cast<float8*>(ARR_DATA_PTR(array)), static_cast<uint32_t>(ARR_DIMS(array)[0]) - 1};
}

State make_state(uint32_t dim) {
  size_t const size = ARR_OVERHEAD_NONULLS(1) + (size_t{dim} + 1) * sizeof(float8);
  auto* array = static_cast<ArrayType*>(palloc(size));
  SET_VARSIZE(array, size);
  array->ndim = 1;
  array->dataoffset = 0;
  array->elemtype = FLOAT8OID;
  ARR_DIMS(array)[0] = static_cast<int>(dim) + 1;
  ARR_LBOUND(array)[0] = 1;
  return {array, reinterpret_cast<float8*>(ARR_DATA_PTR(array)), dim};
}

// Where to put a result of the dimensions of `state`: into `state` itself when the executor lends it to us.
State result_for(FunctionCallInfo fcinfo, State const& state) {
  return AggCheckCallContext(fcinfo, nullptr) != 0 ? state : make_state(state.dim);
}

float8 checked(float8 sum) {
  if (unlikely(std::isinf(sum))) float_overflow_error();
  return sum;
}

template <class Type>
Datum accumulate(FunctionCallInfo fcinfo, char const* function_name) {
  State const state = state_of(PG_GETARG_ARRAYTYPE_P(0), function_name);
  Datum const datum = PG_GETARG_DATUM(1);
  View<Type> const v = view<Type>(datum);
  bool const is_first = state.dim == 0;
  if (!is_first) check_typmod(static_cast<int32>(state.dim), v.dim);
  State const result = is_first ? make_state(v.dim) : result_for(fcinfo, state);
  float x[chunk_size];
  for_each_chunk(v.dim, [&](uint32_t first, uint32_t count) {
    load(v, first, count, x);
    for (uint32_t i = 0; i < count; ++i) {
      float8 const before = is_first ? 0 : state.sums()[first + i];
      result.sums()[first + i] = checked(before + static_cast<float8>(x[i]));
    }
  });
  result.count() = state.count() + 1;
  release(v, datum);
  PG_RETURN_ARRAYTYPE_P(result.array);
}

template <class Type>
Datum combine(FunctionCallInfo fcinfo, char const* function_name) {
  State const a = state_of(PG_GETARG_ARRAYTYPE_P(0), function_name);
  State const b = state_of(PG_GETARG_ARRAYTYPE_P(1), function_name);
  uint32_t const dim = a.dim != 0 ? a.dim : b.dim;
  if (dim != 0) check_dense_dim(Type::name, dim);
  if (a.dim != 0 && b.dim != 0) check_typmod(static_cast<int32>(a.dim), b.dim);
  State const result = a.dim == dim ? result_for(fcinfo, a) : make_state(dim);
  for (uint32_t i = 0; i < dim; ++i) {
    float8 const x = a.dim != 0 ? a.sums()[i] : 0;
    float8 const y = b.dim != 0 ? b.sums()[i] : 0;
    result.sums()[i] = checked(x + y);
  }
  result.count() = a.count() + b.count();
  PG_RETURN_ARRAYTYPE_P(result.array);
}

template <class Type>
Datum average(FunctionCallInfo fcinfo, char const* function_name) {
  State const state = state_of(PG_GETARG_ARRAYTYPE_P(0), function_name);
  if (state.count() == 0) PG_RETURN_NULL();
  check_dense_dim(Type::name, state.dim);
  View<Type> const result = make<Type>(state.dim);
  float x[chunk_size];
  for_each_chunk(state.dim, [&](uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) x[i] = static_cast<float>(state.sums()[first + i] / state.count());
    store_checked(result, first, count, x);
  });
  return datum_of(result.value);
}

}  // namespace

}  // namespace strata::pg

using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(vector_accum) {
  return strata::pg::accumulate<Vector>(fcinfo, "vector_accum");
}
STRATA_FUNCTION(vector_combine) {
  return strata::pg::combine<Vector>(fcinfo, "vector_combine");
}
STRATA_FUNCTION(vector_avg) {
  return strata::pg::average<Vector>(fcinfo, "vector_avg");
}

STRATA_FUNCTION(halfvec_accum) {
  return strata::pg::accumulate<Halfvec>(fcinfo, "halfvec_accum");
}
STRATA_FUNCTION(halfvec_combine) {
  return strata::pg::combine<Halfvec>(fcinfo, "halfvec_combine");
}
STRATA_FUNCTION(halfvec_avg) {
  return strata::pg::average<Halfvec>(fcinfo, "halfvec_avg");
}
