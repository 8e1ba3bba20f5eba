// The last step of CREATE INDEX and of an import: segments from sorted rows.
#include "pg/am/build_state.hpp"
#include "store/calibrate.hpp"
#include "store/maintain.hpp"

namespace strata::pg {
namespace {

// Rows of the sort, one after the other.
struct RowReader {
  uint32_t columns_size;
  Tuplesortstate* sort;
  TupleTableSlot* slot;
};

// Returns the list of the row; `view` points into the slot.
uint32_t read_row(RowReader* reader, store::RowView* view) {
  if (!tuplesort_gettupleslot(reader->sort, true, false, reader->slot, nullptr))
    elog(ERROR, "sorted rows ended too early");
  bool is_null;
  uint64_t const place = uint64_t(DatumGetInt64(slot_getattr(reader->slot, 1, &is_null)));
  char const* const record = VARDATA_ANY(DatumGetPointer(slot_getattr(reader->slot, 2, &is_null)));
  SortedRowHead head;
  memcpy(&head, record, sizeof head);
  auto const* columns = reinterpret_cast<std::byte const*>(record + sizeof head);
  *view = {Tid{head.tid}, head.flags, head.hash, columns, columns + reader->columns_size};
  return uint32_t(place);
}

void write_segment(BuildState* build, store::SegmentSpec const& spec, RowReader* reader, int64 done_before) {
  PgPager& pager = build->pager;
  store::ManifestObject target{};
  store::ObjectHeaderDisk* header;
  report(store::begin_segment(pager, build->shape, spec, &target, &header));
  store::SegmentWriter<PgPager> writer(pager, build->shape, spec, target, header);
  for (uint32_t row = 0; row < spec.row_count; row++) {
    store::RowView view;
    uint32_t const list = read_row(reader, &view);
    report(writer.append(list, view));
    if ((row & 0x3FF) == 0) {
      pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done_before + row);
      pager.note_phase(store::Phase::write, uint64_t(row), spec.row_count);
      pager.check_interrupts();
    }
  }
  report(writer.finish());
  report(store::publish_segment(pager, target.id()));
  pager.release(header);
}

void write_segments(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                    SortedRows* rows) {
  enter_phase(build, BuildPhase::write, rows->row_count);
  RowReader reader{build->shape.columns.total_size, rows->sort,
                   MakeSingleTupleTableSlot(rows->shape, &TTSOpsMinimalTuple)};
  int64 done = 0;
  for (SegmentCounts const& counts : rows->segments) {
    store::SegmentSpec spec{};
    spec.frame = ObjectId(manifest.header.frame);
    spec.epoch = epoch;
    spec.row_count = counts.ranked_count + counts.zero_count + counts.null_count;
    spec.ranked_count = counts.ranked_count;
    spec.zero_count = counts.zero_count;
    write_segment(build, spec, &reader, done);
    done += spec.row_count;
  }
  pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, done);
  ExecDropSingleTupleTableSlot(reader.slot);
  tuplesort_end(rows->sort);
  if (rows->parallel) end_parallel(rows->parallel);
}

}  // namespace

BuiltRows build_segments(BuildState* build, uint64_t row_count, bool calibrates) {
  PgPager& pager = build->pager;
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  store::EpochView* epoch = nullptr;
  store::ManifestObject const* const codebook = manifest.find(ObjectId(manifest.header.epoch));
  // As in a seal: of fewer rows probing would read more directory than a flat scan reads codes.
  if (codebook && row_count >= codebook->disk.list_count / 2)
    report(store::open_epoch(pager, build->shape, manifest, ObjectId(manifest.header.epoch), &epoch));
  SortedRows rows = load_rows(build, manifest, epoch);
  note_build_point();
  write_segments(build, manifest, epoch, &rows);
  if (calibrates && epoch) {
    enter_phase(build, BuildPhase::calibrate);
    store::CalibrateResult calibrated;
    report(store::calibrate(pager, store::MaintainOptions{}.calibration_work_max, &calibrated));
  }
  enter_phase(build, BuildPhase::done);
  return {rows.heap_tuples, rows.row_count};
}

}  // namespace strata::pg
