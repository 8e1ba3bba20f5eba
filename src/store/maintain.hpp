// What an index wants done, and one step of it at a time: seal, train, merge, compact, carry into a new codebook,
// reclaim, shrink. The worker, VACUUM and the SQL functions all come through here; policy decides (core/policy), this
// file executes.
#pragma once
#include <algorithm>

#include "core/policy/codebook_policy.hpp"
#include "core/policy/merge_policy.hpp"
#include "store/calibrate.hpp"
#include "store/codebook_facts.hpp"
#include "store/publish.hpp"
#include "store/reclaim.hpp"
#include "store/shrink.hpp"

namespace strata::store {

struct MaintainOptions {
  uint64_t insert_buffer_bytes = uint64_t(128) << 20;
  uint64_t min_seal_rows = 1000;
  int64_t min_seal_age_us = 0;  // the growing part is not sealed for min_seal_rows alone before it is this old
  int64_t max_growing_age_us = int64_t(600) * 1000000;
  uint64_t segment_bytes = uint64_t(1) << 30;
  double compact_threshold = 0.1;
  size_t memory_max_bytes = size_t(256) << 20;                  // of one training or rewrite
  uint64_t calibration_work_max = uint64_t(300) * 1000 * 1000;  // codes scanned by one calibration
  double retired_share_max = 1.0;  // of the live bytes: with more waiting for old snapshots nothing is rewritten
  double free_share_max = 0.2;     // of the pages in use; with more pages free, and at least free_pages_min,
  uint32_t free_pages_min = 128;   // objects move from the end of the file into them
  Spill spill = Spill::automatic;  // of codebooks that are trained
  bool seal = true;                // allowed kinds of work
  bool train = true;
  bool merge = true;
  bool shrink = true;
  bool settle = false;       // merge what searches are better off without
  bool at_rest = false;      // no rows come: settle, and let codebook and calibration be those of a fresh index
  bool force_merge = false;  // merge everything that is not final
  bool force_train = false;  // train although no epoch is due
};

enum class Step : uint8_t {
  nothing = 0,
  reclaimed = 1,
  sealed = 2,
  trained = 3,
  merged = 4,
  compacted = 5,
  carried = 6,
  discarded = 7,
  calibrated = 8,
  indexed = 9,    // flat segments got lists
  moved = 10,     // an object, to the front of the file
  truncated = 11  // the file
};

struct MaintainResult {
  Step step;
  uint64_t row_count;  // rows written or trained on; pages, when they were reclaimed, moved or truncated
  uint32_t input_count;
  ObjectId output;
  policy::EpochReason epoch_reason;
};

namespace detail {

struct IndexFacts {
  uint64_t growing_rows, growing_bytes, sealed_rows, retired_bytes;
  uint64_t deleted_rows;    // of the sealed ones
  uint64_t listed_rows;     // with codes, in lists of the codebook in force
  uint64_t listed_deleted;  // of these
  double listed_residual2;  // their mean squared residual
  int64_t oldest_growing;
  bool frozen;
  uint32_t epoch;                  // the codebook in force
  uint64_t calibrated_rows;        // live rows in lists at the newest calibration of the epoch in force, 0: none
  uint64_t rows_since_calibrated;  // sealed since
  double calibrated_residual2;     // mean squared residual of the rows in lists then; 0: not known
  policy::CodebookFacts codebook;
  Array<policy::SegmentFacts> segments;
};

constexpr uint64_t page_bytes = format::page_content_size + 24;

// Only what sealing depends on: reads no segment.
template <Pager P>
Status gather_growing_facts(P& pager, Manifest const& manifest, IndexFacts* facts) {
  IndexShape const shape = shape_of(manifest.meta);
  facts->oldest_growing = INT64_MAX;
  for (auto const& object : manifest.objects) {
    ObjectDisk const& disk = object.disk;
    bool const readable = disk.state == ObjectState::live || disk.state == ObjectState::frozen;
    if (!readable || disk.kind != ObjectKind::growing) continue;
    uint64_t rows = 0;
    if (Status status = count_growing_rows(pager, shape, object, &rows); !status.ok()) return status;
    facts->growing_rows += rows;
    facts->growing_bytes += disk.page_count * page_bytes;
    facts->frozen = facts->frozen || disk.state == ObjectState::frozen;
    if (rows && disk.created_at < facts->oldest_growing) facts->oldest_growing = disk.created_at;
  }
  return {};
}

template <Pager P>
Status gather_facts(P& pager, Manifest const& manifest, IndexFacts* facts) {
  *facts = IndexFacts{};
  Status status = gather_growing_facts(pager, manifest, facts);
  if (!status.ok()) return status;
  facts->epoch = manifest.header.epoch;
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  for (auto const& object : manifest.objects) {
    ObjectDisk const& disk = object.disk;
    if (disk.state == ObjectState::retired) facts->retired_bytes += disk.page_count * page_bytes;
    if (disk.state != ObjectState::live) continue;
    if (disk.kind == ObjectKind::calibration && disk.epoch == manifest.header.epoch) {
      facts->calibrated_rows = disk.row_count;
      facts->rows_since_calibrated = manifest.header.sealed_rows - disk.hits;
      if (status = read_header(pager, object, header); !status.ok()) return status;
      facts->calibrated_residual2 = header->listed_residual2;
    }
    if (disk.kind != ObjectKind::segment) continue;
    if (status = read_header(pager, object, header); !status.ok()) return status;
    facts->sealed_rows += disk.row_count;
    facts->deleted_rows += header->deleted_count;
    if (disk.epoch && disk.epoch == manifest.header.epoch) {
      facts->listed_rows += header->ranked_count;
      facts->listed_deleted += std::min(header->deleted_count, header->ranked_count);
      facts->listed_residual2 += double(header->mean_residual2) * header->ranked_count;
    }
    facts->segments.push(pager, {disk.id, policy::SegmentState::sealed, disk.tier, disk.epoch, disk.row_count,
                                 header->deleted_count, disk.page_count * page_bytes});
  }
  pager.release(header);
  if (facts->listed_rows) facts->listed_residual2 /= double(facts->listed_rows);
  facts->codebook.row_count = facts->growing_rows + facts->sealed_rows - facts->deleted_rows;
  return gather_codebook_facts(pager, manifest, &facts->codebook);
}

template <Pager P>
bool seal_is_due(P& pager, IndexFacts const& facts, MaintainOptions const& options) {
  if (facts.frozen) return true;
  if (facts.growing_rows == 0) return false;
  int64_t age = pager.now() - facts.oldest_growing;
  return (facts.growing_rows >= options.min_seal_rows && age >= options.min_seal_age_us) ||
         facts.growing_bytes >= options.insert_buffer_bytes || age >= options.max_growing_age_us;
}

// An index at rest is written again for its searches alone. Not without end: where bursts of rows and rests take turns,
// that stops when all rewriting together comes to so many times the bytes that were written first.
constexpr uint64_t rewriting_at_rest_max = 6;

inline bool rests(Manifest const& manifest, MaintainOptions const& options) {
  return options.at_rest && manifest.header.merged_bytes / rewriting_at_rest_max <= manifest.header.sealed_bytes;
}

// A growing row costs a search what eight codes of a list cost. At rest that is no longer the price of rows that come:
// as soon as they are more than a quarter as many as the centroids a search ranks anyway, they are sealed; later where
// the user wants larger segments.
constexpr uint64_t growing_at_rest_min = 128, seal_at_rest_part = 8;

inline bool seal_is_due_at_rest(Manifest const& manifest, IndexFacts const& facts, MaintainOptions const& options) {
  uint64_t const lists = manifest.header.epoch ? facts.codebook.list_count : 0;
  uint64_t const wanted = std::max(growing_at_rest_min, options.min_seal_rows / seal_at_rest_part);
  return rests(manifest, options) && facts.growing_rows >= std::max(wanted, lists / 4);
}

inline policy::EpochDecision epoch_decision(Manifest const& manifest, IndexFacts const& facts,
                                            MaintainOptions const& options) {
  if (!rests(manifest, options)) return policy::decide_epoch(facts.codebook);
  policy::CodebookFacts codebook = facts.codebook;
  codebook.best_list_count =
      policy::plan_training(codebook.row_count, manifest.meta.padded_dim, options.memory_max_bytes).list_count;
  return policy::decide_epoch_at_rest(codebook);
}

template <Pager P>
Status train_if_due(P& pager, Manifest const& manifest, IndexFacts const& facts, MaintainOptions const& options,
                    MaintainResult* result) {
  policy::EpochDecision const decision = epoch_decision(manifest, facts, options);
  if (!decision.due && !options.force_train) return {};
  policy::TrainingPlan plan =
      policy::plan_training(facts.codebook.row_count, manifest.meta.padded_dim, options.memory_max_bytes);
  if (plan.list_count == 0) return {};
  TrainResult trained;
  TrainPlan const training{plan.list_count, uint32_t(plan.row_count), options.memory_max_bytes, options.spill};
  Status status = train_epoch(pager, training, facts.codebook.row_count, &trained);
  if (!status.ok() || trained.epoch == ObjectId::none) return status;
  // Rows from now on go into the new frame: their codes are finer there.
  if (trained.new_frame)
    if (status = freeze(pager); !status.ok()) return status;
  *result = {Step::trained, trained.sample_count, 0, trained.epoch, decision.reason};
  return {};
}

inline policy::MergeOptions merge_options(Manifest const& manifest, IndexFacts const& facts,
                                          MaintainOptions const& options) {
  policy::MergeOptions merge;
  merge.segment_bytes = options.segment_bytes;
  merge.input_count_max = rewrite_inputs_max;
  merge.compact_threshold = options.compact_threshold;
  merge.newest_epoch = manifest.header.epoch;
  merge.list_row_count_min = facts.codebook.list_count / 2 + 1;  // as in rewrite()
  merge.retired_bytes = facts.retired_bytes;
  merge.retired_share_max = options.retired_share_max;
  merge.force = options.force_merge;
  if (rests(manifest, options)) merge.settle_factor = 32;
  // Flat segments cost a search nothing extra.
  merge.settle = (options.settle || rests(manifest, options)) && manifest.header.epoch != 0;
  return merge;
}

template <Pager P>
Status merge_if_due(P& pager, Manifest const& manifest, IndexFacts const& facts, MaintainOptions const& options,
                    MaintainResult* result) {
  uint32_t inputs[rewrite_inputs_max];
  auto plan = policy::plan_merge({facts.segments.items, facts.segments.count}, merge_options(manifest, facts, options),
                                 inputs, {});
  if (plan.kind == policy::MergeKind::none) return {};
  ObjectId ids[rewrite_inputs_max];
  for (uint32_t i = 0; i < plan.input_count; i++) ids[i] = ObjectId(inputs[i]);
  constexpr Task tasks[] = {Task::none, Task::discard, Task::merge, Task::compact, Task::carry};
  pager.note_task(tasks[uint32_t(plan.kind)], ids, plan.input_count);
  RewriteResult rewritten;
  Status status = rewrite(pager, ids, plan.input_count, &rewritten);
  if (!status.ok()) return status;
  Step step = plan.kind == policy::MergeKind::merge     ? Step::merged
              : plan.kind == policy::MergeKind::compact ? Step::compacted
              : plan.kind == policy::MergeKind::carry   ? Step::carried
                                                        : Step::discarded;
  *result = {step, rewritten.row_count, plan.input_count, rewritten.output, {}};
  return {};
}

}  // namespace detail

// Whether sealing is due, and how large and how old the growing part is. No locks.
struct Outlook {
  bool seal_due;
  uint64_t growing_rows;
  uint64_t growing_bytes;
  int64_t growing_since;  // when its oldest object with rows came to be; 0 without rows
};

template <Pager P>
Status look_ahead(P& pager, MaintainOptions const& options, Outlook* outlook) {
  *outlook = Outlook{};
  Manifest manifest{};
  Status status = load_manifest(pager, &manifest);
  detail::IndexFacts facts{};
  if (status.ok()) status = detail::gather_growing_facts(pager, manifest, &facts);
  if (status.ok())
    *outlook = {detail::seal_is_due(pager, facts, options), facts.growing_rows, facts.growing_bytes,
                facts.growing_rows ? facts.oldest_growing : 0};
  release_manifest(pager, &manifest);
  return status;
}

namespace detail {

// Calibration waits until half of the rows use the codebook; at rest until all that used older ones do.
inline bool calibration_is_due(IndexFacts const& facts, MaintainOptions const& options, bool at_rest) {
  uint64_t const live = facts.listed_rows - facts.listed_deleted;
  if (live * 2 < facts.sealed_rows - facts.deleted_rows || facts.listed_rows < policy::flat_row_count_max) return false;
  if (facts.calibrated_rows && at_rest)
    for (auto const& segment : facts.segments)
      if (segment.epoch && segment.epoch != facts.epoch) return false;
  policy::CalibrationFacts calibration;
  calibration.row_count = live;
  calibration.calibrated_row_count = facts.calibrated_rows;
  calibration.new_row_count = facts.rows_since_calibrated;
  calibration.mean_residual2 = facts.listed_residual2;
  calibration.calibrated_mean_residual2 = facts.calibrated_residual2;
  calibration.code_count = calibration_code_count(facts.listed_rows, options.calibration_work_max);
  calibration.at_rest = at_rest;
  return policy::calibration_is_due(calibration);
}

template <Pager P>
Status calibrate_if_due(P& pager, Manifest const& manifest, IndexFacts const& facts, MaintainOptions const& options,
                        MaintainResult* result) {
  if (!calibration_is_due(facts, options, rests(manifest, options))) return {};
  CalibrateResult calibrated;
  Status const status = calibrate(pager, options.calibration_work_max, &calibrated);
  if (status.ok() && calibrated.calibration != ObjectId::none)
    *result = {Step::calibrated, calibrated.query_count, 0, calibrated.calibration, {}};
  return status;
}

}  // namespace detail

namespace detail {

template <Pager P>
Status shrink_if_due(P& pager, MaintainOptions const& options, MaintainResult* result) {
  uint32_t cut = 0;
  Status status = truncate(pager, &cut);
  if (cut) *result = {Step::truncated, cut, 0, ObjectId::none, {}};
  if (!status.ok() || cut || !options.merge) return status;
  MoveResult moved;
  status = move_last(pager, options.free_share_max, options.free_pages_min, &moved);
  if (status.ok() && moved.moved != ObjectId::none) *result = {Step::moved, moved.page_count, 1, moved.moved, {}};
  return status;
}

}  // namespace detail

// Does the most urgent thing that is due, or nothing. Requires LockName::merge and an index swept by drop_unfinished
// since the lock was taken. Call again until it reports Step::nothing; give way between calls.
template <Pager P>
Status maintain(P& pager, MaintainOptions const& options, MaintainResult* result) {
  *result = MaintainResult{};
  ReclaimResult reclaimed;
  Status status = reclaim(pager, &reclaimed);
  if (!status.ok()) return status;
  if (reclaimed.object_count) {
    *result = {Step::reclaimed, reclaimed.page_count, reclaimed.object_count, ObjectId::none, {}};
    return {};
  }
  Manifest manifest{};
  status = load_manifest(pager, &manifest);
  detail::IndexFacts facts{};
  if (status.ok()) status = detail::gather_facts(pager, manifest, &facts);
  if (status.ok() && options.seal &&
      (detail::seal_is_due(pager, facts, options) || detail::seal_is_due_at_rest(manifest, facts, options))) {
    RewriteResult sealed;
    status = flush(pager, &sealed);
    *result = {Step::sealed, sealed.row_count, 1, sealed.output, {}};
  } else {
    if (status.ok() && options.train) status = detail::train_if_due(pager, manifest, facts, options, result);
    // Before the last segments leave an older codebook, whose calibration goes with it.
    if (status.ok() && options.train && result->step == Step::nothing && facts.calibrated_rows == 0)
      status = detail::calibrate_if_due(pager, manifest, facts, options, result);
    if (status.ok() && options.merge && result->step == Step::nothing)
      status = detail::merge_if_due(pager, manifest, facts, options, result);
    if (status.ok() && options.train && result->step == Step::nothing)
      status = detail::calibrate_if_due(pager, manifest, facts, options, result);
    if (status.ok() && options.shrink && result->step == Step::nothing)
      status = detail::shrink_if_due(pager, options, result);
  }
  if (facts.segments.items) pager.release(facts.segments.items);
  release_manifest(pager, &manifest);
  return status;
}

}  // namespace strata::store
