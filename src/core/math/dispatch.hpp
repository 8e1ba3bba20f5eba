// Private to the kernels' dispatchers (never to the translation units of one instruction set, which must not share
// inline functions with code of the baseline): the level in use as a variable, and the choice of a table by it.
#pragma once
#include "core/math/simd.hpp"

namespace strata::math {

extern SimdLevel simd_level_in_use;

constexpr uint32_t simd_level_count = 4;

// One pointer per level in the order of SimdLevel; levels of another architecture are null and never in use.
template <class Table>
inline Table const& table_in_use(Table const* const (&tables)[simd_level_count]) {
  return *tables[static_cast<uint32_t>(simd_level_in_use)];
}

}  // namespace strata::math
