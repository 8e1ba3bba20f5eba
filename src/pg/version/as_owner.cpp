// The SQL face of every command is strata.<name>; what it does is in strata._<name>, with the same arguments.
#include "pg/version/as_owner.hpp"

#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/settings.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {

namespace {
// A setting that ends with the present nesting level of settings, or with an error.
void set_until_leave(char const* name, char const* value) {
  set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}
}  // namespace

OwnerScope become(Oid role, int restriction) {
  OwnerScope scope;
  GetUserIdAndSecContext(&scope.user, &scope.context);
  SetUserIdAndSecContext(role, scope.context | restriction);
  scope.settings_level = NewGUCNestLevel();
  set_until_leave("strata.version_command", "on");
  return scope;
}

void leave(OwnerScope const& scope) {
  AtEOXact_GUC(true, scope.settings_level);
  SetUserIdAndSecContext(scope.user, scope.context);
}

Oid owner_of(Oid relation) {
  HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  Oid const owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

void require_owner(Oid relation) {
  if (is_owner(relation, GetUserId())) return;
  aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
}

namespace {

Oid table_argument(FunctionCallInfo fcinfo) {
  if (PG_NARGS() < 1 || PG_ARGISNULL(0))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("table must not be null")));
  Oid const relation = PG_GETARG_OID(0);
  if (!OidIsValid(owner_of(relation)))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation)));
  return relation;
}

// strata._<name> with the argument types of the function called.
Oid implementation_of(Oid function) {
  HeapTuple const tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function %u", function);
  auto const* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  List* const name = list_make2(makeString(get_namespace_name(strata_namespace())),
                                makeString(psprintf("_%s", NameStr(form->proname))));
  Oid types[FUNC_MAX_ARGS];
  int const count = form->pronargs;
  memcpy(types, form->proargtypes.values, size_t(count) * sizeof(Oid));
  ReleaseSysCache(tuple);
  return LookupFuncName(name, count, types, false);
}

Datum call_as(Oid role, int restriction, FunctionCallInfo fcinfo) {
  FmgrInfo target;
  fmgr_info(implementation_of(fcinfo->flinfo->fn_oid), &target);
  LOCAL_FCINFO(call, FUNC_MAX_ARGS);
  InitFunctionCallInfoData(*call, &target, PG_NARGS(), fcinfo->fncollation, nullptr, nullptr);
  for (int i = 0; i < PG_NARGS(); i++) call->args[i] = fcinfo->args[i];
  OwnerScope const scope = become(role, restriction);
  Datum const result = FunctionCallInvoke(call);
  leave(scope);
  fcinfo->isnull = call->isnull;
  return result;
}

LOCKMODE lock_mode_of(char const* name) {
  if (strcmp(name, "ACCESS SHARE") == 0) return AccessShareLock;
  if (strcmp(name, "SHARE") == 0) return ShareLock;
  if (strcmp(name, "SHARE ROW EXCLUSIVE") == 0) return ShareRowExclusiveLock;
  if (strcmp(name, "ACCESS EXCLUSIVE") == 0) return AccessExclusiveLock;
  elog(ERROR, "unexpected lock mode \"%s\"", name);
}

}  // namespace
}  // namespace strata::pg

// A command of the owner of its first argument.
STRATA_FUNCTION(version_command) {
  using namespace strata::pg;
  PreventCommandDuringRecovery("a command on versions");
  Oid const relation = table_argument(fcinfo);
  require_owner(relation);
  return call_as(owner_of(relation), SECURITY_LOCAL_USERID_CHANGE, fcinfo);
}

// The same for work that changes nothing that the table does not ask for, so that whoever causes it may have it done.
STRATA_FUNCTION(version_service) {
  using namespace strata::pg;
  PreventCommandDuringRecovery("a command on versions");
  return call_as(owner_of(table_argument(fcinfo)), SECURITY_RESTRICTED_OPERATION, fcinfo);
}

// _lock_table(relation, mode): waits at most strata.version_lock_timeout, unless lock_timeout says less.
STRATA_FUNCTION(lock_table) {
  using namespace strata::pg;
  Oid const relation = PG_GETARG_OID(0);
  LOCKMODE const mode = lock_mode_of(text_to_cstring(PG_GETARG_TEXT_PP(1)));
  require_owner(relation);
  int const level = NewGUCNestLevel();
  int const limit = settings.version_lock_timeout_ms;
  if (limit > 0 && (LockTimeout == 0 || LockTimeout > limit)) set_until_leave("lock_timeout", psprintf("%d", limit));
  LockRelationOid(relation, mode);
  AtEOXact_GUC(true, level);
  if (!OidIsValid(owner_of(relation)))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u was dropped", relation)));
  PG_RETURN_VOID();
}
