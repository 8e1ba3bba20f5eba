// The order and the hash of vector and halfvec. Elements are compared before dimensions, as arrays do; zeros are equal
// whatever their sign.
#include "pg/postgres.hpp"

#include "pg/entry.hpp"
#include "pg/type/dense.hpp"

namespace strata::pg {

namespace {

template <class Type>
int compare(View<Type> const& a, View<Type> const& b) {
  uint32_t const dim = std::min(a.dim, b.dim);
  float x[chunk_size];
  float y[chunk_size];
  for (uint32_t first = 0; first < dim; first += chunk_size) {
    uint32_t const count = std::min(chunk_size, dim - first);
    load(a, first, count, x);
    load(b, first, count, y);
    for (uint32_t i = 0; i < count; ++i) {
      if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
  }
  return a.dim == b.dim ? 0 : a.dim < b.dim ? -1 : 1;
}

template <class Type>
int compare(FunctionCallInfo fcinfo) {
  Datum const datum_a = PG_GETARG_DATUM(0);
  Datum const datum_b = PG_GETARG_DATUM(1);
  View<Type> const a = view<Type>(datum_a);
  View<Type> const b = view<Type>(datum_b);
  int const result = compare(a, b);
  release(a, datum_a);
  release(b, datum_b);
  return result;
}

// Turns each negative zero into a positive one.
template <class Bits>
void drop_zero_signs(uint32_t count, char* elements) {
  constexpr Bits negative_zero = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  for (uint32_t i = 0; i < count; ++i) {
    Bits bits;
    char* const at = elements + size_t{i} * sizeof bits;
    memcpy(&bits, at, sizeof bits);
    if (bits == negative_zero) memset(at, 0, sizeof bits);
  }
}

template <class Bits>
bool has_negative_zero(uint32_t count, char const* elements) {
  constexpr Bits negative_zero = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  bool found = false;
  for (uint32_t i = 0; i < count; ++i) {
    Bits bits;
    memcpy(&bits, elements + size_t{i} * sizeof bits, sizeof bits);
    found |= bits == negative_zero;
  }
  return found;
}

// Hashes the elements in their canonical form, in which equal values have equal bytes. `hash` is one of the server's
// hash functions over bytes.
template <class Type, class Hash>
Datum hash_elements(Datum datum, Hash hash) {
  using Bits = std::conditional_t<std::is_same_v<Type, Vector>, uint32_t, uint16_t>;
  View<Type> const v = view<Type>(datum);
  int const size = static_cast<int>(v.dim * sizeof(Bits));
  char* bytes = v.elements;
  char* copy = nullptr;
  if (has_negative_zero<Bits>(v.dim, bytes)) {
    bytes = copy = static_cast<char*>(palloc(size));
    memcpy(copy, v.elements, size);
    drop_zero_signs<Bits>(v.dim, copy);
  }
  Datum const result = hash(reinterpret_cast<unsigned char const*>(bytes), size);
  if (copy != nullptr) pfree(copy);
  release(v, datum);
  return result;
}

template <class Type>
Datum hash(FunctionCallInfo fcinfo) {
  return hash_elements<Type>(PG_GETARG_DATUM(0),
                             [](unsigned char const* bytes, int size) { return hash_any(bytes, size); });
}

template <class Type>
Datum hash_extended(FunctionCallInfo fcinfo) {
  uint64 const seed = static_cast<uint64>(PG_GETARG_INT64(1));
  return hash_elements<Type>(PG_GETARG_DATUM(0), [seed](unsigned char const* bytes, int size) {
    return hash_any_extended(bytes, size, seed);
  });
}

}  // namespace

}  // namespace strata::pg

using strata::pg::compare;
using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(vector_lt) {
  return BoolGetDatum(compare<Vector>(fcinfo) < 0);
}
STRATA_FUNCTION(vector_le) {
  return BoolGetDatum(compare<Vector>(fcinfo) <= 0);
}
STRATA_FUNCTION(vector_eq) {
  return BoolGetDatum(compare<Vector>(fcinfo) == 0);
}
STRATA_FUNCTION(vector_ne) {
  return BoolGetDatum(compare<Vector>(fcinfo) != 0);
}
STRATA_FUNCTION(vector_ge) {
  return BoolGetDatum(compare<Vector>(fcinfo) >= 0);
}
STRATA_FUNCTION(vector_gt) {
  return BoolGetDatum(compare<Vector>(fcinfo) > 0);
}
STRATA_FUNCTION(vector_cmp) {
  return Int32GetDatum(compare<Vector>(fcinfo));
}
STRATA_FUNCTION(vector_hash) {
  return strata::pg::hash<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_hash_extended) {
  return strata::pg::hash_extended<Vector>(fcinfo);
}

STRATA_FUNCTION(halfvec_lt) {
  return BoolGetDatum(compare<Halfvec>(fcinfo) < 0);
}
STRATA_FUNCTION(halfvec_le) {
  return BoolGetDatum(compare<Halfvec>(fcinfo) <= 0);
}
STRATA_FUNCTION(halfvec_eq) {
  return BoolGetDatum(compare<Halfvec>(fcinfo) == 0);
}
STRATA_FUNCTION(halfvec_ne) {
  return BoolGetDatum(compare<Halfvec>(fcinfo) != 0);
}
STRATA_FUNCTION(halfvec_ge) {
  return BoolGetDatum(compare<Halfvec>(fcinfo) >= 0);
}
STRATA_FUNCTION(halfvec_gt) {
  return BoolGetDatum(compare<Halfvec>(fcinfo) > 0);
}
STRATA_FUNCTION(halfvec_cmp) {
  return Int32GetDatum(compare<Halfvec>(fcinfo));
}
STRATA_FUNCTION(halfvec_hash) {
  return strata::pg::hash<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_hash_extended) {
  return strata::pg::hash_extended<Halfvec>(fcinfo);
}
