// strata.verify(index, heap): proves the invariants of the format, and on demand that index and table agree.
#include "pg/postgres.hpp"

#include <algorithm>
#include <cmath>

#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/check.hpp"
#include "store/vacuum.hpp"

namespace strata::pg {
namespace {

struct HeapCheck {
  store::Array<uint64_t> tids;  // of all entries that are not deleted, sorted
  Relation heap;
  Relation index;
  uint64_t row_count;
};

void find_row(Relation, ItemPointer tid, Datum*, bool*, bool, void* state) {
  auto* const check = static_cast<HeapCheck*>(state);
  uint64_t const key = Tid::of(ItemPointerGetBlockNumberNoCheck(tid), ItemPointerGetOffsetNumberNoCheck(tid)).key;
  if (!std::binary_search(check->tids.begin(), check->tids.end(), key))
    ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
                    errmsg("row (%u,%u) of table \"%s\" is not in index \"%s\"", ItemPointerGetBlockNumberNoCheck(tid),
                           ItemPointerGetOffsetNumberNoCheck(tid), RelationGetRelationName(check->heap),
                           RelationGetRelationName(check->index))));
  check->row_count++;
}

// Every row the snapshot sees has an entry, and no row has two. Returns the rows.
uint64_t check_heap(PgPager& pager) {
  HeapCheck check{};
  check.heap = pager.heap();
  check.index = pager.index();
  // The snapshot comes first: entries made after it are of no interest, those before it are all seen.
  Snapshot const snapshot = RegisterSnapshot(GetTransactionSnapshot());
  store::VacuumResult result;
  report(store::vacuum(
      pager,
      [&](Tid tid) {
        check.tids.push(pager, tid.key);
        return false;
      },
      &result));
  std::sort(check.tids.begin(), check.tids.end());
  uint64_t const* const twice = std::adjacent_find(check.tids.begin(), check.tids.end());
  if (twice != check.tids.end())
    ereport(ERROR,
            (errcode(ERRCODE_INDEX_CORRUPTED),
             errmsg("row (%u,%u) of table \"%s\" is in index \"%s\" twice", Tid{*twice}.block(), Tid{*twice}.offset(),
                    RelationGetRelationName(check.heap), RelationGetRelationName(check.index))));
  // As a concurrent build: rows that the snapshot sees, under the TIDs that an index knows them by.
  IndexInfo* const info = BuildIndexInfo(check.index);
  info->ii_Concurrent = true;
  info->ii_Unique = false;
  TableScanDesc const scan = table_beginscan_strat(check.heap, snapshot, 0, nullptr, true, true);
  table_index_build_scan(check.heap, check.index, info, true, false, find_row, &check, scan);
  UnregisterSnapshot(snapshot);
  return check.row_count;
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(verify) {
  using namespace strata;
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  bool const with_heap = PG_GETARG_BOOL(1);
  require_select(index_oid);
  // Neither VACUUM nor a rewrite may change what is compared with what. Both are foreign to a standby, where replay
  // goes on and a query that it overtakes is cancelled.
  bool const alone = !RecoveryInProgress();
  LOCKMODE const lock = alone ? ShareUpdateExclusiveLock : AccessShareLock;
  OpenIndex const open = open_ivf_index(index_oid, lock);
  PgPager pager(open.index, open.heap, PageAccess::bulk_read);
  if (alone) pager.lock(store::LockName::merge);
  store::CheckResult result;
  report(store::check(pager, &result));
  uint64_t const heap_rows = with_heap ? check_heap(pager) : 0;
  if (alone) pager.unlock(store::LockName::merge);
  close_ivf_index(open, NoLock);

  TupleDesc shape;
  if (get_call_result_type(fcinfo, nullptr, &shape) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "return type must be a row type");
  Datum values[] = {Int64GetDatum(int64(result.row_count)), Int64GetDatum(int64(result.deleted_count)),
                    Int64GetDatum(int64(heap_rows)),        Int32GetDatum(int32(result.object_count)),
                    Int64GetDatum(result.page_count),       Int64GetDatum(result.free_page_count)};
  bool nulls[] = {false, false, !with_heap, false, false, false};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
