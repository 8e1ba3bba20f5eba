// Which rows of the past are still needed: arithmetic on ordinals of versions.
//
// The changes of a table are counted in ordinals: everything that is written between two versions carries the ordinal
// of the later one. A row version lives in the half-open interval [born, died); version v shows it when born <= v <
// died:
//
//     ordinal      1     2     3     4     5
//     versions           v2          v4               retained = {2, 4}
//     row a        |-----------)                      [1, 3): v2 shows it, needed
//     row b                    |-----)                [3, 4): nobody shows it
//     row c                          |-----------     [4, none): the table itself holds it
//
// A row is garbage when no retained version lies in its interval: a difference of sets, in which time has no part.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::history {

constexpr int32_t ordinal_none = INT32_MAX;  // the end of rows that are still in the table
constexpr int32_t ordinal_first = 1;         // rows from before versions were enabled are born at 0

struct Interval {
  int32_t born = 0;
  int32_t died = ordinal_none;
};

// Ordinals of versions, ascending, without duplicates. The memory is the caller's.
struct Retained {
  int32_t const* ordinals = nullptr;
  size_t count = 0;
};

// Sorts `count` ordinals, drops duplicates and returns how many are left.
size_t sort_ordinals(int32_t* ordinals, size_t count);

// The position of the first ordinal that is at least `ordinal`; `count` when there is none.
size_t first_from(Retained const& retained, int32_t ordinal);

// How many retained versions show the row, and the position of the first of them (meaningless when none does).
struct Viewers {
  size_t first = 0;
  size_t count = 0;
};
Viewers viewers_of(Retained const& retained, Interval const& row);

// Whether a retained version shows the row. The common answer, no, costs one comparison.
inline bool is_needed(Retained const& retained, Interval const& row) {
  if (retained.count == 0 || retained.ordinals[retained.count - 1] < row.born) return false;
  return viewers_of(retained, row).count > 0;
}

// Adds the rows that only one version shows: what dropping it would free. `own_rows` has one place a version.
void count_own_row(Retained const& retained, Interval const& row, uint64_t* own_rows);

}  // namespace strata::history
