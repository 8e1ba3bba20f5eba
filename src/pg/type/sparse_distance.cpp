// Distances, norm, normalisation, order and hash of sparsevec.
#include "pg/postgres.hpp"

#include "core/math/sparse_distance.hpp"
#include "pg/entry.hpp"
#include "pg/type/dense.hpp"
#include "pg/type/distance.hpp"
#include "pg/type/sparse.hpp"

namespace strata::pg {

namespace {

template <class Kernel>
auto apply(FunctionCallInfo fcinfo, Kernel kernel) {
  Datum const datum_a = PG_GETARG_DATUM(0);
  Datum const datum_b = PG_GETARG_DATUM(1);
  SparsevecView const a = view_sparse(datum_a);
  SparsevecView const b = view_sparse(datum_b);
  if (a.dim != b.dim) {
    raise_different_dims(sparsevec_name, static_cast<uint32_t>(a.dim), static_cast<uint32_t>(b.dim));
  }
  auto const result = kernel(a.elements(), b.elements());
  release(a, datum_a);
  release(b, datum_b);
  return result;
}

double length_of(SparsevecView const& v) {
  double sum = 0;
  for (uint32_t i = 0; i < v.count; ++i) sum += static_cast<double>(v.element(i)) * static_cast<double>(v.element(i));
  return sqrt(sum);
}

// Unit length; a vector without elements stays as it is. Elements that become zero are left out.
Datum normalize(Datum datum) {
  SparsevecView const v = view_sparse(datum);
  double const length = length_of(v);
  uint32_t count = 0;
  for (uint32_t i = 0; i < v.count; ++i) count += static_cast<float>(v.element(i) / length) != 0;
  SparsevecView const result = make_sparse(v.dim, count);
  uint32_t next = 0;
  for (uint32_t i = 0; i < v.count; ++i) {
    float const element = static_cast<float>(v.element(i) / length);
    if (std::isinf(element)) float_overflow_error();
    if (element != 0) result.set(next++, v.index(i), element);
  }
  return datum_of(result.value);
}

// The order of the dense vectors that the two stand for, see vector_cmp.
int compare(SparsevecView const& a, SparsevecView const& b) {
  uint32_t i = 0;
  while (i < a.count && i < b.count && a.index(i) == b.index(i)) {
    float const x = a.element(i);
    float const y = b.element(i);
    if (x != y) return x < y ? -1 : 1;
    ++i;
  }
  // The first dimension in which only one of the two has an element, while the other one, if it reaches that far, has
  // zero.
  int64_t const a_index = i < a.count ? a.index(i) : INT64_MAX;
  int64_t const b_index = i < b.count ? b.index(i) : INT64_MAX;
  if (a_index < b_index && a_index < b.dim) return a.element(i) < 0 ? -1 : 1;
  if (b_index < a_index && b_index < a.dim) return b.element(i) < 0 ? 1 : -1;
  return a.dim == b.dim ? 0 : a.dim < b.dim ? -1 : 1;
}

int compare(FunctionCallInfo fcinfo) {
  Datum const datum_a = PG_GETARG_DATUM(0);
  Datum const datum_b = PG_GETARG_DATUM(1);
  SparsevecView const a = view_sparse(datum_a);
  SparsevecView const b = view_sparse(datum_b);
  int const result = compare(a, b);
  release(a, datum_a);
  release(b, datum_b);
  return result;
}

// Equal values have equal bytes, since zeros are not stored.
template <class Hash>
Datum hash_payload(Datum datum, Hash hash) {
  SparsevecView const v = view_sparse(datum);
  auto const* payload = reinterpret_cast<unsigned char const*>(VARDATA_ANY(v.value));
  Datum const result = hash(payload, static_cast<int>(VARSIZE_ANY_EXHDR(v.value)));
  release(v, datum);
  return result;
}

}  // namespace

}  // namespace strata::pg

namespace math = strata::math;
using strata::pg::apply;
using strata::pg::compare;

STRATA_FUNCTION(sparsevec_l2_distance) {
  return Float8GetDatum(sqrt(static_cast<double>(apply(fcinfo, math::l2_squared_sparse))));
}
STRATA_FUNCTION(sparsevec_l2_squared_distance) {
  return Float8GetDatum(apply(fcinfo, math::l2_squared_sparse));
}
STRATA_FUNCTION(sparsevec_inner_product) {
  return Float8GetDatum(apply(fcinfo, math::inner_product_sparse));
}
STRATA_FUNCTION(sparsevec_negative_inner_product) {
  return Float8GetDatum(-static_cast<double>(apply(fcinfo, math::inner_product_sparse)));
}
STRATA_FUNCTION(sparsevec_cosine_distance) {
  return Float8GetDatum(strata::pg::cosine_distance(apply(fcinfo, math::cosine_parts_sparse)));
}
STRATA_FUNCTION(sparsevec_l1_distance) {
  return Float8GetDatum(apply(fcinfo, math::l1_sparse));
}

STRATA_FUNCTION(sparsevec_l2_norm) {
  return Float8GetDatum(strata::pg::length_of(strata::pg::view_sparse(PG_GETARG_DATUM(0))));
}
STRATA_FUNCTION(sparsevec_l2_normalize) {
  return strata::pg::normalize(PG_GETARG_DATUM(0));
}

STRATA_FUNCTION(sparsevec_lt) {
  return BoolGetDatum(compare(fcinfo) < 0);
}
STRATA_FUNCTION(sparsevec_le) {
  return BoolGetDatum(compare(fcinfo) <= 0);
}
STRATA_FUNCTION(sparsevec_eq) {
  return BoolGetDatum(compare(fcinfo) == 0);
}
STRATA_FUNCTION(sparsevec_ne) {
  return BoolGetDatum(compare(fcinfo) != 0);
}
STRATA_FUNCTION(sparsevec_ge) {
  return BoolGetDatum(compare(fcinfo) >= 0);
}
STRATA_FUNCTION(sparsevec_gt) {
  return BoolGetDatum(compare(fcinfo) > 0);
}
STRATA_FUNCTION(sparsevec_cmp) {
  return Int32GetDatum(compare(fcinfo));
}

STRATA_FUNCTION(sparsevec_hash) {
  return strata::pg::hash_payload(PG_GETARG_DATUM(0),
                                  [](unsigned char const* bytes, int size) { return hash_any(bytes, size); });
}
STRATA_FUNCTION(sparsevec_hash_extended) {
  uint64 const seed = static_cast<uint64>(PG_GETARG_INT64(1));
  return strata::pg::hash_payload(PG_GETARG_DATUM(0), [seed](unsigned char const* bytes, int size) {
    return hash_any_extended(bytes, size, seed);
  });
}
