#include "pg/worker/maintenance.hpp"

namespace strata::pg {

void maintain_after_insert(Relation, Relation) {}
void maintain_in_vacuum(Relation, Relation) {}

}  // namespace strata::pg
