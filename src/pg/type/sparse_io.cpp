// Input, output and type modifier of sparsevec.
#include "pg/postgres.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/type/dense.hpp"
#include "pg/type/sparse.hpp"
#include "pg/type/text_fault.hpp"

namespace strata::pg {

namespace {

// False after a soft error.
bool check_index_fault(text::IndexFault fault, Node* context = nullptr) {
  char const* message = nullptr;
  switch (fault) {
    case text::IndexFault::none:
      return true;
    case text::IndexFault::out_of_bounds:
      message = "sparsevec index out of bounds";
      break;
    case text::IndexFault::descending:
      message = "sparsevec indices must be in ascending order";
      break;
    case text::IndexFault::duplicate:
      message = "sparsevec indices must not contain duplicates";
      break;
  }
  ereturn(context, false, (errcode(ERRCODE_DATA_EXCEPTION), errmsg_internal("%s", message)));
}

Datum input(FunctionCallInfo fcinfo) {
  char const* literal = PG_GETARG_CSTRING(0);
  int32 const typmod = PG_GETARG_INT32(2);
  Node* const context = fcinfo->context;
  std::string_view const source(literal);
  uint64_t const bound = text::element_count_bound(source);
  TextFault fault{sparsevec_name, literal, text::Fault::too_many, {}, '{', sparse_nonzero_max};
  if (bound > sparse_nonzero_max) return text_fault(context, fault);
  auto* elements = static_cast<text::SparseElement*>(palloc(bound * sizeof(text::SparseElement)));
  text::SparseText const parsed = text::parse_sparsevec(source, static_cast<uint32_t>(bound), elements);
  if (parsed.fault != text::Fault::none) {
    fault.fault = parsed.fault;
    fault.token = parsed.token;
    return text_fault(context, fault);
  }
  if (!check_sparse_dim(parsed.dim, context) || !check_typmod(typmod, parsed.dim, context)) return Datum(0);
  auto const index_fault = text::check_indices(parsed.count, &elements->index, sizeof(text::SparseElement), parsed.dim);
  if (!check_index_fault(index_fault, context)) return Datum(0);
  SparsevecView const result = make_sparse(parsed.dim, parsed.count);
  for (uint32_t i = 0; i < parsed.count; ++i) result.set(i, elements[i].index, elements[i].value);
  pfree(elements);
  return datum_of(result.value);
}

Datum output(FunctionCallInfo fcinfo) {
  Datum const datum = PG_GETARG_DATUM(0);
  SparsevecView const v = view_sparse(datum);
  constexpr size_t integer_size = 11;  // with a sign
  size_t const element_size = integer_size + FLOAT_SHORTEST_DECIMAL_LEN + 1;
  char* const buffer = static_cast<char*>(palloc(v.count * element_size + integer_size + 4));
  char* at = buffer;
  *at++ = '{';
  for (uint32_t i = 0; i < v.count; ++i) {
    if (i > 0) *at++ = ',';
    at += pg_ltoa(v.index(i) + 1, at);
    *at++ = ':';
    at += float_to_shortest_decimal_bufn(v.element(i), at);
  }
  *at++ = '}';
  *at++ = '/';
  pg_ltoa(v.dim, at);
  release(v, datum);
  PG_RETURN_CSTRING(buffer);
}

void check_no_zero(SparsevecView const& v) {
  for (uint32_t i = 0; i < v.count; ++i) {
    if (v.element(i) == 0) {
      ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                      errmsg("binary representation of sparsevec cannot contain zero values")));
    }
  }
}

Datum receive(FunctionCallInfo fcinfo) {
  StringInfo const message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  int32 const typmod = PG_GETARG_INT32(2);
  int32 const dim = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  int32 const count = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  int32 const unused = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  check_sparse_dim(dim);
  check_sparse_count(count, dim);
  check_typmod(typmod, dim);
  if (unused != 0) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected unused to be 0, not %d", unused)));
  }
  char const* wire = pq_getmsgbytes(message, count * static_cast<int>(sizeof(int32) + sizeof(float)));
  SparsevecView const result = make_sparse(dim, static_cast<uint32_t>(count));
  // Indices and values follow each other in the value as on the wire.
  text::swap_words32(2 * result.count, wire, result.indices);
  check_index_fault(text::check_indices(result.count, result.indices, sizeof(int32), dim));
  check_fault(sparsevec_name, text::check_floats(result.count, result.values));
  check_no_zero(result);
  return datum_of(result.value);
}

Datum send(FunctionCallInfo fcinfo) {
  Datum const datum = PG_GETARG_DATUM(0);
  SparsevecView const v = view_sparse(datum);
  uint32_t const head[3] = {static_cast<uint32_t>(v.dim), v.count, 0};
  size_t const size = VARHDRSZ + sizeof head + size_t{v.count} * (sizeof(int32) + sizeof(float));
  char* const message = static_cast<char*>(palloc(size));
  SET_VARSIZE(message, size);
  text::swap_words32(3, head, message + VARHDRSZ);
  text::swap_words32(2 * v.count, v.indices, message + VARHDRSZ + sizeof head);
  release(v, datum);
  PG_RETURN_POINTER(message);
}

}  // namespace

}  // namespace strata::pg

STRATA_FUNCTION(sparsevec_in) {
  return strata::pg::input(fcinfo);
}
STRATA_FUNCTION(sparsevec_out) {
  return strata::pg::output(fcinfo);
}
STRATA_FUNCTION(sparsevec_recv) {
  return strata::pg::receive(fcinfo);
}
STRATA_FUNCTION(sparsevec_send) {
  return strata::pg::send(fcinfo);
}
STRATA_FUNCTION(sparsevec_typmod_in) {
  return Int32GetDatum(
      strata::pg::dims_of_typmod(PG_GETARG_ARRAYTYPE_P(0), strata::pg::sparsevec_name, strata::sparse_dim_max));
}
