// Sample and codebook of a CREATE INDEX. Rows come from randomly chosen blocks of the table.
#include "pg/postgres.hpp"

#include "core/base/random.hpp"
#include "core/policy/codebook_policy.hpp"
#include "pg/am/build_state.hpp"

namespace strata::pg {
namespace {

constexpr BlockNumber density_block_count = 64;  // blocks that tell how many rows a block has
constexpr uint32_t frame_row_count = 1000;       // rows that give a frame when there is no codebook
constexpr double block_surplus = 4;  // times as many rows are seen as are kept: rows of one block are often alike

struct Sampler {
  BuildState* build;
  quant::Frame frame;  // of an index without rows: rotation only
  float* vector;       // float[dim]
  store::Sample sample;
  uint32_t wanted_count;  // 0: rows are counted only
  uint64_t seen_count;
  uint64_t trainable_count;  // of these, rows that may train
  Random random{0};
};

void sample_row(Relation, ItemPointer tid, Datum* values, bool* isnull, bool is_alive, void* state) {
  auto* const sampler = static_cast<Sampler*>(state);
  if (!is_alive || isnull[0]) return;
  sampler->seen_count++;
  if (sampler->wanted_count == 0 || policy::is_held_out(tid_of(tid))) return;
  uint64_t const before = sampler->trainable_count++;
  // Reservoir sampling (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R).
  uint64_t place = sampler->sample.count;
  if (place == sampler->wanted_count) {
    place = sampler->random.below(before + 1);
    if (place >= sampler->wanted_count) return;
  }
  Row const row = make_row(sampler->build->row_shape, values[0], false, sampler->vector);
  if (!row.vector) return;
  uint32_t const padded = sampler->build->shape.padded_dim;
  quant::to_frame(sampler->frame, row.vector, sampler->sample.rows + size_t(place) * padded);
  if (place == sampler->sample.count) sampler->sample.count++;
}

// Feeds `block_count` blocks of the table to sample_row(); returns how many there were.
BlockNumber sample_blocks(Sampler* sampler, BlockNumber heap_block_count, BlockNumber block_count) {
  BuildState* const build = sampler->build;
  BlockSamplerData blocks;
  BlockSampler_Init(&blocks, heap_block_count, int(Min(block_count, BlockNumber(INT_MAX))), uint32(build->shape.seed));
  BlockNumber visited = 0;
  while (BlockSampler_HasMore(&blocks)) {
    table_index_build_range_scan(build->heap, build->index, build->info, false, true, false, BlockSampler_Next(&blocks),
                                 1, sample_row, sampler, nullptr);
    visited++;
    CHECK_FOR_INTERRUPTS();
  }
  return visited;
}

}  // namespace

void build_codebook(BuildState* build) {
  report_phase(BuildPhase::sample);
  PgPager& pager = build->pager;
  store::IndexShape const& shape = build->shape;
  BlockNumber const heap_block_count = RelationGetNumberOfBlocks(build->heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));

  Sampler sampler{};
  sampler.build = build;
  sampler.random = Random(shape.seed);
  sampler.vector = static_cast<float*>(pager.allocate(shape.dim * sizeof(float)));
  report(store::load_frame(pager, shape, manifest, ObjectId::none, &sampler.frame));
  BlockNumber const looked_at = sample_blocks(&sampler, heap_block_count, density_block_count);
  double const density = double(sampler.seen_count) / Max(looked_at, 1);
  uint64_t const row_estimate = uint64_t(density * heap_block_count);

  policy::TrainingPlan const plan = policy::plan_training(row_estimate, shape.padded_dim, build->memory_max_size);
  sampler.wanted_count = plan.list_count > 0 ? uint32_t(plan.row_count) : frame_row_count;
  sampler.seen_count = 0;
  sampler.sample.rows =
      static_cast<float*>(pager.allocate(size_t(sampler.wanted_count) * shape.padded_dim * sizeof(float)));
  double const blocks_wanted = Max(block_surplus * sampler.wanted_count / Max(density, 0.01), density_block_count);
  sample_blocks(&sampler, heap_block_count, BlockNumber(Min(blocks_wanted, double(heap_block_count))));

  if (plan.list_count > 0 && sampler.sample.count > 0) {
    report_phase(BuildPhase::train);
    store::TrainPlan const training{plan.list_count, sampler.sample.count, build->memory_max_size};
    store::TrainResult result;
    report(store::train_from_sample(pager, shape, manifest, sampler.sample, training, row_estimate, &result));
  } else {
    report(store::make_first_frame(pager, shape, sampler.sample));
  }
  pager.release(sampler.sample.rows);
  pager.release(sampler.vector);
  store::release_manifest(pager, &manifest);
}

}  // namespace strata::pg
