// Memory that all sessions of a database share, without shared_preload_libraries: a small file in the server's
// directory for temporary statistics, mapped by every session that wants it.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Maps the file `strata_<kind><database>_<name>.stat`, made of zeros when there is none, in which case files of the
// same kind and database with other names are removed. Null when it cannot be had. The mapping lasts for the life of
// the session. Raises nothing.
void* map_shared_file(char const* kind, char const* name, size_t size);

}  // namespace strata::pg
