// Whether a vector lies within a distance of a point: the operators that an index can answer for `distance < radius`.
#include "pg/postgres.hpp"

#include "pg/entry.hpp"

extern "C" {
Datum strata_vector_l2_distance(FunctionCallInfo fcinfo);
Datum strata_vector_negative_inner_product(FunctionCallInfo fcinfo);
Datum strata_vector_cosine_distance(FunctionCallInfo fcinfo);
Datum strata_halfvec_l2_distance(FunctionCallInfo fcinfo);
Datum strata_halfvec_negative_inner_product(FunctionCallInfo fcinfo);
Datum strata_halfvec_cosine_distance(FunctionCallInfo fcinfo);
}

namespace strata::pg {
namespace {

// The second argument is a row of center and radius; NULL when one of them is.
Datum within(FunctionCallInfo fcinfo, PGFunction distance) {
  HeapTupleHeader const ball = PG_GETARG_HEAPTUPLEHEADER(1);
  bool center_null, radius_null;
  Datum const center = GetAttributeByNum(ball, 1, &center_null);
  Datum const radius = GetAttributeByNum(ball, 2, &radius_null);
  if (center_null || radius_null) PG_RETURN_NULL();
  double const found = DatumGetFloat8(DirectFunctionCall2(distance, PG_GETARG_DATUM(0), center));
  PG_RETURN_BOOL(float8_lt(found, DatumGetFloat8(radius)));
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(vector_l2_within) {
  return strata::pg::within(fcinfo, strata_vector_l2_distance);
}
STRATA_FUNCTION(vector_ip_within) {
  return strata::pg::within(fcinfo, strata_vector_negative_inner_product);
}
STRATA_FUNCTION(vector_cosine_within) {
  return strata::pg::within(fcinfo, strata_vector_cosine_distance);
}
STRATA_FUNCTION(halfvec_l2_within) {
  return strata::pg::within(fcinfo, strata_halfvec_l2_distance);
}
STRATA_FUNCTION(halfvec_ip_within) {
  return strata::pg::within(fcinfo, strata_halfvec_negative_inner_product);
}
STRATA_FUNCTION(halfvec_cosine_within) {
  return strata::pg::within(fcinfo, strata_halfvec_cosine_distance);
}
