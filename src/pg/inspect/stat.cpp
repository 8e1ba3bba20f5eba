// strata.list_index_stats(index) and strata.list_progress(): numbers behind the views strata.stat_index,
// strata.progress and strata.stat_worker.
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "pg/worker/progress.hpp"
#include "store/growing.hpp"
#include "store/object_reader.hpp"

namespace strata::pg {
namespace {

struct Totals {
  uint64_t rows, growing_rows, deleted_rows;  // in what is readable
  uint32_t segments, epochs;
  uint64_t live_bytes, retired_bytes, free_bytes;
};

Totals count_totals(PgPager& pager, store::Manifest const& manifest) {
  Totals totals{};
  store::IndexShape const shape = store::shape_of(manifest.meta);
  auto* const header = static_cast<store::ObjectHeaderDisk*>(pager.allocate(sizeof(store::ObjectHeaderDisk)));
  for (store::ManifestObject const& object : manifest.objects) {
    format::ObjectDisk const& disk = object.disk;
    uint64_t const bytes = uint64_t(disk.page_count) * BLCKSZ;
    if (disk.state == store::ObjectState::retired) totals.retired_bytes += bytes;
    if (disk.state != store::ObjectState::live && disk.state != store::ObjectState::frozen) continue;
    uint64_t live_bytes = bytes;
    if (disk.kind == store::ObjectKind::growing) {
      uint64_t rows;
      report(store::count_growing_rows(pager, shape, object, &rows));
      totals.growing_rows += rows;
      totals.rows += rows;
    } else if (disk.kind == store::ObjectKind::segment) {
      report(store::read_header(pager, object, header));
      totals.segments++;
      totals.rows += disk.row_count;
      totals.deleted_rows += header->deleted_count;
      if (disk.row_count > 0)
        live_bytes = uint64_t(double(bytes) * (disk.row_count - header->deleted_count) / disk.row_count);
    } else if (disk.kind == store::ObjectKind::epoch) {
      totals.epochs++;
    }
    totals.live_bytes += live_bytes;
  }
  for (store::ExtentDisk const& extent : manifest.free) totals.free_bytes += uint64_t(extent.count) * BLCKSZ;
  pager.release(header);
  return totals;
}

void put_progress(void* context, Progress const& progress) {
  auto* const result = static_cast<ReturnSetInfo*>(context);
  char const* const task = task_name(progress.task);
  char const* const phase = phase_name(progress.phase);
  bool const known = task && phase;
  bool const counts = known && progress.counts;
  bool const has_total = counts && progress.total != 0;
  Datum values[] = {
      Int32GetDatum(progress.pid),
      ObjectIdGetDatum(progress.database),
      ObjectIdGetDatum(progress.index),
      ObjectIdGetDatum(progress.table),
      BoolGetDatum(progress.is_worker),
      task ? CStringGetTextDatum(task) : Datum(0),
      known ? CStringGetTextDatum(phase) : Datum(0),
      Int64GetDatum(int64(progress.done)),
      Int64GetDatum(int64(progress.total)),
      TimestampTzGetDatum(progress.task_since),
      TimestampTzGetDatum(progress.phase_since),
  };
  bool nulls[] = {false, false, progress.index == 0, progress.table == 0, false, !task, !known, !counts, !has_total,
                  false, !known};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(list_index_stats) {
  using namespace strata;
  using namespace strata::pg;
  OpenIndex const open = open_listed_index(fcinfo);
  if (!open.index) return Datum(0);
  PgPager pager(open.index, open.heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  Totals const totals = count_totals(pager, manifest);
  format::ManifestHeaderDisk const& header = manifest.header;
  uint64_t const numbers[] = {totals.rows,        totals.growing_rows,  totals.deleted_rows,
                              totals.segments,    totals.epochs,        uint64_t(pager.block_count()) * BLCKSZ,
                              totals.live_bytes,  totals.retired_bytes, totals.free_bytes,
                              header.sealed_rows, header.merged_rows,   header.sealed_bytes,
                              header.merged_bytes};
  Datum values[lengthof(numbers)];
  bool nulls[lengthof(numbers)] = {};
  for (size_t i = 0; i < lengthof(numbers); i++) values[i] = Int64GetDatum(int64(numbers[i]));
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}

STRATA_FUNCTION(list_progress) {
  InitMaterializedSRF(fcinfo, 0);
  strata::pg::visit_progress(strata::pg::put_progress, fcinfo->resultinfo);
  return Datum(0);
}
