// strata.flush(index), and the procedures that merge, compact and retrain: the work of the background worker, by hand.
#include "pg/entry.hpp"

#include <cmath>

#include "pg/inspect/index_access.hpp"
#include "pg/worker/maintenance.hpp"

namespace strata::pg {
namespace {

// What maintenance holds on table and index, as the background worker does.
constexpr LOCKMODE work_lock = RowExclusiveLock;

uint64_t flush_index(Oid index_oid) {
  require_maintain(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, work_lock);
  PgPager pager(open.index, open.heap, maintenance_access(open.index));
  pager.lock(store::LockName::merge);
  store::RewriteResult result;
  report(store::flush(pager, &result));
  pager.unlock(store::LockName::merge);
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
  store::MaintainResult result;
  maintain_once(pager, options, true, &result);
  MemoryContextDelete(context);
  close_ivf_index(open, work_lock);
  return result.step;
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
  Oid const index = PG_GETARG_OID(0);
  StepRunner const runner(fcinfo);
  runner.repeat([&] { return maintain_step(index, [](auto& options) { options.force_merge = true; }); });
  SPI_finish();
  PG_RETURN_VOID();
}

STRATA_FUNCTION(compact) {
  using namespace strata::pg;
  Oid const index = PG_GETARG_OID(0);
  StepRunner const runner(fcinfo);
  runner.repeat([&] { return maintain_step(index, [](auto&) {}); });
  SPI_finish();
  PG_RETURN_VOID();
}

STRATA_FUNCTION(retrain) {
  using namespace strata::pg;
  Oid const index = PG_GETARG_OID(0);
  StepRunner const runner(fcinfo);
  strata::store::Step step;
  do {
    step = maintain_step(index, [](auto& options) {
      options.train = options.force_train = true;
      options.merge = false;
    });
    runner.commit();
  } while (step == strata::store::Step::reclaimed);
  if (step == strata::store::Step::nothing)
    ereport(NOTICE, (errmsg("index has too few rows for a codebook"),
                     errdetail("All codes are scanned, which is as fast for so few rows.")));
  runner.repeat([&] { return maintain_step(index, [](auto&) {}); });
  SPI_finish();
  PG_RETURN_VOID();
}
