// Parallel workers of a CREATE INDEX. Leader and workers scan the table together, block by block; each encodes and
// assigns the rows of its blocks and sorts them into a run of a sort that they share. When all have finished, the
// leader merges the runs. Only the leader writes to the index.
//
// An error of a worker ends the statement: the server hands it on to the leader, whose abort ends the other workers. A
// leader that is cancelled or fails ends them in the same way. Temporary files go with the shared memory.
#include "pg/postgres.hpp"

#include "pg/am/build_state.hpp"

namespace strata::pg {

namespace {

constexpr uint64 key_shared = 0x7374726100000001;
constexpr uint64 key_scan = 0x7374726100000002;
constexpr uint64 key_sort = 0x7374726100000003;
constexpr uint64 key_query = 0x7374726100000004;
constexpr uint64 key_buffer_usage = 0x7374726100000005;
constexpr uint64 key_wal_usage = 0x7374726100000006;
constexpr size_t sort_memory_min_size = size_t(8) << 20;  // of each participant, lest workers make more runs than work
constexpr uint32_t segment_count_limit = 1 << 16;

// What one participant found; written by it alone, read by the leader after all have finished.
struct ShareResult {
  double heap_tuples;
  uint64 row_count;
};

struct SharedBuild {
  Oid heap, index;
  bool is_concurrent;
  int participant_count;
  uint64_t rows_per_segment;
  uint32_t segment_count_max;
  size_t memory_size;  // of each participant
  pg_atomic_uint64 row_count;
  // ShareResult[participant_count], then SegmentCounts[participant_count][segment_count_max]
  ShareResult* results() {
    return reinterpret_cast<ShareResult*>(reinterpret_cast<char*>(this) + MAXALIGN(sizeof *this));
  }
  SegmentCounts* counts_of(int participant) {
    return reinterpret_cast<SegmentCounts*>(results() + participant_count) + size_t(participant) * segment_count_max;
  }
  static size_t size_of(int participant_count, uint32_t segment_count_max) {
    return MAXALIGN(sizeof(SharedBuild)) +
           size_t(participant_count) * (sizeof(ShareResult) + size_t(segment_count_max) * sizeof(SegmentCounts));
  }
};

}  // namespace

struct ParallelBuild {
  ParallelContext* context;
  Snapshot snapshot;
  SharedBuild* shared;
  ParallelTableScanDesc scan;
  Sharedsort* sort;
  BufferUsage* buffer_usage;  // of each worker
  WalUsage* wal_usage;
};

namespace {

// Expressions and predicate of the index may run in a worker.
bool is_parallel_safe(Relation index) {
  Query* const query = makeNode(Query);
  query->commandType = CMD_SELECT;
  ListCell* cell;
  foreach (cell, RelationGetIndexExpressions(index)) {
    auto* const expression = static_cast<Expr*>(lfirst(cell));
    query->targetList = lappend(
        query->targetList, makeTargetEntry(expression, AttrNumber(list_length(query->targetList) + 1), nullptr, false));
  }
  query->jointree = makeFromExpr(NIL, reinterpret_cast<Node*>(RelationGetIndexPredicate(index)));
  return max_parallel_hazard(query) == PROPARALLEL_SAFE;
}

// As many as a scan of a table of that size would get; vectors that lie out of line count as much as others.
int workers_for_size(double size) {
  int count = 0;
  for (double limit = Max(double(min_parallel_table_scan_size), 1.0) * BLCKSZ;
       size >= limit && count < max_parallel_maintenance_workers; limit *= 3)
    count++;
  return count;
}

int worker_count_for(BuildState const& build, store::EpochView const* epoch) {
  if (max_parallel_maintenance_workers == 0 || RelationUsesLocalBuffers(build.heap) || !IsUnderPostmaster) return 0;
  int count = RelationGetParallelWorkers(build.heap, -1);
  if (count < 0) count = workers_for_size(double(build.row_estimate) * build.shape.dim * sizeof(float));
  count = Min(count, max_parallel_maintenance_workers);
  size_t const needed = load_memory_size(build.shape, epoch) + sort_memory_min_size;
  while (count > 0 && build.memory_max_size / size_t(count + 1) < needed) count--;
  return count > 0 && is_parallel_safe(build.index) ? count : 0;
}

// Segments that the rows of the table may fill: more rows than the blocks can hold do not come.
uint32_t segment_limit(BuildState const& build, uint64_t rows_per_segment) {
  uint64_t const rows_max = uint64_t(RelationGetNumberOfBlocks(build.heap)) * MaxHeapTuplesPerPage;
  return uint32_t(Min(rows_max / rows_per_segment + 1, uint64_t(segment_count_limit)));
}

template <class T>
T* insert_chunk(ParallelContext* context, uint64 key, size_t size) {
  auto* const chunk = static_cast<T*>(shm_toc_allocate(context->toc, size));
  shm_toc_insert(context->toc, key, chunk);
  return chunk;
}

void estimate_chunk(ParallelContext* context, size_t size) {
  shm_toc_estimate_chunk(&context->estimator, size);
  shm_toc_estimate_keys(&context->estimator, 1);
}

void fill_shared(ParallelBuild* parallel, BuildState const& build, LoadShare const& share, int participant_count,
                 uint32_t segment_count_max) {
  ParallelContext* const context = parallel->context;
  size_t const size = SharedBuild::size_of(participant_count, segment_count_max);
  auto* const shared = insert_chunk<SharedBuild>(context, key_shared, size);
  memset(static_cast<void*>(shared), 0, size);
  shared->heap = RelationGetRelid(build.heap);
  shared->index = RelationGetRelid(build.index);
  shared->is_concurrent = build.info->ii_Concurrent;
  shared->participant_count = participant_count;
  shared->rows_per_segment = share.rows_per_segment;
  shared->segment_count_max = segment_count_max;
  shared->memory_size = share.memory_size / size_t(participant_count);
  pg_atomic_init_u64(&shared->row_count, 0);
  parallel->shared = shared;
  parallel->scan = insert_chunk<ParallelTableScanDescData>(context, key_scan,
                                                           table_parallelscan_estimate(build.heap, parallel->snapshot));
  table_parallelscan_initialize(build.heap, parallel->scan, parallel->snapshot);
  parallel->sort = insert_chunk<Sharedsort>(context, key_sort, tuplesort_estimate_shared(participant_count));
  tuplesort_initialize_shared(parallel->sort, participant_count, context->seg);
  char const* const query = debug_query_string ? debug_query_string : "";
  memcpy(insert_chunk<char>(context, key_query, strlen(query) + 1), query, strlen(query) + 1);
  parallel->buffer_usage =
      insert_chunk<BufferUsage>(context, key_buffer_usage, size_t(context->nworkers) * sizeof(BufferUsage));
  parallel->wal_usage = insert_chunk<WalUsage>(context, key_wal_usage, size_t(context->nworkers) * sizeof(WalUsage));
}

// Null: no shared memory, or no worker to be had.
ParallelBuild* begin_parallel(BuildState const& build, LoadShare const& share, int worker_count) {
  EnterParallelMode();
  auto* const parallel = static_cast<ParallelBuild*>(palloc0(sizeof(ParallelBuild)));
  ParallelContext* const context = CreateParallelContext("strata", "strata_build_worker", worker_count);
  parallel->context = context;
  // As in a build without workers: all rows, or those of a snapshot when others may write meanwhile.
  parallel->snapshot = build.info->ii_Concurrent ? RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;
  uint32_t const segment_count_max = segment_limit(build, share.rows_per_segment);
  estimate_chunk(context, SharedBuild::size_of(worker_count + 1, segment_count_max));
  estimate_chunk(context, table_parallelscan_estimate(build.heap, parallel->snapshot));
  estimate_chunk(context, tuplesort_estimate_shared(worker_count + 1));
  estimate_chunk(context, strlen(debug_query_string ? debug_query_string : "") + 1);
  estimate_chunk(context, size_t(worker_count) * sizeof(BufferUsage));
  estimate_chunk(context, size_t(worker_count) * sizeof(WalUsage));
  InitializeParallelDSM(context);
  if (context->seg) {
    fill_shared(parallel, build, share, worker_count + 1, segment_count_max);
    LaunchParallelWorkers(context);
    if (context->nworkers_launched > 0) return parallel;
  }
  context->nworkers_launched = 0;
  end_parallel(parallel);
  return nullptr;
}

// The part of one participant; number 0 is the leader.
SortedRows load_participant(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                            ParallelBuild const& parallel, int number) {
  SharedBuild* const shared = parallel.shared;
  SortCoordinateData coordinate{};
  coordinate.isWorker = true;
  coordinate.nParticipants = -1;
  coordinate.sharedsort = parallel.sort;
  LoadShare share{};
  share.scan = begin_parallel_scan(build->heap, parallel.scan);
  share.coordinate = &coordinate;
  share.row_count = &shared->row_count;
  share.rows_per_segment = shared->rows_per_segment;
  share.segment_count_max = shared->segment_count_max;
  share.memory_size = shared->memory_size;
  share.reports_progress = number == 0;
  SortedRows rows = load_share(build, manifest, epoch, share);
  tuplesort_end(rows.sort);
  rows.sort = nullptr;
  shared->results()[number] = {rows.heap_tuples, rows.row_count};
  if (rows.segments.count)
    memcpy(shared->counts_of(number), rows.segments.items, rows.segments.count * sizeof(SegmentCounts));
  return rows;
}

// Adds up what all participants found.
void gather(BuildState* build, SharedBuild* shared, SortedRows* rows) {
  *rows = SortedRows{};
  for (int i = 0; i < shared->participant_count; i++) {
    rows->heap_tuples += shared->results()[i].heap_tuples;
    rows->row_count += shared->results()[i].row_count;
    SegmentCounts const* const counts = shared->counts_of(i);
    for (uint32_t segment = 0; segment < shared->segment_count_max; segment++) {
      SegmentCounts const& from = counts[segment];
      if (from.ranked_count + from.zero_count + from.null_count == 0) continue;
      while (segment >= rows->segments.count) rows->segments.push(build->pager, {});
      SegmentCounts& to = rows->segments[segment];
      to.ranked_count += from.ranked_count;
      to.zero_count += from.zero_count;
      to.null_count += from.null_count;
    }
  }
}

}  // namespace

bool load_in_parallel(BuildState* build, store::Manifest const& manifest, store::EpochView const* epoch,
                      LoadShare const& share, SortedRows* rows) {
  int const worker_count = worker_count_for(*build, epoch);
  if (worker_count == 0) return false;
  ParallelBuild* const parallel = begin_parallel(*build, share, worker_count);
  if (!parallel) return false;
  int const launched_count = parallel->context->nworkers_launched;
  load_participant(build, manifest, epoch, *parallel, 0);
  WaitForParallelWorkersToFinish(parallel->context);
  for (int i = 0; i < launched_count; i++) InstrAccumParallelQuery(&parallel->buffer_usage[i], &parallel->wal_usage[i]);
  gather(build, parallel->shared, rows);
  rows->parallel = parallel;
  SortCoordinateData coordinate{};
  coordinate.isWorker = false;
  coordinate.nParticipants = launched_count + 1;
  coordinate.sharedsort = parallel->sort;
  rows->sort = begin_row_sort(&rows->shape, build->memory_max_size, &coordinate);
  tuplesort_performsort(rows->sort);
  return true;
}

void end_parallel(ParallelBuild* parallel) {
  if (IsMVCCSnapshot(parallel->snapshot)) UnregisterSnapshot(parallel->snapshot);
  DestroyParallelContext(parallel->context);
  ExitParallelMode();
}

}  // namespace strata::pg

