#include "core/policy/stop_rule.hpp"

#include <cmath>
#include <limits>

#include "core/base/core_only.hpp"

namespace strata::policy {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float dense_checks = 16.0f;  // lists after each of which a decision is made
constexpr float rounding = 1e-3f;      // weights like 1/3 must add up to a list

// sqrt(a / b) within [0, 10]: keys and distances may be zero, and the last next_key is infinite.
float root_ratio(float a, float b) {
  if (!(a > 0.0f)) return 0.0f;
  if (!(b > 0.0f) || a > 100.0f * b) return 10.0f;
  return std::sqrt(a / b);
}

double logit(double p) {
  return std::log(p / (1.0 - p));
}

double clamp_target(double target) {
  return target < 0.01 ? 0.01 : target > 0.99999 ? 0.99999 : target;
}

// Linear in the logit of the target, with the end pieces prolonged.
float at_target(float const* values, double recall_target) {
  double target = clamp_target(recall_target);
  uint32_t i = 1;
  while (i + 1 < stop_target_count && target > stop_targets[i]) ++i;
  double low = logit(stop_targets[i - 1]), high = logit(stop_targets[i]);
  double share = (logit(target) - low) / (high - low);
  return static_cast<float>(values[i - 1] + share * (static_cast<double>(values[i]) - values[i - 1]));
}

struct Around {
  StopBucketDisk const* low;
  StopBucketDisk const* high;
  float share;
};

// The calibrated buckets next to k, and where k lies between them on a logarithmic scale.
Around buckets_around(StopModelDisk const& model, uint32_t k) {
  Around around = {nullptr, nullptr, 0.0f};
  uint32_t low_k = 0, high_k = 0;
  for (uint32_t b = 0; b < stop_bucket_count; ++b) {
    if (model.buckets[b].query_count == 0) continue;
    if (around.low == nullptr || model.k_values[b] <= k) {
      around.low = &model.buckets[b];
      low_k = model.k_values[b];
    }
    if (around.high == nullptr || high_k < k) {
      around.high = &model.buckets[b];
      high_k = model.k_values[b];
    }
  }
  if (around.low != around.high && k > low_k && k < high_k) {
    around.share = std::log(static_cast<float>(k) / low_k) / std::log(static_cast<float>(high_k) / low_k);
  } else if (k >= high_k) {
    around.low = around.high;
  } else {
    around.high = around.low;
  }
  return around;
}

float mix(float low, float high, float share) {
  return low + share * (high - low);
}

// Lists without a change of tau after which to stop when nothing was calibrated: 3, 12, 150 for 0.9, 0.95, 0.99 on text
// and image embeddings; the others follow their curve.
constexpr float patience_table[stop_target_count] = {1, 2, 3, 12, 60, 150, 400, 2000};

StopPlan patience_plan(double recall_target) {
  StopPlan plan = {};
  plan.kind = StopPlan::Kind::patience;
  plan.limit = std::fmax(1.0f, at_target(patience_table, recall_target));
  return plan;
}

}  // namespace

float stop_score(StopBucketDisk const& bucket, float const* x) {
  float sum = bucket.weights[stop_feature_count];
  for (uint32_t i = 0; i < stop_feature_count; ++i) {
    sum += bucket.weights[i] * ((x[i] - bucket.means[i]) * bucket.scales[i]);
  }
  return sum;
}

void StopTracker::start(float first_key) {
  first_key_ = first_key;
  next_key_ = first_key;
  tau_ = infinity;
  progress_ = 0.0f;
  last_change_ = 0.0f;
  next_check_ = 1.0f - rounding;
  full_ = false;
  ring_first_ = 0;
  ring_count_ = 0;
}

bool StopTracker::advance(float weight, float tau, float next_key) {
  progress_ += weight;
  next_key_ = next_key;
  if (tau < tau_) {
    tau_ = tau;
    full_ = true;
    last_change_ = progress_;
    if (ring_count_ == ring_size) {
      ring_first_ = (ring_first_ + 1) % ring_size;
      --ring_count_;
    }
    ring_[(ring_first_ + ring_count_++) % ring_size] = progress_;
  }
  while (ring_count_ > 0 && ring_[ring_first_] < 0.5f * progress_) {
    ring_first_ = (ring_first_ + 1) % ring_size;
    --ring_count_;
  }
  if (progress_ < next_check_) return false;
  next_check_ = progress_ + std::fmax(1.0f, progress_ / dense_checks) - rounding;
  return true;
}

void StopTracker::restart_k(float tau) {
  tau_ = tau;
  full_ = tau < infinity;
  last_change_ = progress_;
}

void StopTracker::features(float* x) const {
  float i = std::fmax(progress_, 1.0f);
  float unchanged = std::fmax(progress_ - last_change_, 0.0f);
  x[0] = std::log(i);
  x[1] = std::log(1.0f + unchanged);
  x[2] = root_ratio(next_key_, tau_);
  x[3] = root_ratio(first_key_, tau_);
  x[4] = root_ratio(next_key_, first_key_);
  x[5] = std::log(1.0f + static_cast<float>(ring_count_));
  x[6] = std::log(std::fmax(unchanged, 1.0f)) / std::log(1.0f + i);
  x[7] = x[0] * x[2];
}

