#include "core/history/retained.hpp"

#include <algorithm>

#include "core/base/core_only.hpp"

namespace strata::history {

size_t sort_ordinals(int32_t* ordinals, size_t count) {
  std::sort(ordinals, ordinals + count);
  return static_cast<size_t>(std::unique(ordinals, ordinals + count) - ordinals);
}

size_t first_from(Retained const& retained, int32_t ordinal) {
  auto const* end = retained.ordinals + retained.count;
  return static_cast<size_t>(std::lower_bound(retained.ordinals, end, ordinal) - retained.ordinals);
}

Viewers viewers_of(Retained const& retained, Interval const& row) {
  if (row.died <= row.born) return {};
  size_t const first = first_from(retained, row.born);
  return {first, first_from(retained, row.died) - first};
}

void count_own_row(Retained const& retained, Interval const& row, uint64_t* own_rows) {
  Viewers const viewers = viewers_of(retained, row);
  if (viewers.count == 1) own_rows[viewers.first]++;
}

}  // namespace strata::history
