#include "pg/inspect/index_access.hpp"

#include "pg/am/am_callbacks.hpp"
#include "pg/am/bulk_insert.hpp"
#include "pg/compat.hpp"

namespace strata::pg {
namespace {

bool is_ivf(Relation relation) {
  return relation->rd_rel->relkind == RELKIND_INDEX && relation->rd_indam && relation->rd_indam->ambuild == am_build;
}

// What keeps an ivf index from being read here, or null.
char const* obstacle(Relation index) {
  if (RELATION_IS_OTHER_TEMP(index)) return "cannot access temporary indexes of other sessions";
  if (!index->rd_index->indisvalid) return "cannot access an index that is not valid";
  if (RecoveryInProgress() && index->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
    return "cannot access temporary or unlogged indexes during recovery";
  return nullptr;
}

Oid table_of(Oid index) {
  Oid const heap = IndexGetRelation(index, true);
  if (!OidIsValid(heap)) {
    char const* const name = get_rel_name(index);
    // Says the same as when it goes while its lock is waited for: which of the two happens is chance.
    if (!name)
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("index does not exist"),
                      errdetail("There is none with OID %u.", index)));
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not an ivf index", name)));
  }
  return heap;
}

}  // namespace

OpenIndex open_ivf_index(Oid index_oid, LOCKMODE lock, Missing missing) {
  settle_bulk_insert();
  bool const quiet = missing == Missing::ignore;
  char const* const name = quiet ? nullptr : get_rel_name(index_oid);  // later it may be gone
  Oid const heap_oid = quiet ? IndexGetRelation(index_oid, true) : table_of(index_oid);
  Relation const heap = OidIsValid(heap_oid) ? try_relation_open(heap_oid, lock) : nullptr;
  Relation const index = heap ? try_relation_open(index_oid, lock) : nullptr;
  // The index may have become another one's while the locks were waited for.
  bool const same = index && IndexGetRelation(index_oid, true) == heap_oid;
  bool const usable = same && is_ivf(index) && !obstacle(index);
  if (usable) return {index, heap};
  if (!quiet) {
    if (!same)
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("index does not exist"),
                      errdetail("Its name was \"%s\".", name ? name : "unknown")));
    if (!is_ivf(index))
      ereport(ERROR,
              (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not an ivf index", RelationGetRelationName(index)),
               index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX
                   ? errhint("Name the indexes of the partitions one by one.")
                   : 0));
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s", obstacle(index))));
  }
  if (index) relation_close(index, lock);
  if (heap) relation_close(heap, lock);
  return {nullptr, nullptr};
}

void close_ivf_index(OpenIndex const& open, LOCKMODE lock) {
  relation_close(open.index, lock);
  relation_close(open.heap, lock);
}

void require_maintain(Oid index) {
  PreventCommandDuringRecovery("maintenance of an ivf index");
  PreventCommandIfReadOnly("maintenance of an ivf index");
  Oid const heap = table_of(index);
  if (!may_maintain(heap)) aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(heap));
}

void require_select(Oid index) {
  Oid const heap = table_of(index);
  AclResult const result = pg_class_aclcheck(heap, GetUserId(), ACL_SELECT);
  if (result != ACLCHECK_OK) aclcheck_error(result, OBJECT_TABLE, get_rel_name(heap));
}

OpenIndex open_listed_index(FunctionCallInfo fcinfo) {
  Oid const index = PG_GETARG_OID(0);
  InitMaterializedSRF(fcinfo, 0);
  OpenIndex const open = open_ivf_index(index, AccessShareLock, Missing::ignore);
  if (open.index) require_select(index);
  return open;
}

}  // namespace strata::pg
