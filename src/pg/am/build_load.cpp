// The rows of CREATE INDEX and of an import: each is encoded, named its list, and goes into a sort by segment and list.
#include "pg/postgres.hpp"

#include "core/cluster/assign_codes.hpp"
#include "pg/am/am_options.hpp"
#include "pg/am/build_state.hpp"
#include "pg/compat.hpp"

namespace strata::pg {
namespace {

constexpr size_t batch_max_size = size_t(1) << 20;  // bytes of rows that are assigned to their lists together
constexpr uint32_t batch_max_count = 512;
constexpr uint64_t segment_rows_min = 4096;  // a smaller segment would cost more to visit than to scan
constexpr int sort_memory_min_kb = 8 * 1024;

struct Loader {
  BuildState* build;
  quant::Frame frame;
  cluster::CodeSet centroids;
  void* scratch;
  uint32_t list_count;  // 0: flat
  LoadShare share;
  float* vector;
  std::byte* columns;
  RowCopy copy;  // without bytes: rows carry no copies
  // A batch of ranked rows.
  uint32_t batch_count, batch_capacity;
  float* z;            // float[padded_dim]
  uint32_t* lists;     // of the batch
  uint32_t* segments;  // of the batch
  char* records;       // bytea values of record_size bytes
  size_t record_size;
  TupleTableSlot* slot;
  SortedRows result;
};

std::byte* codes_of(Loader const& loader, char* record) {
  return reinterpret_cast<std::byte*>(record + VARHDRSZ + sizeof(SortedRowHead) +
                                      loader.build->shape.columns.total_size);
}

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
    cluster::assign_codes(loader->centroids, codes_of(*loader, loader->records), loader->record_size,
                          loader->batch_count, loader->lists, nullptr, loader->scratch);
  else
    memset(loader->lists, 0, loader->batch_count * sizeof(uint32_t));
  for (uint32_t i = 0; i < loader->batch_count; i++)
    put_row(loader, loader->segments[i], loader->lists[i], loader->records + i * loader->record_size);
  loader->batch_count = 0;
  if (loader->share.reports_progress)
    pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, int64(pg_atomic_read_u64(loader->share.row_count)));
}

// The counts of the segment that the next row belongs to, and its number.
SegmentCounts* next_place(Loader* loader, uint32_t* segment) {
  LoadShare const& share = loader->share;
  uint64_t const place = pg_atomic_fetch_add_u64(share.row_count, 1) / share.rows_per_segment;
  *segment = uint32_t(Min(place, uint64_t(share.segment_count_max - 1)));
  SortedRows& result = loader->result;
  result.row_count++;
  while (*segment >= result.segments.count) result.segments.push(loader->build->pager, {});
  return &result.segments[*segment];
}

void load_row(Loader* loader, LoadedRow const& loaded) {
  store::IndexShape const& shape = loader->build->shape;
  Row const& row = loaded.row;
  uint32_t const at = loader->batch_count;
  char* const record = loader->records + at * loader->record_size;
  uint32_t segment;
  SegmentCounts* const counts = next_place(loader, &segment);
  SortedRowHead const head{loaded.tid.key, row.hash, row.flags, {}};
  memcpy(record + VARHDRSZ, &head, sizeof head);
  size_t const head_size = sizeof head + shape.columns.total_size;
  memcpy(record + VARHDRSZ + sizeof head, loaded.columns, shape.columns.total_size);
  if (!row.vector) {
    bool const is_zero = row.flags == format::row_is_zero;
    (is_zero ? counts->zero_count : counts->null_count)++;
    SET_VARSIZE(record, VARHDRSZ + head_size);
    put_row(loader, segment, loader->list_count + (is_zero ? 1 : 2), record);
    return;
  }
  counts->ranked_count++;
  quant::to_frame(loader->frame, row.vector, loader->z);
  std::byte* const codes = codes_of(*loader, record);
  quant::encode_refine(shape.padded_dim, loader->z, codes);
  if (shape.copy_size) memcpy(codes + shape.code_size, loaded.copy, shape.copy_size);
  SET_VARSIZE(record, loader->record_size);
  loader->segments[at] = segment;
  if (++loader->batch_count == loader->batch_capacity) flush_batch(loader);
}

void load_scanned(Relation, ItemPointer tid, Datum* values, bool* isnull, bool, void* state) {
  auto* const loader = static_cast<Loader*>(state);
  RowShape const& shape = loader->build->row_shape;
  Row const row = make_row(shape, values[0], isnull[0], loader->vector, loader->copy);
  make_columns(shape, values, isnull, loader->columns);
  load_row(loader, {tid_of(tid), row, loader->columns, loader->copy.bytes});
}

double load_fed(Loader* loader, RowFeed* feed) {
  LoadedRow row;
  for (feed->rewind(feed); feed->next(feed, &row);) {
    load_row(loader, row);
    CHECK_FOR_INTERRUPTS();
  }
  return double(feed->row_count);
}

// Bytes of a ranked row in a segment, bitmap and bloom filters included.
double row_size(store::IndexShape const& shape, bool spills) {
  constexpr double fixed_size = 6 + 8 + 0.125 + 2 * sets::bloom_bits_per_key / 8.0;
  double columns_size = 0;
  for (uint32_t i = 0; i < shape.columns.count; i++)
    columns_size += shape.columns.size[i] + 4 + 0.125 + sets::bloom_bits_per_key / 8.0;
  double const code_size = quant::block_size(shape.padded_dim, shape.scan.bits) / double(quant::block_rows);
  double const spill_size = spills ? code_size + sizeof(uint32_t) : 0;
  return fixed_size + columns_size + shape.refine_size + code_size + spill_size;
}

