#include "core/policy/stop_train.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/base/check.hpp"
#include "core/base/core_only.hpp"

namespace strata::policy {
namespace {

static_assert(std::is_trivially_destructible_v<StopTrainer>);

constexpr uint32_t weight_count = stop_feature_count + 1;
constexpr uint32_t newton_step_count = 15;
constexpr uint32_t halving_count = 28;  // 60 / 2^28 is below what a float of that size resolves
constexpr double ridge = 1e-3;          // times the number of samples; not on the constant
constexpr uint32_t bucket_query_count_min = 20;
// Of what a target leaves to perfection, the part that searches lose to first-stage bounds that fail: the lower the
// target, the more they trust them, while a calibration sees every row. Measured 0.0003 to 0.006 at target 0.9, 0.0001
// to 0.003 at 0.95, nothing at 0.99.
constexpr double lost_to_bounds = 0.025;
constexpr float threshold_max = 30.0f;  // beyond any sum that a prediction reaches: see every list
constexpr float infinity = std::numeric_limits<float>::infinity();

// Check points of a search that sees list_count lists (StopTracker::advance), generously.
uint32_t sample_count_of(uint32_t list_count) {
  double dense = 20.0;
  double sparse = list_count > 16 ? 18.0 * std::log(list_count / 16.0) : 0.0;
  return static_cast<uint32_t>(dense + sparse);
}

struct Matrix {
  double m[weight_count][weight_count];
};

// Solves m x = b in place of b by Cholesky's decomposition; m is symmetric and positive definite thanks to the ridge.
// Returns false when rounding has spoilt that.
bool solve(Matrix& matrix, double* b) {
  auto& m = matrix.m;
  for (uint32_t i = 0; i < weight_count; ++i) {
    for (uint32_t j = 0; j <= i; ++j) {
      double sum = m[i][j];
      for (uint32_t l = 0; l < j; ++l) sum -= m[i][l] * m[j][l];
      if (i != j) {
        m[i][j] = sum / m[j][j];
      } else {
        if (!(sum > 0.0)) return false;
        m[i][i] = std::sqrt(sum);
      }
    }
  }
  for (uint32_t i = 0; i < weight_count; ++i) {
    for (uint32_t l = 0; l < i; ++l) b[i] -= m[i][l] * b[l];
    b[i] /= m[i][i];
  }
  for (uint32_t i = weight_count; i-- > 0;) {
    for (uint32_t l = i + 1; l < weight_count; ++l) b[i] -= m[l][i] * b[l];
    b[i] /= m[i][i];
  }
  return true;
}

// Fits one bucket; samples of a query lie together, in the order of progress.
class Fitter {
 public:
  Fitter(StopSample* samples, uint32_t sample_count, uint32_t query_count, StopTrainOptions const& options,
         StopBucketDisk& bucket)
      : samples_(samples), sample_count_(sample_count), query_count_(query_count), options_(options), bucket_(bucket) {}

  void run() {
    bucket_ = {};
    bucket_.query_count = query_count_;
    standardise();
    fit();
    keep_scores();
    for (uint32_t t = 0; t < stop_target_count; ++t) calibrate(t);
  }

 private:
  struct Outcome {
    double recall;
    double error;  // standard error of the mean
    double lists;
    bool enough(double target, StopTrainOptions const& options) const {
      double const left = 1.0 - target;
      double const surplus = std::fmin(options.surplus + lost_to_bounds * left, left / 3.0);
      return recall - std::fmax(surplus, std::fmin(options.margin * error, left / 2.0)) >= target;
    }
  };

  void standardise() {
    for (uint32_t i = 0; i < stop_feature_count; ++i) {
      double sum = 0.0, sum2 = 0.0;
      for (uint32_t s = 0; s < sample_count_; ++s) sum += samples_[s].x[i];
      double mean = sum / sample_count_;
      for (uint32_t s = 0; s < sample_count_; ++s) sum2 += (samples_[s].x[i] - mean) * (samples_[s].x[i] - mean);
      double deviation = std::sqrt(sum2 / sample_count_);
      bucket_.means[i] = static_cast<float>(mean);
      bucket_.scales[i] = deviation > 1e-6 ? static_cast<float>(1.0 / deviation) : 1.0f;
    }
  }

