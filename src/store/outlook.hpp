// What SQL shows of the life of an index, and the step behind build_incremental.
#pragma once
#include <algorithm>
#include <span>

#include "store/maintain.hpp"

namespace strata::store {

struct SegmentReason {
  ObjectId id;
  policy::MergeReason reason;
};

// Why each live segment is not being rewritten, or that it is next, in the order of their ids; `running` are the inputs
// of a rewrite under way, as far as they are known. `reasons` is in pager memory. No locks: the answer is as old as the
// manifest it was read from.
template <Pager P>
Status explain_segments(P& pager, Manifest const& manifest, MaintainOptions const& options,
                        std::span<uint32_t const> running, Array<SegmentReason>* reasons) {
  detail::IndexFacts facts{};
  if (Status status = detail::gather_facts(pager, manifest, &facts); !status.ok()) return status;
  uint32_t const count = facts.segments.count;
  for (policy::SegmentFacts& segment : facts.segments)
    if (std::find(running.begin(), running.end(), segment.id) != running.end())
      segment.state = policy::SegmentState::merging;
  uint32_t inputs[rewrite_inputs_max];
  auto* found = static_cast<policy::MergeReason*>(pager.allocate(count + 1));
  policy::plan_merge({facts.segments.items, count}, detail::merge_options(manifest, facts, options), inputs,
                     {found, count});
  for (uint32_t i = 0; i < count; i++) reasons->push(pager, {ObjectId(facts.segments[i].id), found[i]});
  pager.release(found);
  if (facts.segments.items) pager.release(facts.segments.items);
  return {};
}

// Whether there is work beside sealing, at any time and for an index at rest, and a number that changes whenever rows
// come to it. No locks.
struct RestOutlook {
  bool due_now;
  bool due;
  uint64_t rows_come;  // ever, growing ones included
};

namespace detail {

inline bool rewriting_is_due(Manifest const& manifest, IndexFacts const& facts, MaintainOptions const& options) {
  uint32_t inputs[rewrite_inputs_max];
  auto const plan = policy::plan_merge({facts.segments.items, facts.segments.count},
                                       merge_options(manifest, facts, options), inputs, {});
  bool const is_possible =
      policy::plan_training(facts.codebook.row_count, manifest.meta.padded_dim, options.memory_max_bytes).list_count >
      0;
  return (options.train && is_possible && epoch_decision(manifest, facts, options).due) ||
         (options.merge && plan.kind != policy::MergeKind::none);
}

}  // namespace detail

template <Pager P>
Status look_at_rest(P& pager, MaintainOptions options, RestOutlook* outlook) {
  *outlook = RestOutlook{};
  Manifest manifest{};
  detail::IndexFacts facts{};
  Status status = load_manifest(pager, &manifest);
  if (status.ok()) status = detail::gather_facts(pager, manifest, &facts);
  if (status.ok()) {
    outlook->due_now = detail::rewriting_is_due(manifest, facts, options);
    options.at_rest = true;
    facts.retired_bytes = 0;  // what old snapshots hold keeps merges waiting, but not for long
    outlook->due =
        detail::rests(manifest, options) && ((options.seal && detail::seal_is_due_at_rest(manifest, facts, options)) ||
                                             (options.train && detail::calibration_is_due(facts, options, true)) ||
                                             detail::rewriting_is_due(manifest, facts, options));
    outlook->rows_come = manifest.header.sealed_rows + facts.growing_rows;
  }
  if (facts.segments.items) pager.release(facts.segments.items);
  release_manifest(pager, &manifest);
  return status;
}

// One step of build_incremental: trains the first codebook when there are enough rows for one (Step::trained), or gives
// flat segments lists under the codebook in force (Step::indexed); Step::nothing when all segments have lists, of
// whatever epoch, or those without are together too few rows to be worth lists. Segments with lists stay untouched, and
// growing rows are the caller's to seal before. Requires LockName::merge and an index swept by drop_unfinished.
template <Pager P>
Status index_unindexed(P& pager, MaintainOptions const& options, MaintainResult* result) {
  *result = MaintainResult{};
  Manifest manifest{};
  detail::IndexFacts facts{};
  Status status = load_manifest(pager, &manifest);
  if (status.ok()) status = detail::gather_facts(pager, manifest, &facts);
  if (status.ok() && manifest.header.epoch == 0) {
    status = detail::train_if_due(pager, manifest, facts, options, result);
  } else if (status.ok()) {
    ObjectId ids[rewrite_inputs_max];
    uint32_t count = 0;
    uint64_t rows = 0, bytes = 0;
    for (auto const& segment : facts.segments) {
      if (segment.epoch || segment.tier != 0 || count == rewrite_inputs_max || bytes >= options.segment_bytes) continue;
      ids[count++] = ObjectId(segment.id);
      rows += segment.row_count - segment.deleted_count;
      bytes += segment.byte_count;
    }
    if (count && rows >= facts.codebook.list_count / 2 + 1) {  // as in rewrite()
      RewriteResult rewritten;
      pager.note_task(Task::carry, ids, count);
      status = rewrite(pager, ids, count, &rewritten);
      *result = {Step::indexed, rewritten.row_count, count, rewritten.output, {}};
    }
  }
  if (facts.segments.items) pager.release(facts.segments.items);
  release_manifest(pager, &manifest);
  return status;
}

}  // namespace strata::store
