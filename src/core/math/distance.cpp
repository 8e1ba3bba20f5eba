#include "core/math/distance.hpp"

#include "core/math/dispatch.hpp"
#include "core/math/half.hpp"
#include "core/math/kernels.hpp"

#include "core/base/core_only.hpp"

namespace strata::math {

namespace {

constexpr Kernels const* tables[simd_level_count] = {
    &kernels_scalar,
#if defined(__x86_64__)
    &kernels_avx2,
    &kernels_avx512,
    nullptr,
#elif defined(__aarch64__)
    nullptr,
    nullptr,
    &kernels_neon,
#else
    nullptr,
    nullptr,
    nullptr,
#endif
};

}  // namespace

float l2_squared(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).l2_squared(dim, a, b);
}

float inner_product(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).inner_product(dim, a, b);
}

float l1(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).l1(dim, a, b);
}

CosineParts cosine_parts(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).cosine_parts(dim, a, b);
}

float l2_squared_half(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).l2_squared_half(dim, a, b);
}

float inner_product_half(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).inner_product_half(dim, a, b);
}

float l1_half(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).l1_half(dim, a, b);
}

CosineParts cosine_parts_half(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).cosine_parts_half(dim, a, b);
}

float l2_squared_mixed(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).l2_squared_mixed(dim, a, b);
}

float inner_product_mixed(uint32_t dim, void const* a, void const* b) {
  return table_in_use(tables).inner_product_mixed(dim, a, b);
}

uint64_t hamming(size_t byte_count, void const* a, void const* b) {
  return table_in_use(tables).hamming(byte_count, a, b);
}

JaccardParts jaccard_parts(size_t byte_count, void const* a, void const* b) {
  return table_in_use(tables).jaccard_parts(byte_count, a, b);
}

void halves_to_floats(uint32_t count, void const* halves, float* floats) {
  table_in_use(tables).halves_to_floats(count, halves, floats);
}

void shorts_to_floats(uint32_t count, void const* shorts, float scale, float* floats) {
  table_in_use(tables).shorts_to_floats(count, shorts, scale, floats);
}

}  // namespace strata::math
