// strata.flush(index), and the procedures that merge, compact and retrain: the work of the background worker, by hand.
#include "pg/entry.hpp"

#include <cmath>

#include "pg/inspect/index_access.hpp"
#include "pg/worker/maintenance.hpp"
#include "store/outlook.hpp"

namespace strata::pg {
namespace {

// What maintenance holds on table and index, as the background worker does.
constexpr LOCKMODE work_lock = RowExclusiveLock;

uint64_t flush_index(Oid index_oid) {
  require_maintain(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, work_lock);
  begin_progress(index_oid);
  PgPager pager(open.index, open.heap, maintenance_access(open.index));
  pager.lock(store::LockName::merge);
  store::RewriteResult result;
  report(store::flush(pager, &result));
  pager.unlock(store::LockName::merge);
  end_progress();
  close_ivf_index(open, work_lock);
  return result.row_count;
}

template <class Adjust>
store::Step maintain_step(Oid index_oid, Adjust&& adjust) {
  require_maintain(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, work_lock);
  store::MaintainOptions options = maintain_options(open.index);
  options.seal = options.train = false;
  options.retired_share_max = HUGE_VAL;  // who asks for it gets it, whatever old snapshots still hold on to
  adjust(options);
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf maintenance", ALLOCSET_DEFAULT_SIZES);
  PgPager pager(open.index, open.heap, maintenance_access(open.index), MAIN_FORKNUM, context);
  begin_progress(index_oid);
  // The look-ups above took a catalog snapshot, which would hold back the horizon while this goes on.
  InvalidateCatalogSnapshot();
  store::MaintainResult result;
  maintain_once(pager, options, true, &result);
  end_progress();
  MemoryContextDelete(context);
  close_ivf_index(open, work_lock);
  return result.step;
}

// One step of strata.build_incremental.
store::Step index_step(Oid index_oid) {
  require_maintain(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, work_lock);
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf maintenance", ALLOCSET_DEFAULT_SIZES);
  PgPager pager(open.index, open.heap, maintenance_access(open.index), MAIN_FORKNUM, context);
  begin_progress(index_oid);
  InvalidateCatalogSnapshot();
  pager.lock(store::LockName::merge);
  report(store::drop_unfinished(pager));
  store::MaintainResult result;
  report(store::index_unindexed(pager, maintain_options(open.index), &result));
  pager.unlock(store::LockName::merge);
  end_progress();
  MemoryContextDelete(context);
  close_ivf_index(open, work_lock);
  return result.step;
}

Oid index_argument(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("index must not be null")));
  Oid const index = PG_GETARG_OID(0);
  require_maintain(index);
  return index;
}

// What strata.compact was called with; a threshold below 0 stands for that of the index.
struct CompactRequest {
  double threshold;
  bool force;
  void adjust(store::MaintainOptions& options) const {
    if (force)
      options.compact_threshold = 0;
    else if (threshold >= 0)
      options.compact_threshold = threshold;
  }
};

CompactRequest compact_request(FunctionCallInfo fcinfo) {
  CompactRequest request{-1, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2)};
  if (PG_ARGISNULL(1)) return request;
  request.threshold = PG_GETARG_FLOAT8(1);
  if (!(request.threshold >= 0 && request.threshold <= 1))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("threshold must be between 0 and 1")));
  return request;
}

// Called outside of a transaction block, a procedure commits after every step: what is done is done, locks are given
// back, and no snapshot keeps the replaced pages from being reused.
struct StepRunner {
  bool atomic;
  explicit StepRunner(FunctionCallInfo fcinfo)
      : atomic(!fcinfo->context || !IsA(fcinfo->context, CallContext) ||
               reinterpret_cast<CallContext*>(fcinfo->context)->atomic) {
    if (SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
    commit();
  }
  void commit() const {
    if (!atomic) SPI_commit();
  }
  // Repeats step() until it finds nothing to do.
  template <class Step>
  void repeat(Step&& step) const {
    while (step() != store::Step::nothing) {
      commit();
      CHECK_FOR_INTERRUPTS();
    }
  }
};

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(flush) {
  PG_RETURN_INT64(int64(strata::pg::flush_index(PG_GETARG_OID(0))));
}

STRATA_FUNCTION(merge) {
  using namespace strata::pg;
  Oid const index = index_argument(fcinfo);
  StepRunner const runner(fcinfo);
  runner.repeat([&] { return maintain_step(index, [](auto& options) { options.force_merge = true; }); });
  SPI_finish();
  PG_RETURN_VOID();
}

STRATA_FUNCTION(build_incremental) {
  using namespace strata::pg;
  Oid const index = index_argument(fcinfo);
  StepRunner const runner(fcinfo);
  flush_index(index);
  runner.commit();
  runner.repeat([&] { return index_step(index); });
  SPI_finish();
  PG_RETURN_VOID();
}

STRATA_FUNCTION(compact) {
  using namespace strata::pg;
  Oid const index = index_argument(fcinfo);
  CompactRequest const request = compact_request(fcinfo);
  StepRunner const runner(fcinfo);
  runner.repeat([&] { return maintain_step(index, [&](auto& options) { request.adjust(options); }); });
  SPI_finish();
  PG_RETURN_VOID();
}

STRATA_FUNCTION(retrain) {
  using namespace strata::pg;
  Oid const index = index_argument(fcinfo);
  StepRunner const runner(fcinfo);
  strata::store::Step step;
  do {
    step = maintain_step(index, [](auto& options) {
      options.train = options.force_train = true;
      options.merge = false;
    });
    runner.commit();
  } while (step == strata::store::Step::reclaimed);
  runner.repeat([&] { return maintain_step(index, [](auto&) {}); });
  SPI_finish();
  PG_RETURN_VOID();
}
