// strata.list_segments(index): what the manifest of an index names, one row an object. The view strata.segments shows
// it for all indexes.
#include "pg/postgres.hpp"

#include "core/sets/bitmap.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/growing.hpp"
#include "store/object_reader.hpp"

namespace strata::pg {
namespace {

constexpr int column_count = 14;

char const* kind_name(store::ObjectKind kind) {
  switch (kind) {
    case store::ObjectKind::growing:
      return "growing";
    case store::ObjectKind::segment:
      return "segment";
    case store::ObjectKind::epoch:
      return "epoch";
    case store::ObjectKind::frame:
      return "frame";
    case store::ObjectKind::calibration:
      return "calibration";
    case store::ObjectKind::none:
      break;
  }
  return "unknown";
}

char const* state_name(store::ObjectState state) {
  switch (state) {
    case store::ObjectState::building:
      return "building";
    case store::ObjectState::live:
      return "live";
    case store::ObjectState::frozen:
      return "frozen";
    case store::ObjectState::retired:
      return "retired";
    case store::ObjectState::none:
      break;
  }
  return "unknown";
}

struct RowCounts {
  bool known;
  uint64_t row_count;
  uint64_t deleted_count;
};

RowCounts count_growing(PgPager& pager, store::IndexShape const& shape, store::ManifestObject const& object) {
  RowCounts counts{true, 0, 0};
  for (uint32_t group = 0; group < store::group_count_of(shape, object); group++) {
    uint32_t const page_no = group * shape.growing.group_page_count;
    uint32_t rows = 0;
    report(pager.read(store::block_of(object, page_no), [&](format::PageView page) {
      Status const status = format::check_page(page, format::PageKind::growing, object.id(), page_no);
      if (!status.ok()) return status;
      auto const& header = page.as<format::GrowingPageDisk>();
      rows = header.row_count;
      counts.deleted_count += sets::bitmap_count(header.deleted, 0, rows);
      return status;
    }));
    counts.row_count += rows;
    if (rows < shape.growing.capacity) break;
  }
  return counts;
}

// Only of objects that readers may read: the pages of others may be anybody's.
RowCounts count_rows(PgPager& pager, store::IndexShape const& shape, store::ManifestObject const& object) {
  bool const readable =
      object.disk.state == store::ObjectState::live || object.disk.state == store::ObjectState::frozen;
  if (object.disk.kind == store::ObjectKind::growing)
    return readable ? count_growing(pager, shape, object) : RowCounts{false, 0, 0};
  if (object.disk.kind != store::ObjectKind::segment) return {false, 0, 0};
  RowCounts counts{readable, object.disk.row_count, 0};
  if (!readable) return counts;
  auto* header = static_cast<store::ObjectHeaderDisk*>(pager.allocate(sizeof(store::ObjectHeaderDisk)));
  report(store::read_header(pager, object, header));
  counts.deleted_count = header->deleted_count;
  pager.release(header);
  return counts;
}

void put_object(ReturnSetInfo* result, Oid index, store::ManifestObject const& object, RowCounts const& counts) {
  format::ObjectDisk const& disk = object.disk;
  bool const has_rows = disk.kind == store::ObjectKind::growing || disk.kind == store::ObjectKind::segment;
  bool const has_lists = disk.kind == store::ObjectKind::epoch || disk.kind == store::ObjectKind::segment;
  Datum values[column_count];
  bool nulls[column_count] = {};
  int at = 0;
  values[at++] = ObjectIdGetDatum(index);
  values[at++] = Int64GetDatum(disk.id);
  values[at++] = CStringGetTextDatum(kind_name(disk.kind));
  values[at++] = CStringGetTextDatum(state_name(disk.state));
  nulls[at] = !has_rows || (disk.kind == store::ObjectKind::growing && !counts.known);
  values[at++] = Int64GetDatum(int64(counts.row_count));
  nulls[at] = !has_rows || !counts.known;
  values[at++] = Int64GetDatum(int64(counts.deleted_count));
  values[at++] = Int64GetDatum(int64(disk.page_count) * BLCKSZ);
  nulls[at] = !has_lists;
  values[at++] = Int32GetDatum(int32(disk.list_count));
  nulls[at] = disk.epoch == 0;
  values[at++] = Int64GetDatum(disk.epoch);
  nulls[at] = disk.frame == 0;
  values[at++] = Int64GetDatum(disk.frame);
  nulls[at] = disk.kind != store::ObjectKind::growing;
  values[at++] = Int32GetDatum(disk.lane);
  nulls[at] = disk.kind != store::ObjectKind::segment;
  values[at++] = Int32GetDatum(int32(disk.merge_count));
  values[at++] = TimestampTzGetDatum(disk.created_at);
  nulls[at] = disk.state != store::ObjectState::retired;
  values[at++] = FullTransactionIdGetDatum(FullTransactionIdFromU64(disk.retired_xid));
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(list_segments) {
  using namespace strata;
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  InitMaterializedSRF(fcinfo, 0);
  OpenIndex const open = open_ivf_index(index_oid, AccessShareLock, Missing::ignore);
  if (!open.index) return Datum(0);
  require_select(index_oid);
  PgPager pager(open.index, open.heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  store::IndexShape const shape = store::shape_of(manifest.meta);
  for (store::ManifestObject const& object : manifest.objects) {
    put_object(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo), index_oid, object,
               count_rows(pager, shape, object));
    CHECK_FOR_INTERRUPTS();
  }
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}
