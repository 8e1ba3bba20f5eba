#include "pg/am/opclass.hpp"

#include <cmath>

#include "core/math/distance.hpp"
#include "core/math/half.hpp"
#include "pg/entry.hpp"

namespace strata::pg {
namespace {

constexpr ColumnClass vector_l2{ColumnRole::vector, Metric::l2, Element::float32, {}};
constexpr ColumnClass vector_ip{ColumnRole::vector, Metric::inner_product, Element::float32, {}};
constexpr ColumnClass vector_cosine{ColumnRole::vector, Metric::cosine, Element::float32, {}};
constexpr ColumnClass halfvec_l2{ColumnRole::vector, Metric::l2, Element::float16, {}};
constexpr ColumnClass halfvec_ip{ColumnRole::vector, Metric::inner_product, Element::float16, {}};
constexpr ColumnClass halfvec_cosine{ColumnRole::vector, Metric::cosine, Element::float16, {}};

constexpr ColumnClass filter_class(KeyType key) {
  return {ColumnRole::filter, {}, {}, key};
}
constexpr ColumnClass filter_bool = filter_class(KeyType::boolean);
constexpr ColumnClass filter_int2 = filter_class(KeyType::int16);
constexpr ColumnClass filter_int4 = filter_class(KeyType::int32);
constexpr ColumnClass filter_int8 = filter_class(KeyType::int64);
constexpr ColumnClass filter_float4 = filter_class(KeyType::float32);
constexpr ColumnClass filter_float8 = filter_class(KeyType::float64);
constexpr ColumnClass filter_oid = filter_class(KeyType::oid);
constexpr ColumnClass filter_enum = filter_class(KeyType::enumeration);
constexpr ColumnClass filter_numeric = filter_class(KeyType::numeric);
constexpr ColumnClass filter_text = filter_class(KeyType::text);
constexpr ColumnClass filter_uuid = filter_class(KeyType::uuid);

Datum pointer_to(ColumnClass const& column) {
  return PointerGetDatum(&column);
}

}  // namespace

ColumnClass const& column_class(Relation index, AttrNumber attribute) {
  FmgrInfo* procedure = index_getprocinfo(index, attribute, column_class_procedure);
  return *reinterpret_cast<ColumnClass const*>(DatumGetPointer(FunctionCall1(procedure, Datum(0))));
}

VectorRef vector_ref(Datum value, Element element, void** to_free) {
  // Both types: int16 dimensions, int16 unused, elements. A short header is left as it is.
  struct varlena* const original = reinterpret_cast<struct varlena*>(DatumGetPointer(value));
  struct varlena* const plain = pg_detoast_datum_packed(original);
  if (to_free) *to_free = plain == original ? nullptr : plain;
  char const* const data = VARDATA_ANY(plain);
  int16 dim;
  memcpy(&dim, data, sizeof dim);
  size_t const element_size = element == Element::float32 ? sizeof(float) : sizeof(uint16_t);
  if (dim < 1 || VARSIZE_ANY_EXHDR(plain) < 4 + size_t(dim) * element_size)
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("vector value is shorter than its dimensions require")));
  return {uint32_t(dim), element, data + 4};
}

void copy_elements(VectorRef vector, float* out) {
  if (vector.element == Element::float32) {
    memcpy(out, vector.elements, vector.dim * sizeof(float));
    return;
  }
  math::halves_to_floats(vector.dim, vector.elements, out);
}

double ordering_distance(Metric metric, VectorRef a, VectorRef b) {
  bool const half = a.element == Element::float16;
  switch (metric) {
    case Metric::l2:
      return half ? math::l2_squared_half(a.dim, a.elements, b.elements)
                  : math::l2_squared(a.dim, a.elements, b.elements);
    case Metric::inner_product:
      return half ? -double(math::inner_product_half(a.dim, a.elements, b.elements))
                  : -double(math::inner_product(a.dim, a.elements, b.elements));
    case Metric::cosine: {
      math::CosineParts const parts = half ? math::cosine_parts_half(a.dim, a.elements, b.elements)
                                           : math::cosine_parts(a.dim, a.elements, b.elements);
      double const similarity = double(parts.inner_product) / std::sqrt(double(parts.norm2_a) * double(parts.norm2_b));
      return 1.0 - (similarity > 1 ? 1 : similarity < -1 ? -1 : similarity);
    }
  }
  pg_unreachable();
}

}  // namespace strata::pg

STRATA_FUNCTION(ivf_vector_l2_class) {
  return strata::pg::pointer_to(strata::pg::vector_l2);
}
STRATA_FUNCTION(ivf_vector_ip_class) {
  return strata::pg::pointer_to(strata::pg::vector_ip);
}
STRATA_FUNCTION(ivf_vector_cosine_class) {
  return strata::pg::pointer_to(strata::pg::vector_cosine);
}
STRATA_FUNCTION(ivf_halfvec_l2_class) {
  return strata::pg::pointer_to(strata::pg::halfvec_l2);
}
STRATA_FUNCTION(ivf_halfvec_ip_class) {
  return strata::pg::pointer_to(strata::pg::halfvec_ip);
}
STRATA_FUNCTION(ivf_halfvec_cosine_class) {
  return strata::pg::pointer_to(strata::pg::halfvec_cosine);
}
STRATA_FUNCTION(ivf_bool_class) {
  return strata::pg::pointer_to(strata::pg::filter_bool);
}
STRATA_FUNCTION(ivf_int2_class) {
  return strata::pg::pointer_to(strata::pg::filter_int2);
}
STRATA_FUNCTION(ivf_int4_class) {
  return strata::pg::pointer_to(strata::pg::filter_int4);
}
STRATA_FUNCTION(ivf_int8_class) {
  return strata::pg::pointer_to(strata::pg::filter_int8);
}
STRATA_FUNCTION(ivf_float4_class) {
  return strata::pg::pointer_to(strata::pg::filter_float4);
}
STRATA_FUNCTION(ivf_float8_class) {
  return strata::pg::pointer_to(strata::pg::filter_float8);
}
STRATA_FUNCTION(ivf_oid_class) {
  return strata::pg::pointer_to(strata::pg::filter_oid);
}
STRATA_FUNCTION(ivf_enum_class) {
  return strata::pg::pointer_to(strata::pg::filter_enum);
}
STRATA_FUNCTION(ivf_numeric_class) {
  return strata::pg::pointer_to(strata::pg::filter_numeric);
}
STRATA_FUNCTION(ivf_text_class) {
  return strata::pg::pointer_to(strata::pg::filter_text);
}
STRATA_FUNCTION(ivf_uuid_class) {
  return strata::pg::pointer_to(strata::pg::filter_uuid);
}