  void standardised(StopSample const& sample, double* z) const {
    for (uint32_t i = 0; i < stop_feature_count; ++i) {
      z[i] = (double{sample.x[i]} - bucket_.means[i]) * bucket_.scales[i];
    }
    z[stop_feature_count] = 1.0;
  }

  static double dot(double const* a, double const* b) {
    double sum = 0.0;
    for (uint32_t i = 0; i < weight_count; ++i) sum += a[i] * b[i];
    return sum;
  }

  // Penalised negative log-likelihood of the fractional labels; direction and hessian of it, in one pass.
  struct Slope {
    double loss;
    double direction[weight_count];
    Matrix hessian;  // lower half
  };

  void slope_at(double const* weights, Slope& slope) const {
    slope = {};
    for (uint32_t s = 0; s < sample_count_; ++s) {
      double z[weight_count];
      standardised(samples_[s], z);
      double score = dot(weights, z);
      double tail = std::exp(-std::fabs(score));
      double p = score < 0.0 ? tail / (1.0 + tail) : 1.0 / (1.0 + tail);
      double curvature = p * (1.0 - p);
      // log(1 + e^score) - y score, without overflow
      slope.loss += std::fmax(score, 0.0) + std::log1p(tail) - samples_[s].recall * score;
      for (uint32_t i = 0; i < weight_count; ++i) {
        double bent = curvature * z[i];
        slope.direction[i] += (samples_[s].recall - p) * z[i];
        for (uint32_t j = 0; j <= i; ++j) slope.hessian.m[i][j] += bent * z[j];
      }
    }
    for (uint32_t i = 0; i < stop_feature_count; ++i) {
      slope.loss += 0.5 * ridge * sample_count_ * weights[i] * weights[i];
      slope.direction[i] -= ridge * sample_count_ * weights[i];
      slope.hessian.m[i][i] += ridge * sample_count_;
    }
    slope.hessian.m[stop_feature_count][stop_feature_count] += 1e-9 * sample_count_;
  }

  // Newton's method; a step that does not lessen the loss is halved.
  void fit() {
    constexpr double settled = 1e-10;  // of the loss: a step that gains no more is the last
    double weights[weight_count] = {};
    Slope here;
    slope_at(weights, here);
    for (uint32_t step = 0; step < newton_step_count; ++step) {
      if (!solve(here.hessian, here.direction)) break;
      double const before = here.loss;
      double scale = 1.0;
      double next[weight_count];
      Slope there;
      for (int halving = 0; halving < 20; ++halving, scale *= 0.5) {
        for (uint32_t i = 0; i < weight_count; ++i) next[i] = weights[i] + scale * here.direction[i];
        slope_at(next, there);
        if (there.loss <= before) break;
      }
      if (!(there.loss < before)) break;
      std::memcpy(weights, next, sizeof weights);
      here = there;
      if (before - here.loss <= settled * before) break;
    }
    for (uint32_t i = 0; i < weight_count; ++i) bucket_.weights[i] = static_cast<float>(weights[i]);
  }

  float score(StopSample const& sample) const {
    float sum = bucket_.weights[stop_feature_count];
    for (uint32_t i = 0; i < stop_feature_count; ++i) {
      sum += bucket_.weights[i] * ((sample.x[i] - bucket_.means[i]) * bucket_.scales[i]);
    }
    return sum;
  }

  // Scores become the largest ones so far of their query, which cross any threshold at the same sample as they do
  // themselves; both they and the progress then ascend, and each query is searched by halving. The first sample of a
  // query keeps its features' place for the end of its samples.
  void keep_scores() {
    for (uint32_t s = 0; s < sample_count_; ++s) samples_[s].score = score(samples_[s]);
    for (uint32_t first = 0, end; first < sample_count_; first = end) {
      for (end = first + 1; end < sample_count_ && samples_[end].query == samples_[first].query; ++end) {
        samples_[end].score = std::fmax(samples_[end].score, samples_[end - 1].score);
      }
      static_assert(sizeof end <= sizeof samples_[first].x);
      std::memcpy(samples_[first].x, &end, sizeof end);
    }
  }

