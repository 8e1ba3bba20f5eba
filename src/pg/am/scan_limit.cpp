#include "pg/am/scan_limit.hpp"

#include "pg/am/am_callbacks.hpp"
#include "pg/am/scan_state.hpp"
#include "pg/compat.hpp"

namespace strata::pg {
namespace {

ExecutorStart_hook_type previous_start = nullptr;
uint64_t scans_begun = 0;

constexpr int64_t limit_unknown = 0;
constexpr int64_t limit_max = 100000;  // a larger first target would only cost memory

// The value of a LIMIT or OFFSET that is a constant or a parameter of the statement; -1 for anything else.
int64_t constant_of(Node const* node, EState const* executor) {
  if (!node) return 0;
  if (IsA(node, Const)) {
    auto const* constant = reinterpret_cast<Const const*>(node);
    return constant->constisnull || constant->consttype != INT8OID ? -1 : DatumGetInt64(constant->constvalue);
  }
  if (!IsA(node, Param)) return -1;
  auto const* param = reinterpret_cast<Param const*>(node);
  ParamListInfo const list = executor->es_param_list_info;
  if (param->paramkind != PARAM_EXTERN || !list || param->paramid <= 0 || param->paramid > list->numParams) return -1;
  ParamExternData room;
  ParamExternData const* value =
      list->paramFetch ? list->paramFetch(list, param->paramid, false, &room) : &list->params[param->paramid - 1];
  return value->isnull || value->ptype != INT8OID ? -1 : DatumGetInt64(value->value);
}

int64_t rows_of(LimitState const* limit) {
  auto const* plan = reinterpret_cast<Limit const*>(limit->ps.plan);
  if (!plan->limitCount || plan->limitOption != LIMIT_OPTION_COUNT) return limit_unknown;
  int64_t const count = constant_of(plan->limitCount, limit->ps.state);
  int64_t const offset = constant_of(plan->limitOffset, limit->ps.state);
  return count <= 0 || offset < 0 ? limit_unknown : Min(count + offset, limit_max);
}

bool visit_child(PlanState* node, void* limit);

// `limit`: rows that whoever stands above will take from `node`, or limit_unknown.
void visit(PlanState* node, int64_t limit) {
  switch (nodeTag(node)) {
    case T_IndexScanState: {
      IndexScanDesc const scan = reinterpret_cast<IndexScanState*>(node)->iss_ScanDesc;
      if (scan && limit > 0 && scan->indexRelation->rd_indam->ambeginscan == am_begin_scan)
        static_cast<ScanState*>(scan->opaque)->wanted_rows = uint32_t(limit);
      break;
    }
    case T_LimitState:
      limit = rows_of(reinterpret_cast<LimitState*>(node));
      break;
    case T_ResultState:
    case T_SubqueryScanState:
    case T_LockRowsState:
    case T_MergeAppendState:
    case T_AppendState:
      break;
    default:
      limit = limit_unknown;
  }
  walk_plan_states(node, visit_child, &limit);
}

bool visit_child(PlanState* node, void* limit) {
  visit(node, *static_cast<int64_t*>(limit));
  return false;
}

void start_executor(QueryDesc* query, int flags) {
  uint64_t const before = scans_begun;
  if (previous_start)
    previous_start(query, flags);
  else
    standard_ExecutorStart(query, flags);
  if (scans_begun != before && query->planstate) visit(query->planstate, limit_unknown);
}

}  // namespace

void note_scan_begun() {
  scans_begun++;
}

void register_scan_limits() {
  previous_start = ExecutorStart_hook;
  ExecutorStart_hook = start_executor;
}

}  // namespace strata::pg