StopPlan plan_stop(StopModelDisk const* model, double recall_target, uint32_t k) {
  if (model == nullptr) return patience_plan(recall_target);
  Around around = buckets_around(*model, k);
  if (around.low == nullptr) return patience_plan(recall_target);
  StopPlan plan = {};
  plan.kind = StopPlan::Kind::model;
  plan.low = around.low;
  plan.high = around.high;
  plan.share = around.share;
  plan.low_threshold = at_target(around.low->thresholds, recall_target);
  plan.high_threshold = at_target(around.high->thresholds, recall_target);
  return plan;
}

StopPlan plan_stop_by_probes(StopModelDisk const* model, double recall_target, uint32_t k) {
  if (model == nullptr) return patience_plan(recall_target);
  Around around = buckets_around(*model, k);
  if (around.low == nullptr) return patience_plan(recall_target);
  return plan_fixed_probes(
      mix(at_target(around.low->probes, recall_target), at_target(around.high->probes, recall_target), around.share));
}

StopPlan plan_fixed_probes(float list_count) {
  StopPlan plan = {};
  plan.kind = StopPlan::Kind::probes;
  plan.limit = std::fmax(1.0f, list_count);
  return plan;
}

bool should_stop(StopPlan const& plan, StopTracker const& tracker) {
  if (plan.kind == StopPlan::Kind::probes) return tracker.progress() >= plan.limit - rounding;
  if (!tracker.full()) return false;
  if (plan.kind == StopPlan::Kind::patience) return tracker.unchanged() >= plan.limit - rounding;
  float x[stop_feature_count];
  tracker.features(x);
  float low = stop_score(*plan.low, x) - plan.low_threshold;
  if (plan.share == 0.0f) return low >= 0.0f;
  return mix(low, stop_score(*plan.high, x) - plan.high_threshold, plan.share) >= 0.0f;
}

float tau_scale(StopModelDisk const* model, double row_count) {
  if (model == nullptr || !(model->row_count > 0.0f) || !(row_count > 0.0)) return 1.0f;
  constexpr double factor_max = 16.0;  // beyond that the exponent is no longer that of the calibration
  double grown = std::fmin(std::fmax(row_count / double{model->row_count}, 1.0 / factor_max), factor_max);
  return static_cast<float>(std::pow(grown, double{model->density_exponent}));
}

double predicted_recall(StopPlan const& plan, StopTracker const& tracker) {
  if (plan.kind != StopPlan::Kind::model || !tracker.full()) return -1.0;
  float x[stop_feature_count];
  tracker.features(x);
  double sum = mix(stop_score(*plan.low, x), stop_score(*plan.high, x), plan.share);
  return 1.0 / (1.0 + std::exp(-sum));
}

double expected_lists(StopModelDisk const* model, double recall_target, uint32_t k, uint32_t list_count) {
  double lists = list_count / 10.0;
  if (model != nullptr) {
    Around around = buckets_around(*model, k);
    if (around.low != nullptr) {
      lists = mix(at_target(around.low->stop_lists, recall_target), at_target(around.high->stop_lists, recall_target),
                  around.share);
    }
  }
  return lists < 1.0 ? 1.0 : lists > list_count ? list_count : lists;
}

Status check_stop_model(StopModelDisk const& model) {
  if (model.magic != stop_model_magic || model.format_version != stop_model_format_version ||
      model.model_size != sizeof(StopModelDisk) || model.bucket_count != stop_bucket_count) {
    return corrupt("stop model has a foreign format");
  }
  if (!(model.density_exponent >= 0.0f && model.density_exponent <= density_exponent_max) ||
      !std::isfinite(model.row_count) || model.row_count < 0.0f) {
    return corrupt("stop model holds impossible numbers");
  }
  for (uint32_t b = 0; b < stop_bucket_count; ++b) {
    if (model.k_values[b] != stop_k_values[b]) return corrupt("stop model has a foreign format");
    StopBucketDisk const& bucket = model.buckets[b];
    if (bucket.query_count == 0) continue;
    bool sane = true;
    for (float v : bucket.means) sane &= std::isfinite(v);
    for (float v : bucket.scales) sane &= std::isfinite(v) && v > 0.0f;
    for (float v : bucket.weights) sane &= std::isfinite(v);
    for (float v : bucket.thresholds) sane &= std::isfinite(v);
    for (float v : bucket.probes) sane &= std::isfinite(v) && v >= 0.0f;
    for (float v : bucket.stop_lists) sane &= std::isfinite(v) && v >= 0.0f;
    if (!sane) return corrupt("stop model holds impossible numbers", b);
  }
  return {};
}

}  // namespace strata::policy
