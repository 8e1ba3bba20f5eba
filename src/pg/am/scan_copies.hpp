// Distances of an ordered scan from the copies of vectors that rows of the index carry.
#pragma once
#include "pg/am/scan_state.hpp"

namespace strata::pg {

// As find_distances(), from whole copies. Whether the snapshot sees a row is left to the executor.
void find_distances_in_index(ScanState* state, store::Candidate const* nearest, uint32 count);

// Looks at the rounded copies of candidates that were taken out of the search. Those whose copy lost nothing are found,
// with their exact distance; the others go back to the search with narrower bounds. False, and all of them stay out:
// their bounds are as narrow as can be.
bool narrow_bounds(ScanState* state, store::Candidate const* nearest, uint32 count);

}  // namespace strata::pg
