// Sample and codebook of a CREATE INDEX or an import. Rows come from randomly chosen blocks of the table, or all rows
// that are fed are looked at.
#include "pg/postgres.hpp"

#include "core/base/random.hpp"
#include "core/policy/codebook_policy.hpp"
#include "pg/am/am_options.hpp"
#include "pg/am/build_state.hpp"

namespace strata::pg {
namespace {

constexpr BlockNumber look_block_count = 256;  // blocks that tell how many rows a block has, and give a frame
constexpr uint32_t frame_row_count = 1000;
constexpr size_t frame_rows_size = size_t(4) << 20;  // bytes at most
constexpr double block_surplus = 4;  // times as many rows are seen as are kept: rows of one block are often alike

struct Sampler {
  BuildState* build;
  quant::Frame frame;  // at first that of an index without rows: rotation only
  float* vector;       // float[dim]
  float* rows;         // rows of the frame, as floats; or:
  std::byte* codes;    // refine rows
  float* z;            // float[padded_dim]
  uint32_t count, wanted_count;
  uint64_t seen_count;
  uint64_t trainable_count;  // of these, rows that may train
  Random random{0};
};

// Whether the sample takes a row, and in which place.
bool finds_place(Sampler* sampler, Tid tid, uint64_t* place) {
  sampler->seen_count++;
  if (policy::is_held_out(tid)) return false;
  uint64_t const before = sampler->trainable_count++;
  // Reservoir sampling (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R).
  *place = sampler->count < sampler->wanted_count ? sampler->count : sampler->random.below(before + 1);
  return *place < sampler->wanted_count;
}

void take_row(Sampler* sampler, uint64_t place, float const* vector) {
  store::IndexShape const& shape = sampler->build->shape;
  float* const z = sampler->rows ? sampler->rows + size_t(place) * shape.padded_dim : sampler->z;
  quant::to_frame(sampler->frame, vector, z);
  if (!sampler->rows) quant::encode_refine(shape.padded_dim, z, sampler->codes + size_t(place) * shape.code_size);
  if (place == sampler->count) sampler->count++;
}

void sample_row(Relation, ItemPointer tid, Datum* values, bool* isnull, bool is_alive, void* state) {
  auto* const sampler = static_cast<Sampler*>(state);
  uint64_t place;
  if (!is_alive || isnull[0] || !finds_place(sampler, tid_of(tid), &place)) return;
  Row const row = make_row(sampler->build->row_shape, values[0], false, sampler->vector);
  if (row.vector) take_row(sampler, place, row.vector);
}

void sample_feed(Sampler* sampler, RowFeed* feed) {
  LoadedRow row;
  uint64_t place;
  for (feed->rewind(feed); feed->next(feed, &row);) {
    if (row.row.vector && finds_place(sampler, row.tid, &place)) take_row(sampler, place, row.row.vector);
    CHECK_FOR_INTERRUPTS();
  }
}

// Feeds `block_count` blocks of the table to sample_row(); returns how many there were. Of rows that are fed, all.
BlockNumber sample_blocks(Sampler* sampler, BlockNumber heap_block_count, BlockNumber block_count) {
  BuildState* const build = sampler->build;
  if (build->feed) {
    sample_feed(sampler, build->feed);
    return heap_block_count;
  }
  BlockSamplerData blocks;
  BlockSampler_Init(&blocks, heap_block_count, int(Min(block_count, BlockNumber(INT_MAX))), uint32(build->shape.seed));
  pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, 0);
  BlockNumber visited = 0;
  while (BlockSampler_HasMore(&blocks)) {
    table_index_build_range_scan(build->heap, build->index, build->info, false, true, false, BlockSampler_Next(&blocks),
                                 1, sample_row, sampler, nullptr);
    visited++;
    CHECK_FOR_INTERRUPTS();
  }
  return visited;
}

// A look at the rows: creates the frame and returns how many the index will get.
uint64_t look_at_rows(Sampler* sampler, store::Manifest const& manifest, BlockNumber heap_block_count) {
  BuildState* const build = sampler->build;
  PgPager& pager = build->pager;
  store::IndexShape const& shape = build->shape;
  report(store::load_frame(pager, shape, manifest, ObjectId::none, &sampler->frame));
  size_t const row_size = shape.padded_dim * sizeof(float);
  sampler->wanted_count = uint32_t(Min(frame_rows_size / row_size, size_t(frame_row_count)));
  sampler->rows = static_cast<float*>(pager.allocate(sampler->wanted_count * row_size));
  BlockNumber const looked_at = sample_blocks(sampler, heap_block_count, look_block_count);
  report(store::make_first_frame(pager, shape, sampler->rows, sampler->count));
  pager.release(sampler->rows);
  sampler->rows = nullptr;
  if (build->feed) return build->feed->row_count;
  return uint64_t(double(sampler->seen_count) / Max(looked_at, 1) * heap_block_count);
}

void train_codebook(Sampler* sampler, policy::TrainingPlan const& plan, store::Manifest const& manifest,
                    uint64_t row_estimate, BlockNumber heap_block_count) {
  BuildState* const build = sampler->build;
  PgPager& pager = build->pager;
  store::IndexShape const& shape = build->shape;
  report(store::load_frame(pager, shape, manifest, ObjectId(manifest.header.frame), &sampler->frame));
  sampler->wanted_count = uint32_t(plan.row_count);
  sampler->count = 0;
  sampler->seen_count = 0;
  sampler->trainable_count = 0;
  sampler->codes = static_cast<std::byte*>(pager.allocate(plan.row_count * shape.code_size));
  double const density = double(row_estimate) / heap_block_count;
  double const blocks_wanted = Max(block_surplus * double(plan.row_count) / Max(density, 0.01), look_block_count);
  sample_blocks(sampler, heap_block_count, BlockNumber(Min(blocks_wanted, double(heap_block_count))));
  if (sampler->count > 0) {
    enter_phase(build, BuildPhase::train);
    store::Sample const sample{sampler->codes, sampler->count};
    store::TrainPlan const training{plan.list_count, sample.count, build->memory_max_size,
                                    store::Spill(index_options(build->index).spill)};
    store::TrainResult result;
    report(store::train_from_sample(pager, shape, manifest, sample, training, row_estimate, &result));
  }
  pager.release(sampler->codes);
}

}  // namespace

void build_codebook(BuildState* build, bool trains) {
  enter_phase(build, BuildPhase::sample);
  PgPager& pager = build->pager;
  store::IndexShape const& shape = build->shape;
  BlockNumber const heap_block_count = RelationGetNumberOfBlocks(build->heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  Sampler sampler{};
  sampler.build = build;
  sampler.random = Random(shape.seed);
  sampler.vector = static_cast<float*>(pager.allocate(shape.dim * sizeof(float)));
  sampler.z = static_cast<float*>(pager.allocate(shape.padded_dim * sizeof(float)));
  build->row_estimate = look_at_rows(&sampler, manifest, heap_block_count);
  store::release_manifest(pager, &manifest);
  report(store::load_manifest(pager, &manifest));
  policy::TrainingPlan const plan =
      policy::plan_training(build->row_estimate, shape.padded_dim, build->memory_max_size);
  if (trains && plan.list_count > 0) train_codebook(&sampler, plan, manifest, build->row_estimate, heap_block_count);
  pager.release(sampler.z);
  pager.release(sampler.vector);
  store::release_manifest(pager, &manifest);
}

}  // namespace strata::pg
