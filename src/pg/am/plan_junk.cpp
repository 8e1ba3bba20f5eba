#include "pg/postgres.hpp"

#include "pg/am/plan_junk.hpp"
#include "pg/compat.hpp"

namespace strata::pg {
namespace {

planner_hook_type previous_planner = nullptr;

bool is_ivf(Oid index) {
  Oid const method = get_am_oid("ivf", true);
  HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return false;
  bool const is = OidIsValid(method) && reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relam == method;
  ReleaseSysCache(tuple);
  return is;
}

// `node` is what a query or subquery ends with: its junk is for nobody. The executor removes it at the top, and whoever
// stands above a subquery only refers to what that one selects.
void clear_junk(Plan* node) {
  if (!node || !IsA(node, IndexScan)) return;
  auto const* const scan = reinterpret_cast<IndexScan*>(node);
  if (scan->indexorderbyorig == NIL || !is_ivf(scan->indexid)) return;
  ListCell* cell;
  foreach (cell, node->targetlist) {
    auto const* const entry = static_cast<TargetEntry*>(lfirst(cell));
    if (!entry->resjunk || !list_member(scan->indexorderbyorig, entry->expr)) continue;
    TargetEntry* const empty = flatCopyTargetEntry(const_cast<TargetEntry*>(entry));
    Node* const expression = reinterpret_cast<Node*>(entry->expr);
    empty->expr =
        reinterpret_cast<Expr*>(makeNullConst(exprType(expression), exprTypmod(expression), exprCollation(expression)));
    lfirst(cell) = empty;
  }
}

void visit(Plan* plan);

void visit_all(List* plans) {
  ListCell* cell;
  foreach (cell, plans) visit(static_cast<Plan*>(lfirst(cell)));
}

// A LIMIT is always the last step of its query.
void visit(Plan* plan) {
  if (!plan) return;
  check_stack_depth();
  switch (nodeTag(plan)) {
    case T_Limit:
      // WITH TIES compares the columns that are sorted by.
      if (reinterpret_cast<Limit*>(plan)->limitOption == LIMIT_OPTION_COUNT) clear_junk(plan->lefttree);
      break;
    case T_SubqueryScan:
      clear_junk(reinterpret_cast<SubqueryScan*>(plan)->subplan);
      visit(reinterpret_cast<SubqueryScan*>(plan)->subplan);
      break;
    case T_Append:
      visit_all(reinterpret_cast<Append*>(plan)->appendplans);
      break;
    case T_MergeAppend:
      visit_all(reinterpret_cast<MergeAppend*>(plan)->mergeplans);
      break;
    default:
      break;
  }
  visit(plan->lefttree);
  visit(plan->righttree);
}

void visit_top(Plan* plan) {
  clear_junk(plan);
  visit(plan);
}

PlannedStmt* plan_query(PlannerArguments const& arguments) {
  PlannedStmt* const planned = arguments.call(previous_planner ? previous_planner : standard_planner);
  visit_top(planned->planTree);
  ListCell* cell;
  foreach (cell, planned->subplans) visit_top(static_cast<Plan*>(lfirst(cell)));
  return planned;
}

}  // namespace

void register_plan_junk() {
  previous_planner = planner_hook;
  planner_hook = planner_hook_of<plan_query>;
}

}  // namespace strata::pg
