// Columns that hold vectors, as import and export see them.
#pragma once
#include "pg/postgres.hpp"

#include "core/files/elements.hpp"

namespace strata::pg {

// Whether values of the type, or of the type that it is a domain over, are our vector or halfvec, and which.
bool is_vector_type(Oid type, files::Number* number);

// The column of that name, or the only one with vectors when the name is null. Raises an error that says what to do.
// `what` names the table or query in errors. Returns an index from 0.
int find_vector_column(TupleDesc columns, char const* name, char const* what, files::Number* number);

}  // namespace strata::pg
