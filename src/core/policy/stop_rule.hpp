// When has a search seen enough lists? A search names a recall; this decides, after each list, whether to go on.
//
// The rule is a logistic predictor of the recall reached so far, from nine features of the search: how many lists were
// seen (i), how long the k-th distance (tau) has not changed, how often it changed in the later half, and how the order
// keys of the first and the next list compare with tau and with each other. It is trained when an epoch is, on sampled
// rows taken as queries, against their true neighbours; then, for each recall target and each k of stop_k_values, the
// threshold is calibrated at which the mean recall reaches the target. Between targets and between values of k it
// interpolates. Relatives: LAET (Li et al., SIGMOD 2020), DARTH (Chatzakis et al., 2025).
//
// Lists are counted in parts: a list's rows may be spread over many segments, and lists of several epochs may be
// searched in one order. Each (segment, list) pair weighs the share of its segment in the rows searched, so that the
// weights of all pairs add up to about the number of lists, and a model holds however the rows are cut into segments.
//
// Distances and keys are squared, in one unit; keys are those by which lists are ordered (squared distance of the
// centroid plus mean squared residual), and come in ascending order.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/status.hpp"
#include "core/policy/stop_model.hpp"

namespace strata::policy {

// What a search has seen. Trivial, about 600 bytes; copy it as you like.
class StopTracker {
 public:
  // `first_key`: key of the nearest list.
  void start(float first_key);

  // After a pair was scanned: its weight, the k-th smallest distance so far (+inf while fewer than k rows are known),
  // and the key of the next pair (+inf when none is left). Returns whether a check point was reached: a decision is
  // worth its price after each of the first 16 lists, then after every sixteenth more. The same points are used in
  // training.
  bool advance(float weight, float tau, float next_key);

  // The search goes on for a larger k, whose k-th smallest distance is `tau`.
  void restart_k(float tau);

  // x1..x8 of the last advance; finite. Requires that tau was finite.
  void features(float* x) const;

  float progress() const { return progress_; }                  // lists seen, in parts
  float unchanged() const { return progress_ - last_change_; }  // of these, since tau changed
  bool full() const { return full_; }                           // tau is finite

 private:
  static constexpr uint32_t ring_size = 128;  // more changes than that in the later half count as that many
  float first_key_;
  float next_key_;
  float tau_;
  float progress_;
  float last_change_;
  float next_check_;
  bool full_;
  uint32_t ring_first_;
  uint32_t ring_count_;
  float ring_[ring_size];  // where tau changed, in the later half of the progress
};

// What thresholds are compared with, from the features of a tracker.
float stop_score(StopBucketDisk const& bucket, float const* x);

// How a search stops.
struct StopPlan {
  enum class Kind : uint8_t { model, probes, patience };
  Kind kind;
  StopBucketDisk const* low;  // model: buckets around k, borrowed
  StopBucketDisk const* high;
  float share;  // of `high`, 0..1
  float low_threshold;
  float high_threshold;
  float limit;  // probes: lists to see; patience: lists without a change of tau
};

// For recall_target (0..1, exclusive) and the k nearest rows. Without a model (null, or no bucket calibrated):
// patience.
StopPlan plan_stop(StopModelDisk const* model, double recall_target, uint32_t k);
// The same served by the model's fixed numbers of lists; without a model: patience.
StopPlan plan_stop_by_probes(StopModelDisk const* model, double recall_target, uint32_t k);
// A number of lists named by the user.
StopPlan plan_fixed_probes(float list_count);

// At a check point of the tracker (for probes: at any time): whether to stop. Never before k rows are known, but for
// probes.
bool should_stop(StopPlan const& plan, StopTracker const& tracker);

// What tau has to be multiplied with when the index holds `row_count` rows now: the k-th neighbour comes nearer as rows
// grow dense around it, tau ~ (k / rows)^exponent, and the model knows the density of its calibration only. Measured
// without: a quarter more rows cost 0.01 to 0.03 of a recall of 0.95. 1 without a model.
float tau_scale(StopModelDisk const* model, double row_count);

// Recall predicted at a check point, 0..1, for reports; negative when the plan has no model or k rows are not known.
double predicted_recall(StopPlan const& plan, StopTracker const& tracker);

// Lists that a search will see on average, for cost estimates: from the model, or list_count / 10 without one.
double expected_lists(StopModelDisk const* model, double recall_target, uint32_t k, uint32_t list_count);

}  // namespace strata::policy
