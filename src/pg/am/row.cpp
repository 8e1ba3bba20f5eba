#include "pg/am/row.hpp"

#include <cmath>

#include "core/base/limits.hpp"
#include "core/math/distance.hpp"

namespace strata::pg {
namespace {

// Equal vectors have equal hashes: zeros lose their sign before they are hashed, and stay without it.
uint64_t canonical_hash(uint32_t dim, float* vector) {
  for (uint32_t i = 0; i < dim; i++) vector[i] += 0.0f;
  return hash_bytes_extended(reinterpret_cast<unsigned char const*>(vector), int(dim * sizeof(float)), 0);
}

}  // namespace

RowShape row_shape(Relation index) {
  int32 const dim = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
  if (dim < 1)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column does not have dimensions"),
                    errhint("Declare them with the type, as in vector(768), or index an expression that is cast to "
                            "such a type.")));
  if (uint32_t(dim) > vector_dim_max)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("column cannot have more than %u dimensions for ivf index", vector_dim_max)));
  return {column_class(index, 1), uint32_t(dim)};
}

Row make_row(RowShape const& shape, Datum value, bool is_null, float* vector) {
  if (is_null) return {format::row_is_null, 0, nullptr};
  void* copy;
  VectorRef const ref = vector_ref(value, shape.column.element, &copy);
  if (ref.dim != shape.dim)
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected %u dimensions, not %u", shape.dim, ref.dim)));
  copy_elements(ref, vector);
  if (copy) pfree(copy);
  Row row{0, canonical_hash(shape.dim, vector), vector};
  if (shape.column.metric == Metric::cosine) {
    // Zero is what the distance takes for zero: a norm that vanishes in single precision.
    float const norm2 = math::inner_product(shape.dim, vector, vector);
    if (norm2 == 0) return {format::row_is_zero, row.hash, nullptr};
    normalize(shape.dim, vector);
  }
  return row;
}

void normalize(uint32_t dim, float* vector) {
  double norm2 = 0;
  for (uint32_t i = 0; i < dim; i++) norm2 += double(vector[i]) * vector[i];
  double const scale = 1 / std::sqrt(norm2);
  for (uint32_t i = 0; i < dim; i++) vector[i] = float(vector[i] * scale);
}

Tid tid_of(ItemPointer pointer) {
  return Tid::of(ItemPointerGetBlockNumberNoCheck(pointer), ItemPointerGetOffsetNumberNoCheck(pointer));
}

void set_item_pointer(ItemPointer pointer, Tid tid) {
  ItemPointerSet(pointer, tid.block(), tid.offset());
}

}  // namespace strata::pg
