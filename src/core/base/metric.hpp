// The distances an index can serve. Values are on disk: never renumber.
#pragma once
#include <cstdint>

namespace strata {
enum class Metric : uint8_t { l2 = 1, inner_product = 2, cosine = 3 };
static_assert(int(Metric::l2) == 1 && int(Metric::inner_product) == 2 && int(Metric::cosine) == 3);
}  // namespace strata
