#include "pg/am/bulk_insert.hpp"

#include "pg/am/am_options.hpp"
#include "pg/compat.hpp"
#include "pg/settings.hpp"
#include "pg/worker/maintenance.hpp"
#include "pg/worker/progress.hpp"
#include "pg/worker/window.hpp"
#include "pg/worker/worker.hpp"
#include "store/insert.hpp"

namespace strata::pg {
namespace {

constexpr int store_memory_min_kb = 64;

// Rows that wait for one index. In the tuplestore as a bytea: SortedRowHead, columns; of a row with a vector also
// float[dim] and the copy.
struct WaitingRows {
  Oid index;  // first: the key
  Oid heap;
  RowFeed feed;
  store::IndexShape shape;
  uint64_t row_count_max;
  Tuplestorestate* rows;
  TupleTableSlot* in;
  TupleTableSlot* out;
  char* record;
  float* vector;  // of the row that was read last
};

constexpr size_t feed_at = offsetof(WaitingRows, feed);

}  // namespace

struct BulkInsert {
  MemoryContext context;
  MemoryContextCallback callback;
  ResourceOwner owner;
  SubTransactionId subtransaction;
  List* tables;
  HTAB* waiting;
  WaitingRows* last;
  TupleDesc row_type;
  int memory_kb;  // of each tuplestore
  bool is_collecting;
  bool is_writing;  // and, when it is found so later, has failed to
};

namespace {

BulkInsert* current;
ExecutorStart_hook_type previous_start = nullptr;

void forget(void* argument) {
  if (current == argument) current = nullptr;
}

size_t head_size(WaitingRows const& waiting) {
  return sizeof(SortedRowHead) + waiting.shape.columns.total_size;
}

WaitingRows* waiting_of(RowFeed* feed) {
  return reinterpret_cast<WaitingRows*>(reinterpret_cast<char*>(feed) - feed_at);
}

void rewind_rows(RowFeed* feed) {
  tuplestore_rescan(waiting_of(feed)->rows);
}

bool next_row(RowFeed* feed, LoadedRow* row) {
  WaitingRows* const waiting = waiting_of(feed);
  if (!tuplestore_gettupleslot(waiting->rows, true, false, waiting->out)) return false;
  bool is_null;
  char const* const record = VARDATA_ANY(DatumGetPointer(slot_getattr(waiting->out, 1, &is_null)));
  SortedRowHead head;
  memcpy(&head, record, sizeof head);
  *row = {Tid{head.tid},
          {head.flags, head.hash, nullptr},
          reinterpret_cast<std::byte const*>(record + sizeof head),
          nullptr};
  if (head.flags != 0) return true;
  size_t const vector_size = waiting->shape.dim * sizeof(float);
  memcpy(waiting->vector, record + head_size(*waiting), vector_size);
  row->row.vector = waiting->vector;
  if (waiting->shape.copy_size) row->copy = record + head_size(*waiting) + vector_size;
  return true;
}

WaitingRows* begin_waiting(BulkInsert* bulk, Relation index, Relation heap, store::IndexShape const& shape) {
  Oid const oid = RelationGetRelid(index);
  auto* const waiting = static_cast<WaitingRows*>(hash_search(bulk->waiting, &oid, HASH_ENTER, nullptr));
  *waiting = WaitingRows{};
  waiting->index = oid;
  waiting->heap = RelationGetRelid(heap);
  waiting->feed = {0, rewind_rows, next_row};
  waiting->shape = shape;
  waiting->row_count_max = segment_row_count(index, shape, false);
  MemoryContext const old_context = MemoryContextSwitchTo(bulk->context);
  ResourceOwner const old_owner = CurrentResourceOwner;
  CurrentResourceOwner = bulk->owner;
  waiting->rows = tuplestore_begin_heap(false, false, bulk->memory_kb);
  CurrentResourceOwner = old_owner;
  waiting->in = MakeSingleTupleTableSlot(bulk->row_type, &TTSOpsVirtual);
  waiting->out = MakeSingleTupleTableSlot(bulk->row_type, &TTSOpsMinimalTuple);
  waiting->vector = static_cast<float*>(palloc(shape.dim * sizeof(float)));
  waiting->record =
      static_cast<char*>(palloc(VARHDRSZ + head_size(*waiting) + shape.dim * sizeof(float) + shape.copy_size));
  MemoryContextSwitchTo(old_context);
  return waiting;
}

WaitingRows* find_waiting(BulkInsert* bulk, Relation index, Relation heap, store::IndexShape const& shape) {
  Oid const oid = RelationGetRelid(index);
  if (bulk->last && bulk->last->index == oid) return bulk->last;
  auto* const known = static_cast<WaitingRows*>(hash_search(bulk->waiting, &oid, HASH_FIND, nullptr));
  if (known) return bulk->last = known;
  if (!list_member_oid(bulk->tables, RelationGetRelid(heap))) return nullptr;
  return bulk->last = begin_waiting(bulk, index, heap, shape);
}

void put_row(WaitingRows* waiting, LoadedRow const& row) {
  store::IndexShape const& shape = waiting->shape;
  char* at = waiting->record + VARHDRSZ;
  SortedRowHead const head{row.tid.key, row.row.hash, row.row.flags, {}};
  memcpy(at, &head, sizeof head);
  memcpy(at + sizeof head, row.columns, shape.columns.total_size);
  at += head_size(*waiting);
  if (row.row.vector) {
    memcpy(at, row.row.vector, shape.dim * sizeof(float));
    at += shape.dim * sizeof(float);
    if (shape.copy_size) memcpy(at, row.copy, shape.copy_size);
    at += shape.copy_size;
  }
  SET_VARSIZE(waiting->record, at - waiting->record);
  ExecClearTuple(waiting->in);
  waiting->in->tts_values[0] = PointerGetDatum(waiting->record);
  waiting->in->tts_isnull[0] = false;
  ExecStoreVirtualTuple(waiting->in);
  tuplestore_puttupleslot(waiting->rows, waiting->in);
  waiting->feed.row_count++;
}

// Rows that the index has already, dead ones included.
uint64_t known_rows(PgPager& pager, store::Manifest const& manifest) {
  uint64_t count = 0;
  for (store::ManifestObject const& object : manifest.objects) {
    bool const is_live = object.disk.state == store::ObjectState::live;
    if (is_live && object.disk.kind == store::ObjectKind::segment) count += object.disk.row_count;
  }
  store::Outlook outlook;
  report(store::look_ahead(pager, {}, &outlook));
  return count + outlook.growing_rows;
}

// An index without a codebook gets one when most of its rows are those that come now. True when it did.
bool give_codebook(BuildState* build) {
  PgPager& pager = build->pager;
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  uint32_t const frame = manifest.header.frame;
  bool const is_missing = manifest.header.epoch == 0;
  bool const trains = is_missing && window_is_open() && known_rows(pager, manifest) <= build->feed->row_count;
  store::release_manifest(pager, &manifest);
  if (!trains && frame != 0) return false;
  build_codebook(build, trains);
  report(store::load_manifest(pager, &manifest));
  bool const has_codebook = manifest.header.epoch != 0, has_moved = frame != 0 && manifest.header.frame != frame;
  store::release_manifest(pager, &manifest);
  // Later rows belong into the new frame.
  if (has_moved) report(store::freeze(pager));
  return has_codebook;
}

void write_as_segment(BuildState* build) {
  PgPager& pager = build->pager;
  pager.lock(store::LockName::merge);
  report(store::drop_unfinished(pager));
  pager.note_task(store::Task::seal, nullptr, 0);
  bool const calibrates = give_codebook(build);
  build_segments(build, build->feed->row_count, calibrates);
  pager.unlock(store::LockName::merge);
  if (settings.auto_flush_interval_ms != 0) request_worker(build->index);
}

void insert_one_by_one(BuildState* build) {
  store::MetaDisk meta;
  report(store::read_meta(build->pager, &meta));
  store::Inserter* const inserter = store::open_inserter(build->pager, meta, backend_number());
  LoadedRow loaded;
  for (build->feed->rewind(build->feed); build->feed->next(build->feed, &loaded);) {
    Row const& row = loaded.row;
    report(store::insert_row(build->pager, *inserter, loaded.tid, row.flags, row.hash, loaded.columns, row.vector,
                             loaded.copy));
  }
  maintain_after_insert(build->index, build->heap, false);
}

void write_rows(BulkInsert* bulk, WaitingRows* waiting) {
  if (waiting->feed.row_count == 0) return;
  bulk->is_writing = true;
  Relation const heap = table_open(waiting->heap, RowExclusiveLock);
  Relation const index = index_open(waiting->index, RowExclusiveLock);
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf import", ALLOCSET_DEFAULT_SIZES);
  MemoryContext const old = MemoryContextSwitchTo(context);
  BuildState build{};
  build.heap = heap;
  build.index = index;
  build.feed = &waiting->feed;
  build.row_shape = row_shape(index);
  build.pager = PgPager(index, heap, maintenance_access(index));
  build.shape = waiting->shape;
  build.memory_max_size = size_t(maintenance_work_mem) * 1024;
  if (waiting->feed.row_count >= uint64_t(index_options(index).min_seal_rows))
    write_as_segment(&build);
  else
    insert_one_by_one(&build);
  ExecClearTuple(waiting->out);
  tuplestore_clear(waiting->rows);
  waiting->feed.row_count = 0;
  MemoryContextSwitchTo(old);
  MemoryContextDelete(context);
  index_close(index, RowExclusiveLock);
  table_close(heap, NoLock);
  bulk->is_writing = false;
}

void write_all(BulkInsert* bulk, bool shows_progress) {
  if (bulk->is_writing)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("rows of the import could not be written to an index"),
                    errdetail("A trigger has caught the error that kept them from it.")));
  bulk->is_collecting = false;
  HASH_SEQ_STATUS each;
  hash_seq_init(&each, bulk->waiting);
  while (auto* const waiting = static_cast<WaitingRows*>(hash_seq_search(&each))) {
    if (shows_progress) begin_progress(waiting->index);
    write_rows(bulk, waiting);
    if (shows_progress) end_progress();
  }
}

