// Casts between sparsevec and the other vector types, and from arrays.
#include "pg/postgres.hpp"

#include "pg/entry.hpp"
#include "pg/type/array_floats.hpp"
#include "pg/type/dense.hpp"
#include "pg/type/sparse.hpp"

namespace strata::pg {

namespace {

template <class Source>
Datum from_dense(FunctionCallInfo fcinfo) {
  View<Source> const source = view<Source>(PG_GETARG_DATUM(0));
  check_typmod(PG_GETARG_INT32(1), source.dim);
  auto* floats = static_cast<float*>(palloc(size_t{source.dim} * sizeof(float)));
  load(source, 0, source.dim, floats);
  SparsevecView const result = sparse_of_floats(source.dim, floats);
  pfree(floats);
  return datum_of(result.value);
}

template <class Target>
Datum to_dense(FunctionCallInfo fcinfo) {
  SparsevecView const source = view_sparse(PG_GETARG_DATUM(0));
  check_dense_dim(Target::name, source.dim);
  check_typmod(PG_GETARG_INT32(1), source.dim);
  View<Target> const target = make<Target>(static_cast<uint32_t>(source.dim));
  memset(target.elements, 0, target.dim * sizeof(typename Target::Element));
  for (uint32_t i = 0; i < source.count; ++i) {
    int32_t const index = source.index(i);
    if (index < 0 || index >= source.dim) raise_corrupt_value(sparsevec_name);
    float const element = source.element(i);
    store_checked(target, static_cast<uint32_t>(index), 1, &element);
  }
  return datum_of(target.value);
}

Datum from_array(FunctionCallInfo fcinfo) {
  ArrayType* const array = PG_GETARG_ARRAYTYPE_P(0);
  uint32_t const dim = check_number_array(array);
  check_sparse_dim(dim);
  check_typmod(PG_GETARG_INT32(1), dim);
  auto* floats = static_cast<float*>(palloc(size_t{dim} * sizeof(float)));
  read_number_array(array, floats);
  SparsevecView const result = sparse_of_floats(dim, floats);
  pfree(floats);
  return datum_of(result.value);
}

int32_t peek_sparse_dim(Datum datum) {
  int32_t dim;
  peek_payload(sparsevec_name, datum, &dim, sizeof dim);
  return dim;
}

}  // namespace

}  // namespace strata::pg

using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(sparsevec_check) {
  int32 const typmod = PG_GETARG_INT32(1);
  if (typmod != -1) strata::pg::check_typmod(typmod, strata::pg::peek_sparse_dim(PG_GETARG_DATUM(0)));
  return PG_GETARG_DATUM(0);
}
STRATA_FUNCTION(sparsevec_dims) {
  return Int32GetDatum(strata::pg::peek_sparse_dim(PG_GETARG_DATUM(0)));
}
STRATA_FUNCTION(sparsevec_to_vector) {
  return strata::pg::to_dense<Vector>(fcinfo);
}
STRATA_FUNCTION(sparsevec_to_halfvec) {
  return strata::pg::to_dense<Halfvec>(fcinfo);
}
STRATA_FUNCTION(vector_to_sparsevec) {
  return strata::pg::from_dense<Vector>(fcinfo);
}
STRATA_FUNCTION(halfvec_to_sparsevec) {
  return strata::pg::from_dense<Halfvec>(fcinfo);
}
STRATA_FUNCTION(array_to_sparsevec) {
  return strata::pg::from_array(fcinfo);
}
