// Plain distances between vectors of single and half precision and between bit strings. Sums are kept in single
// precision, in several lanes; the result may differ from the scalar reference by rounding, which the tests bound.
// Pointers need no alignment: a value with a one-byte varlena header is used in place. `dim` may be 0.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::math {

struct CosineParts {
  float inner_product;
  float norm2_a;
  float norm2_b;
};

float l2_squared(uint32_t dim, void const* a, void const* b);     // float32
float inner_product(uint32_t dim, void const* a, void const* b);  // float32
float l1(uint32_t dim, void const* a, void const* b);             // float32
CosineParts cosine_parts(uint32_t dim, void const* a, void const* b);

float l2_squared_half(uint32_t dim, void const* a, void const* b);  // IEEE half
float inner_product_half(uint32_t dim, void const* a, void const* b);
float l1_half(uint32_t dim, void const* a, void const* b);
CosineParts cosine_parts_half(uint32_t dim, void const* a, void const* b);

// float32 and IEEE half: the same bit for bit as widening b first.
float l2_squared_mixed(uint32_t dim, void const* a, void const* b);
float inner_product_mixed(uint32_t dim, void const* a, void const* b);

uint64_t hamming(size_t byte_count, void const* a, void const* b);
struct JaccardParts {
  uint64_t both;  // bits set in both
  uint64_t any;   // bits set in either
};
JaccardParts jaccard_parts(size_t byte_count, void const* a, void const* b);

}  // namespace strata::math