void start_query(QueryDesc* query, int flags) {
  settle_bulk_insert();
  (previous_start ? previous_start : standard_ExecutorStart)(query, flags);
}

}  // namespace

BulkInsert* begin_bulk_insert(List* tables) {
  if (current) return nullptr;
  MemoryContext const context = AllocSetContextCreate(CurTransactionContext, "strata import", ALLOCSET_DEFAULT_SIZES);
  MemoryContext const old = MemoryContextSwitchTo(context);
  auto* const bulk = static_cast<BulkInsert*>(palloc0(sizeof(BulkInsert)));
  bulk->context = context;
  bulk->owner = CurrentResourceOwner;
  bulk->subtransaction = GetCurrentSubTransactionId();
  bulk->tables = list_copy(tables);
  HASHCTL control{};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(WaitingRows);
  control.hcxt = context;
  bulk->waiting = hash_create("strata import", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  bulk->row_type = CreateTemplateTupleDesc(1);
  TupleDescInitEntry(bulk->row_type, 1, "row", BYTEAOID, -1, 0);
  finish_tuple_descriptor(bulk->row_type);
  bulk->memory_kb = Max(work_mem / Max(list_length(tables), 1), store_memory_min_kb);
  bulk->is_collecting = true;
  bulk->callback.func = forget;
  bulk->callback.arg = bulk;
  MemoryContextRegisterResetCallback(context, &bulk->callback);
  MemoryContextSwitchTo(old);
  return current = bulk;
}

void end_bulk_insert(BulkInsert* bulk) {
  if (!bulk) return;
  write_all(bulk, true);
  HASH_SEQ_STATUS each;
  hash_seq_init(&each, bulk->waiting);
  while (auto* const waiting = static_cast<WaitingRows*>(hash_seq_search(&each))) tuplestore_end(waiting->rows);
  MemoryContextDelete(bulk->context);
}

bool bulk_insert(Relation index, Relation heap, store::IndexShape const& shape, LoadedRow const& row) {
  BulkInsert* const bulk = current;
  if (!bulk || !bulk->is_collecting || GetCurrentSubTransactionId() != bulk->subtransaction) return false;
  WaitingRows* const waiting = find_waiting(bulk, index, heap, shape);
  if (!waiting) return false;
  put_row(waiting, row);
  if (waiting->feed.row_count >= waiting->row_count_max) write_rows(bulk, waiting);
  return true;
}

void settle_bulk_insert() {
  if (current && (current->is_collecting || current->is_writing)) write_all(current, false);
}

void register_bulk_insert() {
  previous_start = ExecutorStart_hook;
  ExecutorStart_hook = start_query;
}

}  // namespace strata::pg
