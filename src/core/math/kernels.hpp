// The table behind distance.hpp and half.hpp: one constant per instruction set, defined in kernels_*.cpp. No inline
// functions here: this header is seen by translation units with different instruction sets.
#pragma once
#include "core/math/distance.hpp"

namespace strata::math {

struct Kernels {
  float (*l2_squared)(uint32_t dim, void const* a, void const* b);
  float (*inner_product)(uint32_t dim, void const* a, void const* b);
  float (*l1)(uint32_t dim, void const* a, void const* b);
  CosineParts (*cosine_parts)(uint32_t dim, void const* a, void const* b);
  float (*l2_squared_half)(uint32_t dim, void const* a, void const* b);
  float (*inner_product_half)(uint32_t dim, void const* a, void const* b);
  float (*l1_half)(uint32_t dim, void const* a, void const* b);
  CosineParts (*cosine_parts_half)(uint32_t dim, void const* a, void const* b);
  float (*l2_squared_mixed)(uint32_t dim, void const* a, void const* b);
  float (*inner_product_mixed)(uint32_t dim, void const* a, void const* b);
  uint64_t (*hamming)(size_t byte_count, void const* a, void const* b);
  JaccardParts (*jaccard_parts)(size_t byte_count, void const* a, void const* b);
  void (*halves_to_floats)(uint32_t count, void const* halves, float* floats);
  void (*shorts_to_floats)(uint32_t count, void const* shorts, float scale, float* floats);
};

extern Kernels const kernels_scalar;
extern Kernels const kernels_avx2;
extern Kernels const kernels_avx512;
extern Kernels const kernels_neon;

}  // namespace strata::math
