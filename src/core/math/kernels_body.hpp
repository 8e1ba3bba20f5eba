// The table of a set of kernels: included behind all of them, whose names are the same in every translation unit.
#pragma once
#include "core/math/kernels.hpp"

namespace strata::math {
namespace {

constexpr Kernels kernels_here = {
    l2_squared_of<Singles>,
    inner_product_of<Singles>,
    l1_of<Singles>,
    cosine_parts_of<Singles>,
    l2_squared_of<Halves>,
    inner_product_of<Halves>,
    l1_of<Halves>,
    cosine_parts_of<Halves>,
    l2_squared_of<Singles, Halves>,
    inner_product_of<Singles, Halves>,
    hamming_of,
    jaccard_parts_of,
    widen_halves_to_floats,
    scale_shorts_to_floats,
};

}  // namespace
}  // namespace strata::math
