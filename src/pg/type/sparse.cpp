#include "pg/type/sparse.hpp"

#include "pg/compat.hpp"
#include "pg/type/dense.hpp"

namespace strata::pg {

SparsevecView view_sparse(Datum datum) {
  struct varlena* value = PG_DETOAST_DATUM_PACKED(datum);
  char* payload = VARDATA_ANY(value);
  size_t const payload_size = VARSIZE_ANY_EXHDR(value);
  int32 head[2] = {0, -1};
  if (payload_size >= sparse_head_size) memcpy(head, payload, sizeof head);
  bool const sound =
      head[1] >= 0 && payload_size == sparse_head_size + size_t(head[1]) * (sizeof(int32) + sizeof(float));
  if (!sound) raise_corrupt_value(sparsevec_name);
  uint32_t const count = static_cast<uint32_t>(head[1]);
  char* indices = payload + sparse_head_size;
  return {value, head[0], count, indices, indices + size_t{count} * sizeof(int32)};
}

void release(SparsevecView const& v, Datum datum) {
  if (reinterpret_cast<Pointer>(v.value) != DatumGetPointer(datum)) pfree(v.value);
}

SparsevecView make_sparse(int32_t dim, uint32_t count) {
  size_t const size = sizeof(SparseDisk) + size_t{count} * (sizeof(int32) + sizeof(float));
  auto* head = static_cast<SparseDisk*>(palloc(size));
  SET_VARSIZE(head, size);
  head->dim = dim;
  head->count = static_cast<int32>(count);
  head->unused = 0;
  char* indices = reinterpret_cast<char*>(head + 1);
  return {reinterpret_cast<struct varlena*>(head), dim, count, indices, indices + size_t{count} * sizeof(int32)};
}

bool check_sparse_dim(int64_t dim, Node* context) {
  if (dim < 1) {
    ereturn(context, false,
            (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s must have at least 1 dimension", sparsevec_name)));
  }
  if (dim > int64_t{sparse_dim_max}) {
    ereturn(context, false,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
             errmsg("%s cannot have more than %u dimensions", sparsevec_name, sparse_dim_max)));
  }
  return true;
}

void check_sparse_count(int64_t count, int64_t dim) {
  if (count < 0) {
    ereport(ERROR,
            (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s cannot have negative number of elements", sparsevec_name)));
  }
  if (count > int64_t{sparse_nonzero_max}) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("%s cannot have more than %u non-zero elements", sparsevec_name, sparse_nonzero_max)));
  }
  if (count > dim) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("%s cannot have more elements than dimensions", sparsevec_name)));
  }
}

SparsevecView sparse_of_floats(uint32_t dim, float const* floats) {
  check_sparse_dim(dim);
  uint32_t count = 0;
  for (uint32_t i = 0; i < dim; ++i) count += floats[i] != 0;
  check_sparse_count(count, dim);
  check_elements(sparsevec_name, dim, floats);
  SparsevecView const result = make_sparse(static_cast<int32_t>(dim), count);
  uint32_t next = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    if (floats[i] != 0) result.set(next++, static_cast<int32_t>(i), floats[i]);
  }
  return result;
}

}  // namespace strata::pg
