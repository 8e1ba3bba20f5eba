#include "pg/am/scan_limit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pg/am/scan_merge.hpp"
#include "pg/am/scan_state.hpp"
#include "pg/compat.hpp"

namespace strata::pg {
namespace {

ExecutorRun_hook_type previous_run = nullptr;
QueryDesc* running = nullptr;  // the innermost query, while the executor runs it
uint32_t promised = 0;         // see promise_rows

constexpr int64_t limit_unknown = 0;
constexpr int64_t limit_max = 100000;        // a larger first target would only cost memory
constexpr double filtered_rows_max = 10000;  // estimates of filters are often wrong: beyond this the scan feels its way

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

// Looks for the node of a scan from the top of a plan.
struct Search {
  Relation index;
  ScanKey order_bys;
  int64_t limit;  // rows that whoever stands above takes from the node being visited
  ScanPlan found;
};

bool visit_child(PlanState* node, void* search);
bool visit_merge(MergeAppendState* merge, Search* search);

// True when the node was found.
bool visit(PlanState* node, Search* search) {
  int64_t limit = search->limit;
  switch (nodeTag(node)) {
    case T_IndexScanState: {
      auto const* const state = reinterpret_cast<IndexScanState*>(node);
      if (state->iss_RelationDesc == search->index && state->iss_OrderByKeys == search->order_bys) {
        search->found = {node, Max(limit, 0), node->plan->plan_rows, nullptr, 0, 0};
        return true;
      }
      break;
    }
    case T_LimitState:
      limit = rows_of(reinterpret_cast<LimitState*>(node));
      break;
    case T_ResultState:
    case T_SubqueryScanState:
    case T_LockRowsState:
    case T_AppendState:
      break;
    case T_MergeAppendState:
      return visit_merge(reinterpret_cast<MergeAppendState*>(node), search);
    case T_NestLoopState: {
      // An anti-join, as of a branch with the rows that it does not show, lets most rows through.
      if (reinterpret_cast<NestLoopState*>(node)->js.jointype == JOIN_ANTI && visit(outerPlanState(node), search))
        return true;
      limit = limit_unknown;
      break;
    }
    default:
      limit = limit_unknown;
  }
  Search below = *search;
  below.limit = limit;
  bool const found = walk_plan_states(node, visit_child, &below);
  search->found = below.found;
  return found;
}

bool visit_child(PlanState* node, void* search) {
  return visit(node, static_cast<Search*>(search));
}

// The rows that a merge of ordered scans will take from one of them, when `limit` are taken from the merge: its share,
// by the planner's estimate of what each holds, and some more, since shares vary from query to query.
int64_t share_of(MergeAppendState const* merge, int child, int64_t limit) {
  double total = 0;
  for (int i = 0; i < merge->ms_nplans; i++) total += Max(merge->mergeplans[i]->plan->plan_rows, 1);
  double const share = Max(merge->mergeplans[child]->plan->plan_rows, 1) / total;
  double const mean = double(limit) * share;
  return Min(limit, int64_t(std::ceil(mean + 2 * std::sqrt(mean * (1 - share)))));
}

bool visit_merge(MergeAppendState* merge, Search* search) {
  for (int i = 0; i < merge->ms_nplans; i++) {
    Search below = *search;
    if (below.limit > 0) below.limit = share_of(merge, i, below.limit);
    if (!visit(merge->mergeplans[i], &below)) continue;
    search->found = below.found;
    if (!search->found.merge) {
      search->found.merge = merge;
      search->found.merge_child = i;
      search->found.merge_limit = Max(search->limit, 0);
    }
    return true;
  }
  return false;
}

// The ordered scan that a child of a merge consists of, if it is one of ours that has found rows; else null.
ScanState const* running_scan(PlanState* node) {
  IndexScanState const* const scan = index_scan_of(node);
  if (!scan) return nullptr;
  auto const* const state = static_cast<ScanState const*>(scan->iss_ScanDesc->opaque);
  return state->phase == ScanPhase::ordered && state->search ? state : nullptr;
}

// Children that come later have not begun, or belong to an earlier turn of the merge.
template <class Visit>
void visit_siblings(ScanPlan const& plan, Metric metric, Visit&& visit) {
  for (int i = 0; i < plan.merge_child; i++) {
    ScanState const* const sibling = running_scan(plan.merge->mergeplans[i]);
    if (sibling && sibling->shape.column.metric == metric) visit(sibling);
  }
}

void run_query(QueryDesc* query, RunArguments const& arguments) {
  QueryDesc* const outer = running;
  running = query;
  if (previous_run)
    arguments.call(previous_run, query);
  else
    arguments.call(standard_ExecutorRun, query);
  running = outer;
}

// An error leaves run_query by a jump, and always ends in one of these: then nobody is known to run until the next
// query.
void at_transaction_end(XactEvent event, void*) {
  if (event != XACT_EVENT_ABORT && event != XACT_EVENT_PARALLEL_ABORT) return;
  running = nullptr;
  promised = 0;
}
void at_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (event != SUBXACT_EVENT_ABORT_SUB) return;
  running = nullptr;
  promised = 0;
}

}  // namespace

ScanPlan scan_plan(Relation index, ScanKey order_bys) {
  if (promised) return {nullptr, promised, 0, nullptr, 0, 0};
  Search search{index, order_bys, limit_unknown, {}};
  if (running && running->planstate && order_bys) visit(running->planstate, &search);
  return search.found;
}

uint32_t rows_wanted(ScanPlan const& plan, double known) {
  if (plan.limit <= 0) return 0;
  if (!plan.node || !plan.node->qual) return uint32_t(plan.limit);
  double const wanted = double(plan.limit) * Max(known / Max(plan.passing, 1), 1);
  return uint32_t(Min(wanted, Max(double(plan.limit), filtered_rows_max)));
}

float reach_of_siblings(ScanPlan const& plan, Metric metric) {
  float const unknown = std::numeric_limits<float>::infinity();
  if (!plan.merge || plan.merge_limit <= 0) return unknown;
  uint32_t count = 0;
  double share = 1;  // rows that a sibling looks for, for each that it will be asked for
  visit_siblings(plan, metric, [&](ScanState const* sibling) {
    count += sibling->search->top.count;
    if (sibling->plan.limit > 0) share = Max(share, double(sibling->wanted_rows) / double(sibling->plan.limit));
  });
  if (count < plan.merge_limit) return unknown;
  auto* scores = static_cast<float*>(palloc(size_t(count) * sizeof(float)));
  uint32_t at = 0;
  visit_siblings(plan, metric, [&](ScanState const* sibling) {
    memcpy(scores + at, sibling->search->top.items, size_t(sibling->search->top.count) * sizeof(float));
    at += sibling->search->top.count;
  });
  double const wanted = std::ceil(double(plan.merge_limit) * share) + store::search_margin;
  uint32_t const place = uint32_t(Min(wanted, double(count))) - 1;
  std::nth_element(scores, scores + place, scores + count);
  float const reach = scores[place];
  pfree(scores);
  return reach;
}

void promise_rows(uint32_t row_count) {
  promised = row_count;
}

void register_scan_limits() {
  previous_run = ExecutorRun_hook;
  ExecutorRun_hook = run_hook<run_query>;
  RegisterXactCallback(at_transaction_end, nullptr);
  RegisterSubXactCallback(at_subtransaction_end, nullptr);
}

}  // namespace strata::pg
