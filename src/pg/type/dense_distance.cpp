// Distances and norms of vector and halfvec, computed on the values in place.
#include "pg/postgres.hpp"

#include "core/math/distance.hpp"
#include "pg/entry.hpp"
#include "pg/type/dense.hpp"
#include "pg/type/distance.hpp"

namespace strata::pg {

namespace {

template <class Type>
struct Kernels;

template <>
struct Kernels<Vector> {
  static constexpr auto l2_squared = math::l2_squared;
  static constexpr auto inner_product = math::inner_product;
  static constexpr auto l1 = math::l1;
  static constexpr auto cosine_parts = math::cosine_parts;
};

template <>
struct Kernels<Halfvec> {
  static constexpr auto l2_squared = math::l2_squared_half;
  static constexpr auto inner_product = math::inner_product_half;
  static constexpr auto l1 = math::l1_half;
  static constexpr auto cosine_parts = math::cosine_parts_half;
};

// Applies a kernel to both arguments.
template <class Type, class Kernel>
auto apply(FunctionCallInfo fcinfo, Kernel kernel) {
  Datum const datum_a = PG_GETARG_DATUM(0);
  Datum const datum_b = PG_GETARG_DATUM(1);
  View<Type> const a = view<Type>(datum_a);
  View<Type> const b = view<Type>(datum_b);
  check_same_dims(a, b);
  auto const result = kernel(a.dim, a.elements, b.elements);
  release(a, datum_a);
  release(b, datum_b);
  return result;
}

template <class Type>
Datum l2(FunctionCallInfo fcinfo) {
  return Float8GetDatum(sqrt(static_cast<double>(apply<Type>(fcinfo, Kernels<Type>::l2_squared))));
}
template <class Type>
Datum l2_squared(FunctionCallInfo fcinfo) {
  return Float8GetDatum(apply<Type>(fcinfo, Kernels<Type>::l2_squared));
}
template <class Type>
Datum inner_product(FunctionCallInfo fcinfo) {
  return Float8GetDatum(apply<Type>(fcinfo, Kernels<Type>::inner_product));
}
template <class Type>
Datum negative_inner_product(FunctionCallInfo fcinfo) {
  return Float8GetDatum(-static_cast<double>(apply<Type>(fcinfo, Kernels<Type>::inner_product)));
}
template <class Type>
Datum cosine(FunctionCallInfo fcinfo) {
  return Float8GetDatum(cosine_distance(apply<Type>(fcinfo, Kernels<Type>::cosine_parts)));
}
template <class Type>
Datum spherical(FunctionCallInfo fcinfo) {
  return Float8GetDatum(spherical_distance(apply<Type>(fcinfo, Kernels<Type>::inner_product)));
}
template <class Type>
Datum l1(FunctionCallInfo fcinfo) {
  return Float8GetDatum(apply<Type>(fcinfo, Kernels<Type>::l1));
}

template <class Type>
Datum l2_norm(FunctionCallInfo fcinfo) {
  Datum const datum = PG_GETARG_DATUM(0);
  View<Type> const v = view<Type>(datum);
  double const result = norm(v);
  release(v, datum);
  return Float8GetDatum(result);
}

}  // namespace

}  // namespace strata::pg

using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(vector_l2_distance) {
  return strata::pg::l2<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_l2_squared_distance) {
  return strata::pg::l2_squared<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_inner_product) {
  return strata::pg::inner_product<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_negative_inner_product) {
  return strata::pg::negative_inner_product<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_cosine_distance) {
  return strata::pg::cosine<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_spherical_distance) {
  return strata::pg::spherical<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_l1_distance) {
  return strata::pg::l1<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_norm) {
  return strata::pg::l2_norm<Vector>(fcinfo);
}

STRATA_FUNCTION(halfvec_l2_distance) {
  return strata::pg::l2<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_l2_squared_distance) {
  return strata::pg::l2_squared<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_inner_product) {
  return strata::pg::inner_product<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_negative_inner_product) {
  return strata::pg::negative_inner_product<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_cosine_distance) {
  return strata::pg::cosine<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_spherical_distance) {
  return strata::pg::spherical<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_l1_distance) {
  return strata::pg::l1<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_l2_norm) {
  return strata::pg::l2_norm<Halfvec>(fcinfo);
}