  // What comes out when each query stops at its first sample for which `stop` holds, or at its last one. Where `stop`
  // holds, it holds for the later samples of the query.
  template <class Stop>
  Outcome outcome(Stop&& stop) const {
    double sum = 0.0, sum2 = 0.0, lists = 0.0;
    for (uint32_t first = 0, end; first < sample_count_; first = end) {
      std::memcpy(&end, samples_[first].x, sizeof end);
      StopSample const& at = *std::partition_point(samples_ + first, samples_ + end - 1,
                                                   [&](StopSample const& sample) { return !stop(sample); });
      sum += at.recall;
      sum2 += double{at.recall} * at.recall;
      lists += at.progress;
    }
    double mean = sum / query_count_;
    double variance = std::fmax(sum2 / query_count_ - mean * mean, 0.0);
    return {mean, std::sqrt(variance / query_count_), lists / query_count_};
  }

  // Both searches by halving rest on this: the later all queries stop, the higher the mean recall. Full recall always
  // is enough, since its error is zero.
  void calibrate(uint32_t t) {
    double target = stop_targets[t];
    auto at_threshold = [&](float threshold) {
      return outcome([&](StopSample const& sample) { return sample.score >= threshold; });
    };
    float low = -threshold_max, high = threshold_max;
    for (uint32_t i = 0; i < halving_count; ++i) {
      float middle = 0.5f * (low + high);
      (at_threshold(middle).enough(target, options_) ? high : low) = middle;
    }
    if (t > 0) high = std::fmax(high, bucket_.thresholds[t - 1]);
    bucket_.thresholds[t] = high;
    bucket_.stop_lists[t] = static_cast<float>(at_threshold(high).lists);
    float few = 0.0f, many = samples_[0].progress;
    for (uint32_t s = 0; s < sample_count_; ++s) many = std::fmax(many, samples_[s].progress);
    for (uint32_t i = 0; i < halving_count; ++i) {
      float middle = 0.5f * (few + many);
      Outcome result = outcome([&](StopSample const& sample) { return sample.progress >= middle; });
      (result.enough(target, options_) ? many : few) = middle;
    }
    bucket_.probes[t] = t > 0 ? std::fmax(many, bucket_.probes[t - 1]) : many;
  }

