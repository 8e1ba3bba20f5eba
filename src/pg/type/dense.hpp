// vector and halfvec inside the server: the layout of their values, how to read one in place, and how to make one.
//
//   offset  size        field
//        0  4 (or 1)    varlena header; a stored value below 127 bytes has the short one of one byte
//        +  2           dim, 1 .. vector_dim_max
//        +  2           unused, zero
//        +  4*dim       float32 elements of a vector, finite     (halfvec: 2*dim, IEEE half)
//
// Values are read where they lie: with a short header their elements are not aligned, so elements are reached through
// memcpy or through kernels that need no alignment. Nothing here throws; everything may ereport.
#pragma once
#include "pg/postgres.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/limits.hpp"
#include "core/math/half.hpp"
#include "core/text/vector_wire.hpp"

namespace strata::pg {

// The head of a value with a long header. The payload starts at `dim`.
struct DenseDisk {
  int32 varlena_header;
  int16 dim;
  int16 unused;
};
static_assert(sizeof(DenseDisk) == 8 && offsetof(DenseDisk, dim) == 4 && offsetof(DenseDisk, unused) == 6);

// Bytes of the payload before the elements.
constexpr size_t dense_head_size = sizeof(DenseDisk) - offsetof(DenseDisk, dim);

struct Vector {
  using Element = float;
  static constexpr char const* name = "vector";
};

struct Halfvec {
  using Element = uint16_t;
  static constexpr char const* name = "halfvec";
};

// A value of type Vector or Halfvec in place.
template <class Type>
struct View {
  struct varlena* value;  // detoasted: the datum itself, or a copy that release() frees
  uint32_t dim;
  char* elements;  // unaligned
};

// Loops over elements take this many of them to an aligned buffer of floats. Small, so that a loop over a whole buffer,
// which the compiler vectorises since its length is known, does not waste much on a short vector.
constexpr uint32_t chunk_size = 64;

[[noreturn]] void raise_corrupt_value(char const* type_name);
[[noreturn]] void raise_different_dims(char const* type_name, uint32_t a, uint32_t b);

// Raise unless 1 <= dim <= vector_dim_max.
void check_dense_dim(char const* type_name, int64_t dim);
// Raises unless typmod is -1 or equal to dim. With a context for soft errors it returns false instead; see ereturn.
bool check_typmod(int32 typmod, int64_t dim, Node* context = nullptr);
// Raise unless all elements are finite.
void check_elements(char const* type_name, uint32_t count, float const* elements);
void check_fault(char const* type_name, text::Fault fault);

// Ensures: dim fits the size of the value. A datum that breaks this does not come from us.
template <class Type>
View<Type> view(Datum datum) {
  struct varlena* value = PG_DETOAST_DATUM_PACKED(datum);
  char* payload = VARDATA_ANY(value);
  size_t const payload_size = VARSIZE_ANY_EXHDR(value);
  uint16_t dim = 0;
  if (payload_size >= dense_head_size) memcpy(&dim, payload, sizeof dim);
  if (payload_size != dense_head_size + dim * sizeof(typename Type::Element)) raise_corrupt_value(Type::name);
  return {value, dim, payload + dense_head_size};
}

// Frees what view() had to copy. Comparison functions leak for a whole sort otherwise.
template <class Type>
void release(View<Type> const& v, Datum datum) {
  if (reinterpret_cast<Pointer>(v.value) != DatumGetPointer(datum)) pfree(v.value);
}

template <class Type>
void check_same_dims(View<Type> const& a, View<Type> const& b) {
  if (a.dim != b.dim) raise_different_dims(Type::name, a.dim, b.dim);
}

// A new value with room for `dim` elements that the caller fills. Requires: 1 <= dim <= vector_dim_max.
template <class Type>
View<Type> make(uint32_t dim) {
  size_t const size = sizeof(DenseDisk) + dim * sizeof(typename Type::Element);
  auto* head = static_cast<DenseDisk*>(palloc(size));
  SET_VARSIZE(head, size);
  head->dim = static_cast<int16>(dim);
  head->unused = 0;
  return {reinterpret_cast<struct varlena*>(head), dim, reinterpret_cast<char*>(head + 1)};
}

inline Datum datum_of(struct varlena* value) {
  return PointerGetDatum(value);
}

// Elements [first, first + count) as floats, and back.
inline void load(View<Vector> const& v, uint32_t first, uint32_t count, float* floats) {
  memcpy(floats, v.elements + size_t{first} * sizeof(float), size_t{count} * sizeof(float));
}
inline void load(View<Halfvec> const& v, uint32_t first, uint32_t count, float* floats) {
  math::halves_to_floats(count, v.elements + size_t{first} * sizeof(uint16_t), floats);
}
inline void store(View<Vector> const& v, uint32_t first, uint32_t count, float const* floats) {
  memcpy(v.elements + size_t{first} * sizeof(float), floats, size_t{count} * sizeof(float));
}
// What rounds beyond the range of halves becomes infinity.
inline void store(View<Halfvec> const& v, uint32_t first, uint32_t count, float const* floats) {
  for (uint32_t i = 0; i < count; ++i) {
    uint16_t const half = math::float_to_half(floats[i]);
    memcpy(v.elements + (size_t{first} + i) * sizeof half, &half, sizeof half);
  }
}

// Stores elements that the caller has not checked: raises for NaN, infinity, and numbers beyond the range of the type.
void store_checked(View<Vector> const& v, uint32_t first, uint32_t count, float const* floats);
void store_checked(View<Halfvec> const& v, uint32_t first, uint32_t count, float const* floats);

// The first `size` bytes of the payload, fetching no more than that of a toasted value.
void peek_payload(char const* type_name, Datum datum, void* payload, uint32_t size);

// The number of dimensions of a vector or halfvec.
inline int32 peek_dim(char const* type_name, Datum datum) {
  uint16_t dim;
  peek_payload(type_name, datum, &dim, sizeof dim);
  return dim;
}

// Calls visit(first, count) for consecutive chunks of [0, dim).
template <class Visit>
void for_each_chunk(uint32_t dim, Visit visit) {
  for (uint32_t first = 0; first < dim; first += chunk_size) visit(first, std::min(chunk_size, dim - first));
}

// The root of the sum of squares, in double precision.
template <class Type>
double norm(View<Type> const& v) {
  double sum = 0;
  float x[chunk_size];
  for_each_chunk(v.dim, [&](uint32_t first, uint32_t count) {
    load(v, first, count, x);
    for (uint32_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  });
  return sqrt(sum);
}

}  // namespace strata::pg
