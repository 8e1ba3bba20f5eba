// Plain distances over the lanes of one instruction set; included once per translation unit, after its lanes_*.hpp.
#pragma once
#include "core/math/kernels.hpp"

namespace strata::math {
namespace {

using namespace lanes;

// The operands need no alignment, so offsets are taken in bytes.
inline void const* at(void const* p, size_t offset) {
  return static_cast<char const*>(p) + offset;
}

struct Singles {
  static F load(void const* p, uint32_t i) { return lanes::load(at(p, size_t(i) * 4)); }
  static F part(void const* p, uint32_t i, uint32_t n) { return load_part(at(p, size_t(i) * 4), n); }
};

struct Halves {
  static F load(void const* p, uint32_t i) { return load_halves(at(p, size_t(i) * 2)); }
  static F part(void const* p, uint32_t i, uint32_t n) { return load_halves_part(at(p, size_t(i) * 2), n); }
};

// Sum over the dimensions in four independent vectors. term(x, y, s) adds its value to s and is 0 for zero lanes.
template <class Source, class Other, class Term>
inline float accumulate(uint32_t dim, void const* a, void const* b, Term term) {
  constexpr uint32_t w = lane_count;
  F s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  uint32_t i = 0;
  for (; dim - i >= 4 * w; i += 4 * w) {
    s0 = term(Source::load(a, i), Other::load(b, i), s0);
    s1 = term(Source::load(a, i + w), Other::load(b, i + w), s1);
    s2 = term(Source::load(a, i + 2 * w), Other::load(b, i + 2 * w), s2);
    s3 = term(Source::load(a, i + 3 * w), Other::load(b, i + 3 * w), s3);
  }
  for (; dim - i >= w; i += w) s0 = term(Source::load(a, i), Other::load(b, i), s0);
  if (i < dim) s1 = term(Source::part(a, i, dim - i), Other::part(b, i, dim - i), s1);
  return sum(add(add(s0, s1), add(s2, s3)));
}

template <class Source, class Other = Source>
float l2_squared_of(uint32_t dim, void const* a, void const* b) {
  return accumulate<Source, Other>(dim, a, b, [](F x, F y, F s) {
    F const difference = sub(x, y);
    return mul_add(difference, difference, s);
  });
}

template <class Source, class Other = Source>
float inner_product_of(uint32_t dim, void const* a, void const* b) {
  return accumulate<Source, Other>(dim, a, b, [](F x, F y, F s) { return mul_add(x, y, s); });
}

template <class Source>
float l1_of(uint32_t dim, void const* a, void const* b) {
  return accumulate<Source, Source>(dim, a, b, [](F x, F y, F s) { return add(abs(sub(x, y)), s); });
}

struct CosineSums {
  F ab, aa, bb;
  void take(F x, F y) {
    ab = mul_add(x, y, ab);
    aa = mul_add(x, x, aa);
    bb = mul_add(y, y, bb);
  }
};

template <class Source>
CosineParts cosine_parts_of(uint32_t dim, void const* a, void const* b) {
  constexpr uint32_t w = lane_count;
  CosineSums even{zero(), zero(), zero()}, odd = even;
  uint32_t i = 0;
  for (; dim - i >= 2 * w; i += 2 * w) {
    even.take(Source::load(a, i), Source::load(b, i));
    odd.take(Source::load(a, i + w), Source::load(b, i + w));
  }
  if (dim - i >= w) {
    even.take(Source::load(a, i), Source::load(b, i));
    i += w;
  }
  if (i < dim) odd.take(Source::part(a, i, dim - i), Source::part(b, i, dim - i));
  return {sum(add(even.ab, odd.ab)), sum(add(even.aa, odd.aa)), sum(add(even.bb, odd.bb))};
}

void widen_halves_to_floats(uint32_t count, void const* halves, float* floats) {
  uint32_t i = 0;
  for (; count - i >= lane_count; i += lane_count) store(floats + i, Halves::load(halves, i));
  if (i < count) store_part(floats + i, Halves::part(halves, i, count - i), count - i);
}

// A plain loop, which the compiler turns into its vectors.
void scale_shorts_to_floats(uint32_t count, void const* shorts, float scale, float* floats) {
  for (uint32_t i = 0; i < count; ++i) {
    int16_t value;
    __builtin_memcpy(&value, at(shorts, size_t(i) * sizeof value), sizeof value);
    floats[i] = float(value) * scale;
  }
}

}  // namespace
}  // namespace strata::math
