// Distances that nobody reads. ORDER BY v <-> q without the distance in the select list puts the expression into the
// plan as a column for sorting only. A scan that returns rows in that order makes it useless, yet the executor computes
// it for every row, and fetches the row's vector from its TOAST table for that: a third of the time of a search.
#pragma once

namespace strata::pg {

// Installs a planner hook that replaces such columns with NULL where nobody can see them: at the top of a query or
// subquery, directly or below a LIMIT. Called once, when the library is loaded.
void register_plan_junk();

}  // namespace strata::pg