void prepare_lists(Loader* loader, store::EpochView const& epoch) {
  PgPager& pager = loader->build->pager;
  store::IndexShape const& shape = loader->build->shape;
  float* centroids;
  report(store::load_centroids(pager, shape, epoch, &centroids));
  loader->list_count = epoch.list_count;
  loader->scratch = pager.allocate(cluster::code_scratch_size(shape.padded_dim, epoch.list_count));
  loader->centroids =
      cluster::prepare_codes(shape.padded_dim, centroids, epoch.list_count,
                             pager.allocate(cluster::code_set_size(shape.padded_dim, epoch.list_count)));
}

size_t record_size_of(store::IndexShape const& shape) {
  // Records lie apart by a multiple of 8 bytes, so that their headers are aligned.
  return MAXALIGN(VARHDRSZ + sizeof(SortedRowHead) + shape.columns.total_size + shape.refine_size);
}

void allocate_batch(Loader* loader) {
  PgPager& pager = loader->build->pager;
  store::IndexShape const& shape = loader->build->shape;
  loader->vector = static_cast<float*>(pager.allocate(shape.dim * sizeof(float)));
  loader->z = static_cast<float*>(pager.allocate(shape.padded_dim * sizeof(float)));
  loader->columns = static_cast<std::byte*>(pager.allocate(shape.columns.total_size + 1));
  if (shape.copy_size) loader->copy = {pager.allocate(shape.copy_size), shape.copy_kind};
  loader->record_size = record_size_of(shape);
  loader->batch_capacity = uint32_t(Min(batch_max_size / loader->record_size, size_t(batch_max_count)));
  loader->lists = static_cast<uint32_t*>(pager.allocate(loader->batch_capacity * sizeof(uint32_t)));
  loader->segments = static_cast<uint32_t*>(pager.allocate(loader->batch_capacity * sizeof(uint32_t)));
  loader->records = static_cast<char*>(pager.allocate(loader->batch_capacity * loader->record_size));
  memset(loader->records, 0, loader->batch_capacity * loader->record_size);
}

}  // namespace

Tuplesortstate* begin_row_sort(TupleDesc* shape, size_t memory_size, SortCoordinate coordinate) {
  *shape = CreateTemplateTupleDesc(2);
  TupleDescInitEntry(*shape, 1, "place", INT8OID, -1, 0);
  TupleDescInitEntry(*shape, 2, "row", BYTEAOID, -1, 0);
  finish_tuple_descriptor(*shape);
  AttrNumber attribute = 1;
  Oid less = Int8LessOperator;
  Oid collation = InvalidOid;
  bool nulls_first = false;
  size_t const kb = Min(memory_size / 1024, size_t(INT_MAX));
  return tuplesort_begin_heap(*shape, 1, &attribute, &less, &collation, &nulls_first, Max(int(kb), sort_memory_min_kb),
                              coordinate, TUPLESORT_NONE);
}

size_t load_memory_size(store::IndexShape const& shape, store::EpochView const* epoch) {
  if (!epoch) return batch_max_size;
  return batch_max_size + size_t(epoch->list_count) * shape.padded_dim * sizeof(float) +
         cluster::code_set_size(shape.padded_dim, epoch->list_count) +
         cluster::code_scratch_size(shape.padded_dim, epoch->list_count);
}

SortedRows load_share(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                      LoadShare const& share) {
  Loader loader{};
  loader.build = build;
  loader.share = share;
  report(store::load_frame(build->pager, build->shape, manifest, ObjectId(manifest.header.frame), &loader.frame));
  if (epoch) prepare_lists(&loader, *epoch);
  allocate_batch(&loader);
  size_t const used_size = load_memory_size(build->shape, epoch);
  size_t const sort_size = share.memory_size > used_size ? share.memory_size - used_size : 0;
  loader.result.sort = begin_row_sort(&loader.result.shape, sort_size, share.coordinate);
  loader.slot = MakeSingleTupleTableSlot(loader.result.shape, &TTSOpsVirtual);
  loader.result.heap_tuples = build->feed
                                  ? load_fed(&loader, build->feed)
                                  : table_index_build_scan(build->heap, build->index, build->info, true,
                                                           share.reports_progress, load_scanned, &loader, share.scan);
  flush_batch(&loader);
  if (share.reports_progress) enter_phase(build, BuildPhase::sort);
  tuplesort_performsort(loader.result.sort);
  ExecDropSingleTupleTableSlot(loader.slot);
  for (void* part :
       {static_cast<void*>(loader.records), static_cast<void*>(loader.segments), static_cast<void*>(loader.lists),
        static_cast<void*>(loader.z), static_cast<void*>(loader.vector), static_cast<void*>(loader.columns),
        loader.copy.bytes, loader.scratch, const_cast<void*>(static_cast<void const*>(loader.centroids.centroids))})
    build->pager.release(part);
  return loader.result;
}

uint64_t segment_row_count(Relation index, store::IndexShape const& shape, bool spills) {
  double const segment_size = index_options(index).segment_size_mb * 1024.0 * 1024.0;
  return Max(uint64_t(segment_size / row_size(shape, spills)), segment_rows_min);
}

SortedRows load_rows(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch) {
  enter_phase(build, BuildPhase::encode, build->row_estimate);
  pg_atomic_uint64 row_count;
  pg_atomic_init_u64(&row_count, 0);
  LoadShare share{};
  share.row_count = &row_count;
  share.rows_per_segment = segment_row_count(build->index, build->shape, epoch && epoch->spills);
  share.segment_count_max = UINT32_MAX;
  share.memory_size = build->memory_max_size;
  share.reports_progress = true;
  SortedRows rows{};
  if (build->feed || !load_in_parallel(build, manifest, epoch, share, &rows))
    rows = load_share(build, manifest, epoch, share);
  return rows;
}

}  // namespace strata::pg
