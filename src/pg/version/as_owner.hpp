// Commands on versions run as the owner of the table, whoever gives them: what they make is his, and a trigger or an
// expression of his never runs with the rights of a superuser who merely takes a version.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// While it holds, own DDL is not followed by the event triggers. A setting, so that an error restores it.
struct OwnerScope {
  Oid user;
  int context;
  int settings_level;
};

// `restriction`: SECURITY_LOCAL_USERID_CHANGE, or SECURITY_RESTRICTED_OPERATION for what the owner did not ask for.
OwnerScope become(Oid role, int restriction);
void leave(OwnerScope const& scope);

// Error 42501 when the current user does not own the table.
void require_owner(Oid relation);

// The owner of a relation; InvalidOid when there is no such relation.
Oid owner_of(Oid relation);

}  // namespace strata::pg
