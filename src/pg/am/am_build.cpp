// ambuild and ambuildempty. An index on an empty table is three pages: TRUNCATE, and temporary tables at every commit,
// come here as well.
#include "pg/postgres.hpp"

#include "core/base/random.hpp"
#include "pg/am/am_callbacks.hpp"
#include "pg/am/am_options.hpp"
#include "pg/am/build_state.hpp"
#include "pg/tier/companion.hpp"
#include "pg/worker/progress.hpp"

namespace strata::pg {
namespace {

// The rotation depends on nothing but the dimensions: equal tables give equal indexes.
constexpr uint64_t seed_of(uint32_t dim) {
  return mix64(0x7374726174610000ULL + dim);
}

store::CopyPlan copies_for(Rerank rerank, RowShape const& shape) {
  if (rerank == Rerank::heap) return {};
  bool const is_rounded = rerank == Rerank::half && shape.column.element == Element::float32;
  return is_rounded ? store::rounded_copies : store::CopyPlan{uint8_t(element_size(shape)), format::CopyKind::whole};
}

store::MetaDisk create_empty(PgPager& pager, Relation index, RowShape const& shape) {
  auto const rerank = Rerank(index_options(index).rerank);
  store::MetaDisk const meta = meta_for(shape, seed_of(shape.dim), copies_for(rerank, shape));
  if (!store::fits_one_action(store::shape_of(meta)))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("rows of %u dimensions are too long for rerank = %s", shape.dim,
                           rerank == Rerank::half ? "half" : "full"),
                    rerank == Rerank::full && shape.column.element == Element::float32
                        ? errhint("Use rerank = half or leave it at its default, or index the vectors as halfvec.")
                        : errhint("Leave rerank at its default.")));
  report(store::create_index(pager, meta));
  return meta;
}

void build_filled(BuildState* build, IndexBuildResult* result) {
  PgPager& pager = build->pager;
  pager.lock(store::LockName::merge);
  build_codebook(build);
  BuiltRows const built = build_segments(build, UINT64_MAX, true);
  pager.unlock(store::LockName::merge);
  result->heap_tuples = built.heap_tuples;
  result->index_tuples = double(built.row_count);
}

// As strata.progress names it.
store::Phase shown_phase(BuildPhase phase) {
  switch (phase) {
    case BuildPhase::sample:
      return store::Phase::sample;
    case BuildPhase::train:
      return store::Phase::cluster;
    case BuildPhase::encode:
      return store::Phase::place;
    case BuildPhase::sort:
      return sort_phase;
    case BuildPhase::write:
      return store::Phase::write;
    case BuildPhase::calibrate:
      return store::Phase::query;
    case BuildPhase::done:
      break;
  }
  return store::Phase::none;
}

}  // namespace

void enter_phase(BuildState* build, BuildPhase phase, uint64_t row_count) {
  if (build->phase != BuildPhase::done)
    ereport(DEBUG1, (errmsg_internal("index \"%s\", %s: %s", RelationGetRelationName(build->index),
                                     am_build_phase_name(int64(build->phase)), pg_rusage_show(&build->phase_usage))));
  build->phase = phase;
  pg_rusage_init(&build->phase_usage);
  if (phase != BuildPhase::done) {
    // Counts of the phase before stay where nothing is counted, for pg_stat_progress_create_index.
    bool const counts_rows = phase == BuildPhase::encode || phase == BuildPhase::write;
    int const slots[] = {PROGRESS_CREATEIDX_SUBPHASE, PROGRESS_CREATEIDX_TUPLES_DONE, PROGRESS_CREATEIDX_TUPLES_TOTAL};
    int64 const values[] = {int64(phase), 0, int64(row_count)};
    pgstat_progress_update_multi_param(counts_rows ? lengthof(slots) : 1, slots, values);
  }
  note_build_phase(RelationGetRelid(build->index), shown_phase(phase));
}

IndexBuildResult* am_build(Relation heap, Relation index, IndexInfo* info) {
  if (RelationGetNumberOfBlocks(index) != 0)
    elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));
  empty_companion(RelationGetRelid(index));
  auto* result = static_cast<IndexBuildResult*>(palloc0(sizeof(IndexBuildResult)));
  MemoryContext const context = AllocSetContextCreate(CurrentMemoryContext, "ivf build", ALLOCSET_DEFAULT_SIZES);
  MemoryContext const old = MemoryContextSwitchTo(context);
  BuildState build{};
  build.heap = heap;
  build.index = index;
  build.info = info;
  build.row_shape = row_shape(index);
  build.pager = PgPager(index, heap);
  build.shape = store::shape_of(create_empty(build.pager, index, build.row_shape));
  build.memory_max_size = size_t(maintenance_work_mem) * 1024;
  if (RelationGetNumberOfBlocks(heap) > 0) build_filled(&build, result);
  MemoryContextSwitchTo(old);
  MemoryContextDelete(context);
  return result;
}

void am_build_empty(Relation index) {
  PgPager pager(index, nullptr, PageAccess::random, INIT_FORKNUM);
  create_empty(pager, index, row_shape(index));
}

char* am_build_phase_name(int64 phase) {
  switch (phase) {
    case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
      return pstrdup("initializing");
    case int64(BuildPhase::sample):
      return pstrdup("sampling table");
    case int64(BuildPhase::train):
      return pstrdup("training codebook");
    case int64(BuildPhase::encode):
      return pstrdup("scanning table and encoding rows");
    case int64(BuildPhase::sort):
      return pstrdup("sorting rows by list");
    case int64(BuildPhase::write):
      return pstrdup("writing segments");
    case int64(BuildPhase::calibrate):
      return pstrdup("calibrating recall");
    default:
      return nullptr;
  }
}

}  // namespace strata::pg
