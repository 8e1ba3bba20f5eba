// strata.list_access(index), strata.list_access_ranges(index), strata.reset_access(index): where searches find their
// rows, behind the views strata.stat_access and strata.stat_access_ranges.
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "pg/stats/access_counters.hpp"

namespace strata::pg {
namespace {

bool is_searched(format::ObjectDisk const& disk) {
  return store::has_hits(disk) && (disk.state == store::ObjectState::live || disk.state == store::ObjectState::frozen);
}

void put_segment(ReturnSetInfo* result, format::ObjectDisk const& disk, uint32 pending, TimestampTz now) {
  policy::Hits const known = store::hits_of(disk);
  bool const is_segment = disk.kind == store::ObjectKind::segment;
  double const hits = policy::hits_now(known, now) + pending;
  TimestampTz const last = pending ? now : TimestampTz(known.last_at) * policy::minute_us;
  TimestampTz const sealed = disk.rows_since ? TimestampTz(disk.rows_since) * policy::minute_us : disk.created_at;
  TimestampTz const moved = TimestampTz(disk.moved_at) * policy::minute_us;
  Datum values[] = {Int64GetDatum(disk.id),
                    CStringGetTextDatum(is_segment ? "segment" : "growing"),
                    CStringGetTextDatum(disk.tier == 0 ? "hot" : "cold"),
                    Int64GetDatum(disk.row_count),
                    Float8GetDatum(hits),
                    Float8GetDatum(policy::hits_per_day(hits)),
                    Int64GetDatum(pending),
                    TimestampTzGetDatum(last),
                    TimestampTzGetDatum(Max(sealed, last)),
                    TimestampTzGetDatum(moved)};
  bool nulls[] = {false, false, !is_segment, !is_segment, false, false, false, last == 0, !is_segment, moved == 0};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void put_range(ReturnSetInfo* result, AccessRanges const& ranges, uint32 at, uint64 total) {
  int64 const block_count = int64(1) << ranges.shift;
  Datum values[] = {Int64GetDatum(at * block_count), Int64GetDatum((at + 1) * block_count - 1),
                    Int64GetDatum(ranges.samples[at]), Float8GetDatum(double(ranges.samples[at]) / double(total))};
  bool nulls[lengthof(values)] = {};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(list_access) {
  using namespace strata;
  using namespace strata::pg;
  OpenIndex const open = open_listed_index(fcinfo);
  if (!open.index) return Datum(0);
  PgPager pager(open.index, open.heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  AccessSlot* const slot = access_slot(open.index, false);
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  TimestampTz const now = GetCurrentTimestamp();
  for (store::ManifestObject const& object : manifest.objects)
    if (is_searched(object.disk)) put_segment(result, object.disk, pending_hits(slot, object.id()), now);
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}

STRATA_FUNCTION(list_access_ranges) {
  using namespace strata;
  using namespace strata::pg;
  OpenIndex const open = open_listed_index(fcinfo);
  if (!open.index) return Datum(0);
  if (AccessSlot* const slot = access_slot(open.index, false)) {
    AccessRanges const ranges = read_ranges(slot);
    uint64 total = 0;
    for (uint32 const samples : ranges.samples) total += samples;
    for (uint32 i = 0; i < access_range_count; i++)
      if (ranges.samples[i]) put_range(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo), ranges, i, total);
  }
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}

STRATA_FUNCTION(reset_access) {
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  require_maintain(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, RowExclusiveLock);
  if (AccessSlot* const slot = access_slot(open.index, false)) clear_access(slot);
  PgPager pager(open.index, open.heap);
  report(strata::store::clear_hits(pager));
  close_ivf_index(open, RowExclusiveLock);
  PG_RETURN_VOID();
}
