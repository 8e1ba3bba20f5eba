// What the summaries of a sealed segment say of its filter columns.
#pragma once
#include "pg/am/row.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/object_reader.hpp"

namespace strata::pg {

// {"column": {"min": text, "max": text, "nulls": rows, "distinct": values}, ...} as jsonb, in the order of the index;
// min and max only where keys have the order of the values, and null when every row is NULL. Deleted rows count.
// `header` is that of a readable segment of the index.
Datum attributes_of(PgPager& pager, Relation index, store::ManifestObject const& object,
                    store::ObjectHeaderDisk const& header);

// Whether the caller may see such things: there are filter columns, and no row-level security hides rows from him.
bool shows_attributes(OpenIndex const& open);

}  // namespace strata::pg
