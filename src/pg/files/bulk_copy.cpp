// COPY FROM with strata.copy_into_segments: into the ivf indexes of its table as strata.import_file() does it.
#include "pg/files/bulk_copy.hpp"

#include "pg/am/bulk_insert.hpp"
#include "pg/settings.hpp"
#include "pg/worker/maintenance.hpp"

namespace strata::pg {
namespace {

ProcessUtility_hook_type previous_utility = nullptr;

// The tables that a statement copies into, NIL for others. COPY locks them and checks the privileges; should the name
// be another table's by then, its rows are inserted one by one.
List* target_tables(Node const* statement) {
  if (!settings.copy_into_segments || !IsA(statement, CopyStmt)) return NIL;
  auto const* const copy = reinterpret_cast<CopyStmt const*>(statement);
  Oid const table = copy->is_from && copy->relation ? RangeVarGetRelid(copy->relation, NoLock, true) : InvalidOid;
  return OidIsValid(table) ? find_all_inheritors(table, NoLock, nullptr) : NIL;
}

void run_utility(PlannedStmt* statement, char const* text, bool read_only, ProcessUtilityContext context,
                 ParamListInfo parameters, QueryEnvironment* environment, DestReceiver* receiver,
                 QueryCompletion* completion) {
  List* const tables = target_tables(statement->utilityStmt);
  BulkInsert* const bulk = tables == NIL ? nullptr : begin_bulk_insert(tables);
  (previous_utility ? previous_utility : standard_ProcessUtility)(statement, text, read_only, context, parameters,
                                                                  environment, receiver, completion);
  end_bulk_insert(bulk);
  seal_after_import(tables);
}

}  // namespace

void register_bulk_copy() {
  previous_utility = ProcessUtility_hook;
  ProcessUtility_hook = run_utility;
}

}  // namespace strata::pg
