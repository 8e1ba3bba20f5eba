// The scan of CREATE INDEX: every row is encoded, named its list, and goes into a sort by segment and list.
#include "pg/postgres.hpp"

#include "core/cluster/assign.hpp"
#include "pg/am/am_options.hpp"
#include "pg/am/build_state.hpp"

namespace strata::pg {
namespace {

constexpr size_t batch_max_size = size_t(4) << 20;  // bytes of rows that are assigned to their lists together
constexpr uint32_t batch_max_count = 1024;
constexpr uint64_t segment_rows_min = 4096;  // a smaller segment would cost more to visit than to scan
constexpr int sort_memory_min_kb = 8 * 1024;

struct Loader {
  BuildState* build;
  quant::Frame frame;
  cluster::CentroidSet centroids;
  void* scratch;
  uint32_t list_count;  // 0: flat
  uint64_t rows_per_segment;
  float* vector;
  // A batch of ranked rows.
  uint32_t batch_count, batch_capacity;
  float* z;            // float[batch_capacity][padded_dim]
  uint32_t* lists;     // of the batch
  uint32_t* segments;  // of the batch
  char* records;       // bytea values of record_size bytes
  size_t record_size;
  TupleTableSlot* slot;
  SortedRows result;
};

void put_row(Loader* loader, uint32_t segment, uint32_t list, char* record) {
  TupleTableSlot* const slot = loader->slot;
  ExecClearTuple(slot);
  slot->tts_values[0] = Int64GetDatum(int64(uint64_t(segment) << 32 | list));
  slot->tts_values[1] = PointerGetDatum(record);
  slot->tts_isnull[0] = slot->tts_isnull[1] = false;
  ExecStoreVirtualTuple(slot);
  tuplesort_puttupleslot(loader->result.sort, slot);
}

void flush_batch(Loader* loader) {
  if (loader->batch_count == 0) return;
  if (loader->list_count > 0)
    cluster::assign_nearest(loader->centroids, loader->z, loader->batch_count, loader->lists, nullptr, loader->scratch);
  else
    memset(loader->lists, 0, loader->batch_count * sizeof(uint32_t));
  for (uint32_t i = 0; i < loader->batch_count; i++)
    put_row(loader, loader->segments[i], loader->lists[i], loader->records + i * loader->record_size);
  loader->batch_count = 0;
}

// The counts of the segment that the next row belongs to, and its number.
SegmentCounts* next_place(Loader* loader, uint32_t* segment) {
  SortedRows& result = loader->result;
  *segment = uint32_t(result.row_count++ / loader->rows_per_segment);
  if (*segment == result.segments.count) result.segments.push(loader->build->pager, {});
  return &result.segments[*segment];
}

void load_row(Relation, ItemPointer tid, Datum* values, bool* isnull, bool, void* state) {
  auto* const loader = static_cast<Loader*>(state);
  store::IndexShape const& shape = loader->build->shape;
  Row const row = make_row(loader->build->row_shape, values[0], isnull[0], loader->vector);
  uint32_t segment;
  SegmentCounts* const counts = next_place(loader, &segment);
  uint32_t const at = loader->batch_count;
  char* const record = loader->records + at * loader->record_size;
  SortedRowHead const head{tid_of(tid).key, row.hash, row.flags, {}};
  memcpy(record + VARHDRSZ, &head, sizeof head);
  size_t const head_size = sizeof head + shape.columns.total_size;
  make_columns(loader->build->row_shape, values, isnull, reinterpret_cast<std::byte*>(record + VARHDRSZ + sizeof head));
  if (!row.vector) {
    bool const is_zero = row.flags == format::row_is_zero;
    (is_zero ? counts->zero_count : counts->null_count)++;
    SET_VARSIZE(record, VARHDRSZ + head_size);
    put_row(loader, segment, loader->list_count + (is_zero ? 1 : 2), record);
    return;
  }
  counts->ranked_count++;
  float* const z = loader->z + size_t(at) * shape.padded_dim;
  quant::to_frame(loader->frame, row.vector, z);
  quant::encode_refine(shape.padded_dim, z, reinterpret_cast<std::byte*>(record + VARHDRSZ + head_size));
  SET_VARSIZE(record, loader->record_size);
  loader->segments[at] = segment;
  if (++loader->batch_count == loader->batch_capacity) flush_batch(loader);
}

// Bytes of a ranked row in a segment, bitmap and bloom filters included.
double row_size(store::IndexShape const& shape) {
  constexpr double fixed_size = 6 + 8 + 0.125 + 2 * sets::bloom_bits_per_key / 8.0;
  double columns_size = 0;
  for (uint32_t i = 0; i < shape.columns.count; i++)
    columns_size += shape.columns.size[i] + 4 + 0.125 + sets::bloom_bits_per_key / 8.0;
  return fixed_size + columns_size + shape.refine_size +
         quant::block_size(shape.padded_dim, shape.scan.bits) / double(quant::block_rows);
}

void begin_sort(Loader* loader, size_t memory_size) {
  TupleDesc const shape = CreateTemplateTupleDesc(2);
  TupleDescInitEntry(shape, 1, "place", INT8OID, -1, 0);
  TupleDescInitEntry(shape, 2, "row", BYTEAOID, -1, 0);
  AttrNumber attribute = 1;
  Oid less = Int8LessOperator;
  Oid collation = InvalidOid;
  bool nulls_first = false;
  size_t const kb = Min(memory_size / 1024, size_t(INT_MAX));
  loader->result.shape = shape;
  loader->result.sort = tuplesort_begin_heap(shape, 1, &attribute, &less, &collation, &nulls_first,
                                             Max(int(kb), sort_memory_min_kb), nullptr, TUPLESORT_NONE);
  loader->slot = MakeSingleTupleTableSlot(shape, &TTSOpsVirtual);
}

// Packs the centroids; returns the bytes it took.
size_t prepare_lists(Loader* loader, store::EpochView const& epoch) {
  PgPager& pager = loader->build->pager;
  store::IndexShape const& shape = loader->build->shape;
  float* centroids;
  report(store::load_centroids(pager, shape, epoch, &centroids));
  loader->list_count = epoch.list_count;
  size_t const set_size = cluster::centroid_set_size(shape.padded_dim, epoch.list_count);
  size_t const scratch_size = cluster::assign_scratch_size(shape.padded_dim, epoch.list_count);
  loader->scratch = pager.allocate(scratch_size);
  loader->centroids =
      cluster::prepare_centroids(shape.padded_dim, centroids, epoch.list_count, pager.allocate(set_size));
  return set_size + scratch_size + size_t(epoch.list_count) * shape.padded_dim * sizeof(float);
}

}  // namespace

SortedRows load_rows(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch) {
  report_phase(BuildPhase::encode);
  PgPager& pager = build->pager;
  store::IndexShape const& shape = build->shape;
  Loader loader{};
  loader.build = build;
  report(store::load_frame(pager, shape, manifest, ObjectId(manifest.header.frame), &loader.frame));
  size_t const used_size = epoch ? prepare_lists(&loader, *epoch) : 0;
  double const segment_size = index_options(build->index).segment_size_mb * 1024.0 * 1024.0;
  loader.rows_per_segment = Max(uint64_t(segment_size / row_size(shape)), segment_rows_min);
  loader.vector = static_cast<float*>(pager.allocate(shape.dim * sizeof(float)));
  size_t const z_size = shape.padded_dim * sizeof(float);
  loader.batch_capacity = uint32_t(Min(batch_max_size / z_size, size_t(batch_max_count)));
  loader.z = static_cast<float*>(pager.allocate(loader.batch_capacity * z_size));
  loader.lists = static_cast<uint32_t*>(pager.allocate(loader.batch_capacity * sizeof(uint32_t)));
  loader.segments = static_cast<uint32_t*>(pager.allocate(loader.batch_capacity * sizeof(uint32_t)));
  loader.record_size = VARHDRSZ + sizeof(SortedRowHead) + shape.columns.total_size + shape.refine_size;
  // Records lie apart by a multiple of 8 bytes, so that their headers are aligned.
  loader.record_size = MAXALIGN(loader.record_size);
  loader.records = static_cast<char*>(pager.allocate(loader.batch_capacity * loader.record_size));
  memset(loader.records, 0, loader.batch_capacity * loader.record_size);
  begin_sort(&loader, build->memory_max_size > used_size ? build->memory_max_size - used_size : 0);

  loader.result.heap_tuples =
      table_index_build_scan(build->heap, build->index, build->info, true, true, load_row, &loader, nullptr);
  flush_batch(&loader);
  report_phase(BuildPhase::sort);
  tuplesort_performsort(loader.result.sort);
  ExecDropSingleTupleTableSlot(loader.slot);
  return loader.result;
}

}  // namespace strata::pg