void strata_build_worker(dsm_segment* segment, shm_toc* toc) {
  using namespace strata;
  using namespace strata::pg;
  ParallelBuild parallel{};
  parallel.shared = static_cast<SharedBuild*>(shm_toc_lookup(toc, key_shared, false));
  parallel.scan = static_cast<ParallelTableScanDesc>(shm_toc_lookup(toc, key_scan, false));
  parallel.sort = static_cast<Sharedsort*>(shm_toc_lookup(toc, key_sort, false));
  parallel.buffer_usage = static_cast<BufferUsage*>(shm_toc_lookup(toc, key_buffer_usage, false));
  parallel.wal_usage = static_cast<WalUsage*>(shm_toc_lookup(toc, key_wal_usage, false));
  debug_query_string = static_cast<char const*>(shm_toc_lookup(toc, key_query, false));
  pgstat_report_activity(STATE_RUNNING, debug_query_string);

  // The locks that the leader has, which do not conflict with its own.
  SharedBuild* const shared = parallel.shared;
  LOCKMODE const heap_lock = shared->is_concurrent ? ShareUpdateExclusiveLock : ShareLock;
  LOCKMODE const index_lock = shared->is_concurrent ? RowExclusiveLock : AccessExclusiveLock;
  Relation const heap = table_open(shared->heap, heap_lock);
  Relation const index = index_open(shared->index, index_lock);
  tuplesort_attach_shared(parallel.sort, segment);
  InstrStartParallelQuery();

  BuildState build{};
  build.heap = heap;
  build.index = index;
  build.info = BuildIndexInfo(index);
  build.info->ii_Concurrent = shared->is_concurrent;
  build.row_shape = row_shape(index);
  build.pager = PgPager(index, heap);
  store::Manifest manifest{};
  report(store::load_manifest(build.pager, &manifest));
  build.shape = store::shape_of(manifest.meta);
  store::EpochView* epoch = nullptr;
  if (manifest.header.epoch)
    report(store::open_epoch(build.pager, build.shape, manifest, ObjectId(manifest.header.epoch), &epoch));
  load_participant(&build, manifest, epoch, parallel, ParallelWorkerNumber + 1);
  InstrEndParallelQuery(&parallel.buffer_usage[ParallelWorkerNumber], &parallel.wal_usage[ParallelWorkerNumber]);
  index_close(index, index_lock);
  table_close(heap, heap_lock);
}
