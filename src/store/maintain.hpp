// What an index wants done, and one step of it at a time: seal, train, merge, compact, carry into a new codebook,
// reclaim. The worker, VACUUM and the SQL functions all come through here; policy decides (core/policy), this file
// executes.
#pragma once
#include "core/policy/codebook_policy.hpp"
#include "core/policy/merge_policy.hpp"
#include "store/calibrate.hpp"
#include "store/publish.hpp"
#include "store/reclaim.hpp"

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
  bool seal = true;                // allowed kinds of work
  bool train = true;
  bool merge = true;
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
  calibrated = 8
};

struct MaintainResult {
  Step step;
  uint64_t row_count;  // rows written or trained on
  uint32_t input_count;
  ObjectId output;
  policy::EpochReason epoch_reason;
};

namespace detail {

struct IndexFacts {
  uint64_t growing_rows, growing_bytes, sealed_rows, retired_bytes;
  int64_t oldest_growing;
  bool frozen;
  uint64_t calibrated_rows;        // rows in lists at the newest calibration of the epoch in force, 0: none
  uint64_t rows_since_calibrated;  // sealed since
  policy::CodebookFacts codebook;
  Array<policy::SegmentFacts> segments;
};

template <Pager P>
Status gather_facts(P& pager, Manifest const& manifest, IndexFacts* facts) {
  *facts = IndexFacts{};
  IndexShape shape = shape_of(manifest.meta);
  constexpr uint64_t page_bytes = format::page_content_size + 24;
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  double residual2_sum = 0;
  facts->oldest_growing = INT64_MAX;
  policy::CodebookFacts& codebook = facts->codebook;
  Status status;
  for (auto const& object : manifest.objects) {
    ObjectDisk const& disk = object.disk;
    uint64_t bytes = disk.page_count * page_bytes;
    if (disk.state == ObjectState::retired) facts->retired_bytes += bytes;
    bool readable = disk.state == ObjectState::live || disk.state == ObjectState::frozen;
    if (!readable) continue;
    if (disk.kind == ObjectKind::calibration && disk.epoch == manifest.header.epoch) {
      facts->calibrated_rows = disk.row_count;
      facts->rows_since_calibrated = manifest.header.sealed_rows - disk.hits;
    }
    if (disk.kind == ObjectKind::growing) {
      uint64_t rows = 0;
      if (status = count_growing_rows(pager, shape, object, &rows); !status.ok()) return status;
      facts->growing_rows += rows;
      facts->growing_bytes += bytes;
      facts->frozen = facts->frozen || disk.state == ObjectState::frozen;
      if (rows && disk.created_at < facts->oldest_growing) facts->oldest_growing = disk.created_at;
    } else if (disk.kind == ObjectKind::segment) {
      if (status = read_header(pager, object, header); !status.ok()) return status;
      facts->sealed_rows += disk.row_count;
      if (disk.epoch && disk.epoch == manifest.header.epoch) {
        codebook.new_row_count += header->ranked_count;
        residual2_sum += double(header->mean_residual2) * header->ranked_count;
      }
      facts->segments.push(pager, {disk.id, policy::SegmentState::sealed, disk.tier, disk.epoch, disk.row_count,
                                   header->deleted_count, bytes});
    } else if (disk.kind == ObjectKind::epoch && disk.id == manifest.header.epoch) {
      if (status = read_header(pager, object, header); !status.ok()) return status;
      codebook.list_count = disk.list_count;
      codebook.trained_row_count = disk.row_count;
      codebook.trained_mean_residual2 = header->mean_residual2;
    }
  }
  codebook.row_count = facts->growing_rows + facts->sealed_rows;
  codebook.new_mean_residual2 = codebook.new_row_count ? residual2_sum / double(codebook.new_row_count) : 0;
  pager.release(header);
  return {};
}

template <Pager P>
bool seal_is_due(P& pager, IndexFacts const& facts, MaintainOptions const& options) {
  if (facts.frozen) return true;
  if (facts.growing_rows == 0) return false;
  int64_t age = pager.now() - facts.oldest_growing;
  return (facts.growing_rows >= options.min_seal_rows && age >= options.min_seal_age_us) ||
         facts.growing_bytes >= options.insert_buffer_bytes || age >= options.max_growing_age_us;
}

template <Pager P>
Status train_if_due(P& pager, Manifest const& manifest, IndexFacts const& facts, MaintainOptions const& options,
                    MaintainResult* result) {
  policy::EpochDecision decision = policy::decide_epoch(facts.codebook);
  if (!decision.due && !options.force_train) return {};
  policy::TrainingPlan plan =
      policy::plan_training(facts.codebook.row_count, manifest.meta.padded_dim, options.memory_max_bytes);
  if (plan.list_count == 0) return {};
  TrainResult trained;
  Status status = train_epoch(pager, {plan.list_count, uint32_t(plan.row_count), options.memory_max_bytes},
                              facts.codebook.row_count, &trained);
  if (!status.ok() || trained.epoch == ObjectId::none) return status;
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
  if (status.ok()) status = detail::gather_facts(pager, manifest, &facts);
  if (status.ok())
    *outlook = {detail::seal_is_due(pager, facts, options), facts.growing_rows, facts.growing_bytes,
                facts.growing_rows ? facts.oldest_growing : 0};
  if (facts.segments.items) pager.release(facts.segments.items);
  release_manifest(pager, &manifest);
  return status;
}

namespace detail {

// Calibration is due for a codebook that most rows use and that has none, or one since which a third of its rows came
// new or half of them went. Growth alone would need it less often (policy::tau_scale), but new rows may be other rows.
template <Pager P>
Status calibrate_if_due(P& pager, IndexFacts const& facts, MaintainOptions const& options, MaintainResult* result) {
  uint64_t const rows = facts.sealed_rows, listed = facts.codebook.new_row_count, known = facts.calibrated_rows;
  if (listed * 2 < rows || listed < policy::flat_row_count_max ||
      (known && facts.rows_since_calibrated * 3 < known && listed * 3 < known * 4 && known < listed * 2))
    return {};
  CalibrateResult calibrated;
  Status const status = calibrate(pager, options.calibration_work_max, &calibrated);
  if (status.ok() && calibrated.calibration != ObjectId::none)
    *result = {Step::calibrated, calibrated.query_count, 0, calibrated.calibration, {}};
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
  if (status.ok() && options.seal && detail::seal_is_due(pager, facts, options)) {
    RewriteResult sealed;
    status = flush(pager, &sealed);
    *result = {Step::sealed, sealed.row_count, 1, sealed.output, {}};
  } else {
    if (status.ok() && options.train) status = detail::train_if_due(pager, manifest, facts, options, result);
    if (status.ok() && options.merge && result->step == Step::nothing)
      status = detail::merge_if_due(pager, manifest, facts, options, result);
    if (status.ok() && options.train && result->step == Step::nothing)
      status = detail::calibrate_if_due(pager, facts, options, result);
  }
  if (facts.segments.items) pager.release(facts.segments.items);
  release_manifest(pager, &manifest);
  return status;
}

}  // namespace strata::store
