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

// The filter columns behind the vector.
void read_filters(Relation index, RowShape* shape) {
  int const count = IndexRelationGetNumberOfKeyAttributes(index) - 1;
  if (count > int(indexed_column_count_max))
    ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                    errmsg("ivf index cannot have more than %u filter columns", indexed_column_count_max)));
  format::MetaDisk meta{};
  meta.column_count = uint8_t(count);
  for (int i = 0; i < count; i++) {
    ColumnClass const& column = column_class(index, AttrNumber(i + 2));
    if (column.role != ColumnRole::filter)
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("ivf index can have only one vector column"),
                      errhint("Create an index for each vector column.")));
    shape->filters[i] = {column.key, index->rd_indcollation[i + 1]};
    meta.column[i] = column_disk(column.key);
  }
  shape->columns = format::columns_shape(meta);
}

}  // namespace

RowShape row_shape(Relation index) {
  RowShape shape{};
  shape.column = column_class(index, 1);
  if (shape.column.role != ColumnRole::vector)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("first column of an ivf index must be a vector"),
                    errhint("Name the vector first and the columns to filter by after it, as in USING ivf (embedding, "
                            "tenant_id).")));
  int32 const dim = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
  if (dim < 1)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column does not have dimensions"),
                    errhint("Declare them with the type, as in vector(768), or index an expression that is cast to "
                            "such a type.")));
  if (uint32_t(dim) > vector_dim_max)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("column cannot have more than %u dimensions for ivf index", vector_dim_max)));
  shape.dim = uint32_t(dim);
  read_filters(index, &shape);
  return shape;
}

uint32_t element_size(RowShape const& shape) {
  return shape.column.element == Element::float32 ? sizeof(float) : sizeof(uint16_t);
}

format::MetaDisk meta_for(RowShape const& shape, uint64_t seed, store::CopyPlan copies) {
  format::ColumnDisk columns[indexed_column_count_max];
  for (uint32_t i = 0; i < shape.columns.count; i++) columns[i] = column_disk(shape.filters[i].type);
  return store::meta_for(shape.dim, shape.column.metric, seed, columns, shape.columns.count, copies);
}

void make_columns(RowShape const& shape, Datum const* values, bool const* isnull, std::byte* columns) {
  memset(columns, 0, shape.columns.total_size);
  for (uint32_t i = 0; i < shape.columns.count; i++) {
    bool const is_null = isnull[i + 1];
    uint64_t const key = is_null ? 0 : key_of_value(shape.filters[i], values[i + 1]);
    format::set_column(shape.columns, i, key, is_null, columns);
  }
}

namespace {

// A value's elements, and `copy` as in make_row().
void read_elements(RowShape const& shape, Datum value, float* vector, RowCopy copy) {
  void* plain;
  VectorRef const ref = vector_ref(value, shape.column.element, &plain);
  if (ref.dim != shape.dim)
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("expected %u dimensions, not %u", shape.dim, ref.dim)));
  copy_elements(ref, vector);
  if (copy.bytes && copy.kind == format::CopyKind::rounded)
    quant::encode_rounded(shape.dim, vector, static_cast<std::byte*>(copy.bytes));
  else if (copy.bytes)
    memcpy(copy.bytes, ref.elements, size_t(shape.dim) * element_size(shape));
  if (plain) pfree(plain);
}

Row normalized(RowShape const& shape, uint64_t hash, float* vector) {
  Row row{0, hash, vector};
  if (shape.column.metric == Metric::cosine) {
    // Zero is what the distance takes for zero: a norm that vanishes in single precision.
    float const norm2 = math::inner_product(shape.dim, vector, vector);
    if (norm2 == 0) return {format::row_is_zero, row.hash, nullptr};
    normalize(shape.dim, vector);
  }
  return row;
}

}  // namespace

Row make_row(RowShape const& shape, Datum value, bool is_null, float* vector, RowCopy copy) {
  if (is_null) return {format::row_is_null, 0, nullptr};
  read_elements(shape, value, vector, copy);
  return normalized(shape, canonical_hash(shape.dim, vector), vector);
}

Row make_query(RowShape const& shape, Datum value, float* vector) {
  read_elements(shape, value, vector, {});
  return normalized(shape, 0, vector);
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
