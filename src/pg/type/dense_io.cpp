// Input, output and type modifier of vector and halfvec.
#include "pg/postgres.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/type/dense.hpp"
#include "pg/type/text_fault.hpp"

namespace strata::pg {

namespace {

text::DenseText parse(std::string_view source, uint32_t capacity, View<Vector> const& target) {
  return text::parse_vector(source, capacity, reinterpret_cast<float*>(target.elements));
}
text::DenseText parse(std::string_view source, uint32_t capacity, View<Halfvec> const& target) {
  return text::parse_halfvec(source, capacity, reinterpret_cast<uint16_t*>(target.elements));
}

template <class Type>
Datum input(FunctionCallInfo fcinfo) {
  char const* literal = PG_GETARG_CSTRING(0);
  int32 const typmod = PG_GETARG_INT32(2);
  std::string_view const source(literal);
  uint32_t const capacity =
      static_cast<uint32_t>(std::min<uint64_t>(text::element_count_bound(source), vector_dim_max));
  View<Type> const result = make<Type>(capacity);
  text::DenseText const parsed = parse(source, capacity, result);
  if (parsed.fault != text::Fault::none) {
    return text_fault(fcinfo->context, {Type::name, literal, parsed.fault, parsed.token, '[', vector_dim_max});
  }
  // Every comma separates two elements of an accepted text, so that all the room is used.
  Assert(parsed.dim == capacity);
  if (!check_typmod(typmod, parsed.dim, fcinfo->context)) return Datum(0);
  return datum_of(result.value);
}

template <class Type>
Datum output(FunctionCallInfo fcinfo) {
  Datum const datum = PG_GETARG_DATUM(0);
  View<Type> const v = view<Type>(datum);
  // A number and a comma each, two brackets and the end; the length of a number counts its own '\0'.
  char* const buffer = static_cast<char*>(palloc(size_t{v.dim} * FLOAT_SHORTEST_DECIMAL_LEN + 3));
  char* at = buffer;
  *at++ = '[';
  float x[chunk_size];
  for_each_chunk(v.dim, [&](uint32_t first, uint32_t count) {
    load(v, first, count, x);
    for (uint32_t i = 0; i < count; ++i) {
      if (first + i > 0) *at++ = ',';
      at += float_to_shortest_decimal_bufn(x[i], at);
    }
  });
  *at++ = ']';
  *at = '\0';
  release(v, datum);
  PG_RETURN_CSTRING(buffer);
}

template <class Type>
Datum typmod_in(FunctionCallInfo fcinfo) {
  return Int32GetDatum(dims_of_typmod(PG_GETARG_ARRAYTYPE_P(0), Type::name, vector_dim_max));
}

void decode(View<Vector> const& v, char const* wire) {
  text::swap_words32(v.dim, wire, v.elements);
  check_fault(Vector::name, text::check_floats(v.dim, v.elements));
}
void decode(View<Halfvec> const& v, char const* wire) {
  text::swap_words16(v.dim, wire, v.elements);
  check_fault(Halfvec::name, text::check_halves(v.dim, v.elements));
}
void encode(View<Vector> const& v, char* wire) {
  text::swap_words32(v.dim, v.elements, wire);
}
void encode(View<Halfvec> const& v, char* wire) {
  text::swap_words16(v.dim, v.elements, wire);
}

template <class Type>
Datum receive(FunctionCallInfo fcinfo) {
  StringInfo const message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  int32 const typmod = PG_GETARG_INT32(2);
  int const dim = static_cast<int>(pq_getmsgint(message, sizeof(int16)));
  int const unused = static_cast<int>(pq_getmsgint(message, sizeof(int16)));
  check_dense_dim(Type::name, dim);
  check_typmod(typmod, dim);
  if (unused != 0) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected unused to be 0, not %d", unused)));
  }
  char const* wire = pq_getmsgbytes(message, dim * static_cast<int>(sizeof(typename Type::Element)));
  View<Type> const result = make<Type>(static_cast<uint32_t>(dim));
  decode(result, wire);
  return datum_of(result.value);
}

template <class Type>
Datum send(FunctionCallInfo fcinfo) {
  Datum const datum = PG_GETARG_DATUM(0);
  View<Type> const v = view<Type>(datum);
  size_t const size = VARHDRSZ + dense_head_size + v.dim * sizeof(typename Type::Element);
  char* const message = static_cast<char*>(palloc(size));
  SET_VARSIZE(message, size);
  uint16_t const head[2] = {static_cast<uint16_t>(v.dim), 0};
  text::swap_words16(2, head, message + VARHDRSZ);
  encode(v, message + VARHDRSZ + sizeof head);
  release(v, datum);
  PG_RETURN_POINTER(message);
}

}  // namespace

}  // namespace strata::pg

using strata::pg::Halfvec;
using strata::pg::Vector;

STRATA_FUNCTION(vector_in) {
  return strata::pg::input<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_out) {
  return strata::pg::output<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_typmod_in) {
  return strata::pg::typmod_in<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_recv) {
  return strata::pg::receive<Vector>(fcinfo);
}
STRATA_FUNCTION(vector_send) {
  return strata::pg::send<Vector>(fcinfo);
}

STRATA_FUNCTION(halfvec_in) {
  return strata::pg::input<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_out) {
  return strata::pg::output<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_typmod_in) {
  return strata::pg::typmod_in<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_recv) {
  return strata::pg::receive<Halfvec>(fcinfo);
}
STRATA_FUNCTION(halfvec_send) {
  return strata::pg::send<Halfvec>(fcinfo);
}
