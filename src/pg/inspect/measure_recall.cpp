// strata.measure_recall(index, sample, k): searches through the index beside the truth from the table. Rows of the
// table ask, and recent queries where strata.sample_queries kept some. All is seen by one snapshot: the sample, the
// searches, which are scans of the index like any other, and one pass over the table that finds the true neighbours of
// all questions at once.
#include "pg/postgres.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/random.hpp"
#include "pg/am/row.hpp"
#include "pg/am/scan_limit.hpp"
#include "pg/am/scan_report.hpp"
#include "pg/am/scan_state.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/inspect/query_sample.hpp"
#include "pg/settings.hpp"

namespace strata::pg {
namespace {

constexpr int32 sample_max = 10000;
constexpr int32 k_max = 10000;
constexpr int64 neighbours_max = 20 * 1000 * 1000;  // sample * k: 320 MB

struct Question {
  struct varlena* value;  // detoasted vector or halfvec
  uint64_t self;          // Tid::key of the row that asks; none_key for others
  double* nearest;        // max-heap of the k smallest distances
  double* answers;        // distances of the rows that the index gave
  uint32_t nearest_count, answer_count;
};
constexpr uint64_t none_key = UINT64_MAX;

struct Measurement {
  OpenIndex open;
  Snapshot snapshot;
  RowShape shape;
  IndexInfo* info;
  uint32_t k;
  Question* questions;
  uint32_t row_question_count, question_count;  // those of rows come first
  uint32_t wanted_count;                        // rows to sample
  uint64_t seen_count;
  Random random{0};
  float* scratch;         // float[dim]
  MemoryContext context;  // of the whole measurement
  uint64_t rows_read[2];  // by the searches of rows, of queries
};

VectorRef question_of(Measurement const& work, Question const& question) {
  return vector_ref(PointerGetDatum(question.value), work.shape.column.element);
}

// Reservoir sampling (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R) of rows that have a direction.
void sample_row(Relation, ItemPointer tid, Datum* values, bool* isnull, bool, void* state) {
  auto* const work = static_cast<Measurement*>(state);
  if (isnull[0]) return;
  uint64_t place = work->row_question_count;
  if (place == work->wanted_count) {
    place = work->random.below(++work->seen_count);
    if (place >= work->wanted_count) return;
  } else {
    work->seen_count++;
  }
  if (!make_row(work->shape, values[0], false, work->scratch).vector) return;
  MemoryContext const old = MemoryContextSwitchTo(work->context);
  auto* const copy = reinterpret_cast<struct varlena*>(PG_DETOAST_DATUM_COPY(values[0]));
  MemoryContextSwitchTo(old);
  Question& question = work->questions[place];
  if (question.value) pfree(question.value);
  question.value = copy;
  question.self = tid_of(tid).key;
  if (place == work->row_question_count) work->row_question_count++;
}

void compare_row(Relation, ItemPointer tid, Datum* values, bool* isnull, bool, void* state) {
  auto* const work = static_cast<Measurement*>(state);
  if (isnull[0]) return;
  uint64_t const key = tid_of(tid).key;
  VectorRef const row = vector_ref(values[0], work->shape.column.element);
  for (uint32_t i = 0; i < work->question_count; i++) {
    Question& question = work->questions[i];
    if (question.self == key) continue;
    double const distance = ordering_distance(work->shape.column.metric, row, question_of(*work, question));
    if (std::isnan(distance)) continue;
    double* const heap = question.nearest;
    if (question.nearest_count < work->k) {
      heap[question.nearest_count++] = distance;
      std::push_heap(heap, heap + question.nearest_count);
    } else if (distance < heap[0]) {
      std::pop_heap(heap, heap + work->k);
      heap[work->k - 1] = distance;
      std::push_heap(heap, heap + work->k);
    }
  }
  CHECK_FOR_INTERRUPTS();
}

// Every row that the snapshot sees and the index covers, under the TID that the index knows it by.
void scan_table(Measurement* work, IndexBuildCallback callback) {
  work->info = BuildIndexInfo(work->open.index);
  work->info->ii_Concurrent = true;  // rows of the snapshot, not all that might be recent
  work->info->ii_Unique = false;
  TableScanDesc const scan = table_beginscan_strat(work->open.heap, work->snapshot, 0, nullptr, true, false);
  table_index_build_scan(work->open.heap, work->open.index, work->info, false, false, callback, work, scan);
}

// The executor's order key for the indexed column.
void make_order(Relation index, ScanKey key, Datum value) {
  Oid const family = index->rd_opfamily[0], type = index->rd_opcintype[0];
  Oid const ordering = get_opfamily_member(family, type, type, distance_strategy);
  if (!OidIsValid(ordering)) elog(ERROR, "ivf operator family %u has no ordering operator", family);
  ScanKeyEntryInitialize(key, SK_ORDER_BY, 1, distance_strategy, type, index->rd_indcollation[0], get_opcode(ordering),
                         value);
}

struct Searcher {
  IndexScanDesc scan;
  TupleTableSlot* slot;
  EState* executor;  // for indexed expressions
};

// Takes up to k rows besides the one that asks.
void ask(Measurement* work, Searcher const& searcher, Question* question, uint64_t* rows_read) {
  ScanKeyData order;
  make_order(work->open.index, &order, PointerGetDatum(question->value));
  bool const is_row = question->self != none_key;
  promise_rows(work->k + (is_row ? 1 : 0));
  index_rescan(searcher.scan, nullptr, 0, &order, 1);
  promise_rows(0);
  while (question->answer_count < work->k) {
    ItemPointer const tid = index_getnext_tid(searcher.scan, ForwardScanDirection);
    if (!tid) break;
    uint64_t const key = tid_of(tid).key;
    if (!index_fetch_heap(searcher.scan, searcher.slot) || key == question->self) continue;
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    FormIndexDatum(work->info, searcher.slot, searcher.executor, values, nulls);
    if (nulls[0]) break;  // rows without a distance come last
    double const distance = ordering_distance(
        work->shape.column.metric, vector_ref(values[0], work->shape.column.element), question_of(*work, *question));
    if (std::isnan(distance)) break;
    question->answers[question->answer_count++] = distance;
    ResetPerTupleExprContext(searcher.executor);
    CHECK_FOR_INTERRUPTS();
  }
  store::SearchCounters const& counters = static_cast<ScanState*>(searcher.scan->opaque)->search->counters;
  *rows_read += counters.code_count + counters.growing_count;
}

void ask_all(Measurement* work) {
  Searcher searcher{};
  ScanReport const before = last_scan;  // of the session's own scans
  work->info = BuildIndexInfo(work->open.index);
  searcher.scan = begin_index_scan(work->open.heap, work->open.index, work->snapshot, 0, 1);
  searcher.slot = table_slot_create(work->open.heap, nullptr);
  searcher.executor = CreateExecutorState();
  GetPerTupleExprContext(searcher.executor)->ecxt_scantuple = searcher.slot;
  for (uint32_t i = 0; i < work->question_count; i++)
    ask(work, searcher, &work->questions[i], &work->rows_read[i < work->row_question_count ? 0 : 1]);
  ExecDropSingleTupleTableSlot(searcher.slot);
  FreeExecutorState(searcher.executor);
  index_endscan(searcher.scan);
  last_scan = before;
}

// Recent queries follow the questions of rows.
void add_sampled_queries(Measurement* work) {
  struct varlena** values = static_cast<struct varlena**>(palloc0(work->wanted_count * sizeof(struct varlena*)));
  size_t const header_size = offsetof(struct varlena, vl_dat) + 2 * sizeof(int16);
  size_t const element_size = work->shape.column.element == Element::float16 ? sizeof(uint16) : sizeof(float);
  uint32_t const count = read_sampled_queries(RelationGetRelid(work->open.index),
                                              header_size + work->shape.dim * element_size, values, work->wanted_count);
  work->question_count = work->row_question_count;
  for (uint32_t i = 0; i < count; i++) {
    if (vector_ref(PointerGetDatum(values[i]), work->shape.column.element).dim != work->shape.dim) continue;
    if (!make_row(work->shape, PointerGetDatum(values[i]), false, work->scratch).vector) continue;
    Question& question = work->questions[work->question_count++];
    question.value = values[i];
    question.self = none_key;
  }
}

// With ties, any of the equally distant rows will do.
double recall_of(Question const& question) {
  if (question.nearest_count == 0) return 1;
  double const limit = question.nearest[0];
  uint32_t hits = 0;
  for (uint32_t i = 0; i < question.answer_count; i++) hits += question.answers[i] <= limit;
  return double(Min(hits, question.nearest_count)) / question.nearest_count;
}

void put_result(FunctionCallInfo fcinfo, Measurement const& work, char const* source, uint32_t first, uint32_t end,
                uint64_t rows_read) {
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  uint32_t const count = end - first;
  auto* recalls = static_cast<double*>(palloc((count + 1) * sizeof(double)));
  double sum = 0, worst = 0;
  for (uint32_t i = 0; i < count; i++) sum += recalls[i] = recall_of(work.questions[first + i]);
  std::sort(recalls, recalls + count);
  uint32_t const tenth = (count + 9) / 10;
  for (uint32_t i = 0; i < tenth; i++) worst += recalls[i] / tenth;
  bool const by_target = settings.probes == 0;
  Datum values[] = {CStringGetTextDatum(source),
                    Int32GetDatum(int32(work.k)),
                    Float8GetDatum(settings.recall_target),
                    Float8GetDatum(count ? sum / count : 0),
                    Float8GetDatum(worst),
                    Int32GetDatum(int32(count)),
                    Float8GetDatum(count ? double(rows_read) / count : 0)};
  bool nulls[] = {false, false, !by_target, count == 0, count == 0, false, count == 0};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void measure(FunctionCallInfo fcinfo, OpenIndex const& open, uint32_t sample, uint32_t k, bool with_queries) {
  Measurement work{};
  work.open = open;
  work.k = k;
  work.wanted_count = sample;
  work.context = CurrentMemoryContext;
  work.shape = row_shape(open.index);
  work.random = Random(uint64_t(GetCurrentTimestamp()));
  work.scratch = static_cast<float*>(palloc(work.shape.dim * sizeof(float)));
  work.questions = static_cast<Question*>(palloc0(size_t(sample) * 2 * sizeof(Question)));
  work.snapshot = RegisterSnapshot(GetActiveSnapshot());
  scan_table(&work, sample_row);
  work.question_count = work.row_question_count;
  if (with_queries) add_sampled_queries(&work);
  for (uint32_t i = 0; i < work.question_count; i++) {
    work.questions[i].nearest = static_cast<double*>(MemoryContextAllocHuge(work.context, k * sizeof(double)));
    work.questions[i].answers = static_cast<double*>(MemoryContextAllocHuge(work.context, k * sizeof(double)));
  }
  ask_all(&work);
  scan_table(&work, compare_row);
  UnregisterSnapshot(work.snapshot);
  put_result(fcinfo, work, "rows", 0, work.row_question_count, work.rows_read[0]);
  if (work.question_count > work.row_question_count)
    put_result(fcinfo, work, "queries", work.row_question_count, work.question_count, work.rows_read[1]);
}

void check_arguments(int32 sample, int32 k) {
  if (sample < 1 || sample > sample_max)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sample must be between 1 and %d", sample_max)));
  if (k < 1 || k > k_max)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("k must be between 1 and %d", k_max)));
  if (int64(sample) * k > neighbours_max)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("sample times k must not exceed " INT64_FORMAT, neighbours_max),
                    errhint("Ask for fewer rows, or with a smaller sample.")));
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(measure_recall) {
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  int32 const sample = PG_GETARG_INT32(1), k = PG_GETARG_INT32(2);
  check_arguments(sample, k);
  require_select(index_oid);
  InitMaterializedSRF(fcinfo, 0);
  OpenIndex const open = open_ivf_index(index_oid, AccessShareLock);
  Oid const heap_oid = RelationGetRelid(open.heap);
  if (check_enable_rls(heap_oid, InvalidOid, true) == RLS_ENABLED)
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("cannot measure recall of table \"%s\" under row-level security",
                           RelationGetRelationName(open.heap)),
                    errhint("Call it as the owner of the table, or as a role that bypasses row-level security.")));
  bool const with_queries = is_owner(heap_oid, GetUserId());
  // Functions of indexed expressions run as the owner of the table, as they do in a REINDEX.
  Oid user;
  int context;
  GetUserIdAndSecContext(&user, &context);
  SetUserIdAndSecContext(open.heap->rd_rel->relowner, context | SECURITY_RESTRICTED_OPERATION);
  int const settings_level = NewGUCNestLevel();
  // The searches of the measurement are nobody's queries.
  set_config_option("strata.sample_queries", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  measure(fcinfo, open, uint32_t(sample), uint32_t(k), with_queries);
  AtEOXact_GUC(false, settings_level);
  SetUserIdAndSecContext(user, context);
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}
