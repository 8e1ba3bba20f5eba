// Where the time of a search goes, for EXPLAIN and strata.last_scan(). The clock is asked only when somebody wants to
// know: reading it takes 20 to 40 ns, and a search changes its stage twice a list.
#pragma once
#include <cstdint>

#include "store/pager.hpp"

namespace strata::store {

enum class SearchStage : uint8_t {
  elsewhere,  // between calls of the search
  open,       // manifest, headers, the query's tables, what a filter leaves of each segment
  rank,       // the order of the lists
  scan,       // first-stage codes, growing rows
  refine,     // second-stage codes
  heap,       // exact distances from the table; entered by the caller of the search
};
constexpr uint32_t search_stage_count = 6;

struct StageClock {
  bool running;  // set by start_search() from SearchOptions::timed
  SearchStage stage;
  uint64_t since_ns;
  uint64_t spent_ns[search_stage_count];
};

// Returns the stage that ends by it.
template <Pager P>
inline SearchStage enter_stage(P& pager, StageClock& clock, SearchStage stage) {
  SearchStage const before = clock.stage;
  if (!clock.running || stage == before) return before;
  uint64_t const now_ns = pager.clock_ns();
  clock.spent_ns[uint32_t(before)] += now_ns - clock.since_ns;
  clock.since_ns = now_ns;
  clock.stage = stage;
  return before;
}

}  // namespace strata::store
