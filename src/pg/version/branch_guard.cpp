// Three places, since each sees what the others do not: the start of the executor sees statements but not COPY, the
// hook of utility commands COPY, and the default of a branch's column strata_born the first statement of a session,
// which brings this library in too late for hooks.
#include "pg/version/branch_guard.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"

namespace strata::pg {
namespace {

ExecutorStart_hook_type previous_start = nullptr;
ProcessUtility_hook_type previous_utility = nullptr;

[[noreturn]] void refuse() {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("cannot write to a branch"),
                  errdetail("Its triggers do not fire while session_replication_role is replica."),
                  errhint("SET session_replication_role = origin.")));
  pg_unreachable();
}

bool skips_triggers() {
  return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
}

Oid branch_trigger() {
  Oid const space = get_namespace_oid("strata", true);
  if (!OidIsValid(space)) return InvalidOid;
  List* const name = list_make2(makeString(pstrdup("strata")), makeString(pstrdup("version_branch_row")));
  return LookupFuncName(name, 0, nullptr, true);
}

// The caller's statement has the relation locked, or finds out itself that it is gone.
void require_firing_triggers(Oid oid) {
  if (get_rel_relkind(oid) != RELKIND_VIEW) return;
  Relation const view = try_relation_open(oid, AccessShareLock);
  if (!view) return;
  Oid const function = branch_trigger();
  TriggerDesc const* const triggers = view->trigdesc;
  for (int i = 0; triggers && i < triggers->numtriggers; i++)
    if (OidIsValid(function) && triggers->triggers[i].tgfoid == function) refuse();
  relation_close(view, NoLock);
}

void start_query(QueryDesc* query, int flags) {
  if (skips_triggers() && !(flags & EXEC_FLAG_EXPLAIN_ONLY)) {
    for_each_result_table(query->plannedstmt,
                          [](RangeTblEntry const* table) { require_firing_triggers(table->relid); });
  }
  (previous_start ? previous_start : standard_ExecutorStart)(query, flags);
}

void run_utility(PlannedStmt* statement, char const* text, bool read_only, ProcessUtilityContext context,
                 ParamListInfo parameters, QueryEnvironment* environment, DestReceiver* receiver,
                 QueryCompletion* completion) {
  if (skips_triggers() && IsA(statement->utilityStmt, CopyStmt)) {
    auto const* const copy = reinterpret_cast<CopyStmt const*>(statement->utilityStmt);
    if (copy->is_from && copy->relation) require_firing_triggers(RangeVarGetRelid(copy->relation, NoLock, true));
  }
  (previous_utility ? previous_utility : standard_ProcessUtility)(statement, text, read_only, context, parameters,
                                                                  environment, receiver, completion);
}

}  // namespace

void register_branch_guard() {
  previous_start = ExecutorStart_hook;
  ExecutorStart_hook = start_query;
  previous_utility = ProcessUtility_hook;
  ProcessUtility_hook = run_utility;
}

}  // namespace strata::pg

// _branch_born(): strata_born of a row that is new in a branch.
STRATA_FUNCTION(branch_born) {
  if (strata::pg::skips_triggers()) strata::pg::refuse();
  PG_RETURN_INT32(0);
}