  StopSample* samples_;
  uint32_t sample_count_;
  uint32_t query_count_;
  StopTrainOptions const& options_;
  StopBucketDisk& bucket_;
};

}  // namespace

size_t StopTrainer::memory_size(uint32_t query_count_max, uint32_t list_count) {
  return size_t{query_count_max} * sample_count_of(list_count) * stop_bucket_count * sizeof(StopSample);
}

StopTrainer::StopTrainer(uint32_t query_count_max, uint32_t list_count, void* memory)
    : query_count_max_(query_count_max),
      list_count_(list_count),
      sample_count_max_(sample_count_of(list_count)),
      query_count_(0),
      list_ordinal_(0),
      neighbour_count_(0),
      exponent_sum_(0.0),
      exponent_count_(0),
      pending_weight_(0.0f) {
  auto* samples = static_cast<StopSample*>(memory);
  for (Bucket& bucket : buckets_) {
    bucket.samples = samples;
    bucket.sample_count = 0;
    bucket.query_first = 0;
    bucket.query_count = 0;
    samples += size_t{query_count_max} * sample_count_max_;
  }
}

void StopTrainer::begin_query() {
  list_ordinal_ = 0;
  neighbour_count_ = 0;
  for (Bucket& bucket : buckets_) bucket.query_first = bucket.sample_count;
}

void StopTrainer::insert(float distance2) {
  if (neighbour_count_ == stop_k_max && !(distance2 < neighbours_[stop_k_max - 1].distance2)) return;
  if (neighbour_count_ < stop_k_max) ++neighbour_count_;
  uint32_t at = neighbour_count_ - 1;
  for (; at > 0 && distance2 < neighbours_[at - 1].distance2; --at) neighbours_[at] = neighbours_[at - 1];
  neighbours_[at] = {distance2, list_ordinal_};
}

// Closes the list added last.
void StopTrainer::record(float next_key) {
  for (uint32_t b = 0; b < stop_bucket_count; ++b) {
    Bucket& bucket = buckets_[b];
    uint32_t k = stop_k_values[b];
    float tau = neighbour_count_ >= k ? neighbours_[k - 1].distance2 : infinity;
    bool check = bucket.tracker.advance(pending_weight_, tau, next_key);
    bool is_last = next_key == infinity;
    if (!(check || is_last) || !bucket.tracker.full()) continue;
    // Weights that add up to more than list_count would need more room: their last samples make way.
    if (bucket.sample_count - bucket.query_first == sample_count_max_) --bucket.sample_count;
    StopSample& sample = bucket.samples[bucket.sample_count++];
    bucket.tracker.features(sample.x);
    sample.progress = bucket.tracker.progress();
    sample.query = query_count_;
    static_assert(sizeof(sample.recall) == sizeof(list_ordinal_));
    std::memcpy(&sample.recall, &list_ordinal_, sizeof list_ordinal_);
  }
}

void StopTrainer::add_list(float key, float weight, float const* distances2, size_t row_count) {
  if (query_count_ >= query_count_max_) return;
  if (list_ordinal_ == 0) {
    for (Bucket& bucket : buckets_) bucket.tracker.start(key);
  } else {
    record(key);
  }
  ++list_ordinal_;
  pending_weight_ = weight;
  for (size_t i = 0; i < row_count; ++i) insert(distances2[i]);
}

// tau ~ (k / rows)^exponent: from the tenth and the hundredth neighbour.
void StopTrainer::note_density() {
  constexpr uint32_t few = 10;
  if (neighbour_count_ < stop_k_max) return;
  double near = neighbours_[few - 1].distance2, far = neighbours_[stop_k_max - 1].distance2;
  if (!(near > 0.0) || !(far < infinity)) return;
  exponent_sum_ += std::log(far / near) / std::log(double{stop_k_max} / few);
  ++exponent_count_;
}

void StopTrainer::end_query() {
  if (query_count_ >= query_count_max_ || list_ordinal_ == 0) return;
  record(infinity);
  for (uint32_t b = 0; b < stop_bucket_count; ++b) {
    Bucket& bucket = buckets_[b];
    uint32_t k = stop_k_values[b];
    if (neighbour_count_ < k) {
      bucket.sample_count = bucket.query_first;
      continue;
    }
    for (uint32_t s = bucket.query_first; s < bucket.sample_count; ++s) {
      uint32_t list;
      std::memcpy(&list, &bucket.samples[s].recall, sizeof list);
      uint32_t found = 0;
      for (uint32_t i = 0; i < k; ++i) found += neighbours_[i].list <= list;
      bucket.samples[s].recall = static_cast<float>(found) / static_cast<float>(k);
    }
    ++bucket.query_count;
  }
  note_density();
  ++query_count_;
}

Status StopTrainer::train(StopTrainOptions const& options, StopModelDisk& model) {
  model = {};
  model.magic = stop_model_magic;
  model.format_version = stop_model_format_version;
  model.bucket_count = stop_bucket_count;
  model.query_count = query_count_;
  model.list_count = list_count_;
  model.model_size = sizeof(StopModelDisk);
  model.row_count = static_cast<float>(options.row_count);
  if (exponent_count_ > 0) {
    model.density_exponent =
        static_cast<float>(std::fmin(exponent_sum_ / exponent_count_, double{density_exponent_max}));
  }
  bool any = false;
  for (uint32_t b = 0; b < stop_bucket_count; ++b) {
    model.k_values[b] = stop_k_values[b];
    Bucket const& bucket = buckets_[b];
    if (bucket.query_count < bucket_query_count_min) continue;
    Fitter(bucket.samples, bucket.sample_count, bucket.query_count, options, model.buckets[b]).run();
    any = true;
  }
  if (!any) return invalid("too few sample queries to calibrate the stop rule");
  return {};
}

}  // namespace strata::policy
