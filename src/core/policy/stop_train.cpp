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
constexpr uint32_t halving_count = 18;  // 60 / 2^18 of a score changes no recall by more than 0.0001
constexpr double ridge = 1e-3;          // times the number of samples; not on the constant
constexpr uint32_t bucket_query_count_min = 20;
constexpr uint32_t fitted_sample_count_max = 50000;  // nine weights need no more; thresholds take all there are
// Of what a target leaves to perfection, the part that searches lose to first-stage bounds that fail: the lower the
// target, the more they trust them, while a calibration sees every row. Measured 0.0003 to 0.006 at target 0.9, 0.0001
// to 0.003 at 0.95, nothing at 0.99.
constexpr double lost_to_bounds = 0.025;
constexpr float threshold_max = 30.0f;  // beyond any sum that a prediction reaches: see every list
constexpr float infinity = std::numeric_limits<float>::infinity();

// How far queries go that need not see all lists: until a rule fitted on those which did says that the stop_k_max
// nearest rows are found but for the larger share of them, and half as far again; where that is cheap, until it says so
// of the lesser share. Measured on six sets with the larger one: of the nearest row that loses up to 0.0007 (0.0017 in
// the worst of 36 runs), of ten rows 0.0005, and queries see between a thirtieth of the lists (a million rows in
// clusters) and nearly all of them (GloVe by inner product).
constexpr double lost_to_depth_max = 1e-3;
constexpr double lost_to_depth_min = 1e-4;
constexpr float further = 1.5f;
constexpr uint32_t deepest = stop_bucket_count - 1;

// Check points of a search that sees list_count lists (StopTracker::advance), generously.
uint32_t sample_count_of(uint32_t list_count) {
  double dense = 20.0;
  double sparse = list_count > 16 ? 18.0 * std::log(list_count / 16.0) : 0.0;
  return static_cast<uint32_t>(dense + sparse);
}

// Of a bucket.
size_t sample_capacity_of(uint32_t query_count_max, uint32_t list_count) {
  constexpr size_t memory_size_max = size_t{64} << 20;
  size_t const one = sample_count_of(list_count), all = query_count_max * one;
  size_t const fit = memory_size_max / (stop_bucket_count * sizeof(StopSample));
  return std::min(all, std::max(fit, one));
}

// The least value of [low, high] for which `enough` holds, as it does for all above it; `high` when it does for none.
template <class Enough>
float find_least(float low, float high, Enough&& enough) {
  for (uint32_t i = 0; i < halving_count; ++i) {
    float const middle = 0.5f * (low + high);
    (enough(middle) ? high : low) = middle;
  }
  return high;
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

struct FitInput {
  StopSample* samples;  // of a query together, in the order of progress
  uint32_t sample_count;
  uint32_t query_count;
  double beyond_weight;  // of samples that are marked so
};

// Fits one bucket.
class Fitter {
 public:
  Fitter(FitInput const& input, StopTrainOptions const& options, StopBucketDisk& bucket)
      : samples_(input.samples),
        sample_count_(input.sample_count),
        fit_stride_(1 + (input.sample_count - 1) / fitted_sample_count_max),
        query_count_(input.query_count),
        beyond_weight_(input.beyond_weight),
        options_(options),
        bucket_(bucket) {
    bucket_ = {};
    bucket_.query_count = query_count_;
    standardise();
    fit();
    keep_scores();
  }

  void run() {
    for (uint32_t t = 0; t < stop_target_count; ++t) calibrate(t);
  }

  // Lists that queries see on average when they stop at a threshold, and go so much further.
  double mean_depth(float threshold) const {
    double lists = 0.0;
    for_each_stop([&](StopSample const& sample) { return sample.score >= threshold; },
                  [&](StopSample const& at, StopSample const& last) {
                    lists += at.score >= threshold ? std::fmin(further * at.progress, last.progress) : last.progress;
                  });
    return lists / query_count_;
  }

  // The threshold at which queries may stop: the one at which they see `lists_wanted`, within lost_to_depth_min and
  // max.
  float depth_threshold(double lists_wanted) const {
    auto loses = [&](double share) {
      return [this, share](float threshold) { return at_threshold(threshold).recall >= 1.0 - share; };
    };
    float const least = find_least(-threshold_max, threshold_max, loses(lost_to_depth_max));
    float const most = find_least(least, threshold_max, loses(lost_to_depth_min));
    return find_least(least, most, [&](float threshold) { return mean_depth(threshold) >= lists_wanted; });
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

  double weight_of(StopSample const& sample) const { return sample.is_beyond ? beyond_weight_ : 1.0; }

  void standardise() {
    double all = 0.0;
    for (uint32_t s = 0; s < sample_count_; ++s) all += weight_of(samples_[s]);
    for (uint32_t i = 0; i < stop_feature_count; ++i) {
      double sum = 0.0, sum2 = 0.0;
      for (uint32_t s = 0; s < sample_count_; ++s) sum += weight_of(samples_[s]) * samples_[s].x[i];
      double mean = sum / all;
      for (uint32_t s = 0; s < sample_count_; ++s) {
        sum2 += weight_of(samples_[s]) * (samples_[s].x[i] - mean) * (samples_[s].x[i] - mean);
      }
      double deviation = std::sqrt(sum2 / all);
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
    double fitted = 0.0;
    for (uint32_t s = 0; s < sample_count_; s += fit_stride_) {
      double const weight = weight_of(samples_[s]);
      fitted += weight;
      double z[weight_count];
      standardised(samples_[s], z);
      double score = dot(weights, z);
      double tail = std::exp(-std::fabs(score));
      double p = score < 0.0 ? tail / (1.0 + tail) : 1.0 / (1.0 + tail);
      double curvature = weight * p * (1.0 - p), missing = weight * (samples_[s].recall - p);
      // log(1 + e^score) - y score, without overflow
      slope.loss += weight * (std::fmax(score, 0.0) + std::log1p(tail) - samples_[s].recall * score);
      for (uint32_t i = 0; i < weight_count; ++i) {
        double bent = curvature * z[i];
        slope.direction[i] += missing * z[i];
        for (uint32_t j = 0; j <= i; ++j) slope.hessian.m[i][j] += bent * z[j];
      }
    }
    for (uint32_t i = 0; i < stop_feature_count; ++i) {
      slope.loss += 0.5 * ridge * fitted * weights[i] * weights[i];
      slope.direction[i] -= ridge * fitted * weights[i];
      slope.hessian.m[i][i] += ridge * fitted;
    }
    slope.hessian.m[stop_feature_count][stop_feature_count] += 1e-9 * fitted;
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

  // Scores become the largest ones so far of their query, which cross any threshold at the same sample as they do
  // themselves; both they and the progress then ascend, and each query is searched by halving.
  void keep_scores() {
    for (uint32_t s = 0; s < sample_count_; ++s) samples_[s].score = stop_score(bucket_, samples_[s].x);
    for (uint32_t first = 0; first < sample_count_; first = samples_[first].query_end) {
      for (uint32_t s = first + 1; s < samples_[first].query_end; ++s) {
        samples_[s].score = std::fmax(samples_[s].score, samples_[s - 1].score);
      }
    }
  }

  // Calls see(at, last) for each query with its first sample for which `stop` holds, or its last one where it does for
  // none, and with its last one. Where `stop` holds, it holds for the later samples of the query.
  template <class Stop, class See>
  void for_each_stop(Stop&& stop, See&& see) const {
    for (uint32_t first = 0, end; first < sample_count_; first = end) {
      end = samples_[first].query_end;
      see(*std::partition_point(samples_ + first, samples_ + end - 1,
                                [&](StopSample const& sample) { return !stop(sample); }),
          samples_[end - 1]);
    }
  }

  // What comes out when queries stop like that.
  template <class Stop>
  Outcome outcome(Stop&& stop) const {
    double sum = 0.0, sum2 = 0.0, lists = 0.0;
    for_each_stop(stop, [&](StopSample const& at, StopSample const&) {
      sum += at.recall;
      sum2 += double{at.recall} * at.recall;
      lists += at.progress;
    });
    double mean = sum / query_count_;
    double variance = std::fmax(sum2 / query_count_ - mean * mean, 0.0);
    return {mean, std::sqrt(variance / query_count_), lists / query_count_};
  }

  Outcome at_threshold(float threshold) const {
    return outcome([&](StopSample const& sample) { return sample.score >= threshold; });
  }

  // Both searches by halving rest on this: the later all queries stop, the higher the mean recall. Full recall always
  // is enough, since its error is zero.
  void calibrate(uint32_t t) {
    double target = stop_targets[t];
    float threshold = find_least(-threshold_max, threshold_max,
                                 [&](float middle) { return at_threshold(middle).enough(target, options_); });
    if (t > 0) threshold = std::fmax(threshold, bucket_.thresholds[t - 1]);
    bucket_.thresholds[t] = threshold;
    bucket_.stop_lists[t] = static_cast<float>(at_threshold(threshold).lists);
    float many = samples_[0].progress;
    for (uint32_t s = 0; s < sample_count_; ++s) many = std::fmax(many, samples_[s].progress);
    many = find_least(0.0f, many, [&](float lists) {
      return outcome([&](StopSample const& sample) { return sample.progress >= lists; }).enough(target, options_);
    });
    bucket_.probes[t] = t > 0 ? std::fmax(many, bucket_.probes[t - 1]) : many;
  }

  StopSample* samples_;
  uint32_t sample_count_;
  uint32_t fit_stride_;  // the weights are fitted on every so manieth sample
  uint32_t query_count_;
  double beyond_weight_;
  StopTrainOptions const& options_;
  StopBucketDisk& bucket_;
};

}  // namespace

size_t StopTrainer::memory_size(uint32_t query_count_max, uint32_t list_count) {
  return sample_capacity_of(query_count_max, list_count) * stop_bucket_count * sizeof(StopSample);
}

StopTrainer::StopTrainer(uint32_t query_count_max, uint32_t list_count, void* memory)
    : query_count_max_(query_count_max),
      list_count_(list_count),
      sample_count_max_(sample_count_of(list_count)),
      sample_capacity_(static_cast<uint32_t>(sample_capacity_of(query_count_max, list_count))),
      query_count_(0),
      list_ordinal_(0),
      neighbour_count_(0),
      is_full_(query_count_max == 0),
      exponent_sum_(0.0),
      exponent_count_(0),
      pending_weight_(0.0f),
      has_depth_(false),
      whole_count_(0),
      depth_threshold_(0.0f),
      end_(infinity) {
  auto* samples = static_cast<StopSample*>(memory);
  for (Bucket& bucket : buckets_) {
    bucket.samples = samples;
    bucket.sample_count = 0;
    bucket.query_first = 0;
    bucket.query_count = 0;
    samples += sample_capacity_;
  }
}

void StopTrainer::begin_query() {
  list_ordinal_ = 0;
  neighbour_count_ = 0;
  end_ = infinity;
  is_full_ = query_count_ >= query_count_max_;
  for (Bucket& bucket : buckets_) {
    bucket.query_first = bucket.sample_count;
    is_full_ = is_full_ || bucket.sample_count + sample_count_max_ > sample_capacity_;
  }
}

void StopTrainer::insert(float distance2) {
  if (neighbour_count_ == stop_k_max && !(distance2 < neighbours_[stop_k_max - 1].distance2)) return;
  if (neighbour_count_ < stop_k_max) ++neighbour_count_;
  uint32_t at = neighbour_count_ - 1;
  for (; at > 0 && distance2 < neighbours_[at - 1].distance2; --at) neighbours_[at] = neighbours_[at - 1];
  neighbours_[at] = {distance2, list_ordinal_};
}

// Closes the list added last; `is_last`: the query ends with it.
void StopTrainer::record(float next_key, bool is_last) {
  for (uint32_t b = 0; b < stop_bucket_count; ++b) {
    Bucket& bucket = buckets_[b];
    uint32_t k = stop_k_values[b];
    float tau = neighbour_count_ >= k ? neighbours_[k - 1].distance2 : infinity;
    bool check = bucket.tracker.advance(pending_weight_, tau, next_key);
    if (!(check || is_last) || !bucket.tracker.full()) continue;
    // Weights that add up to more than list_count would need more room: their last samples make way.
    if (bucket.sample_count - bucket.query_first == sample_count_max_) --bucket.sample_count;
    StopSample& sample = bucket.samples[bucket.sample_count++];
    bucket.tracker.features(sample.x);
    sample.progress = bucket.tracker.progress();
    if (b == deepest && has_depth_ && end_ == infinity && stop_score(depth_rule_, sample.x) >= depth_threshold_) {
      end_ = further * sample.progress;
    }
    static_assert(sizeof(sample.recall) == sizeof(list_ordinal_));
    std::memcpy(&sample.recall, &list_ordinal_, sizeof list_ordinal_);
  }
}

void StopTrainer::add_list(float key, float weight, float const* distances2, size_t row_count) {
  if (is_full_) return;
  if (list_ordinal_ == 0) {
    for (Bucket& bucket : buckets_) bucket.tracker.start(key);
  } else {
    record(key, false);
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

bool StopTrainer::saw_enough() const {
  return end_ < infinity && buckets_[deepest].tracker.progress() >= end_;
}

double StopTrainer::learn_depth(double lists_wanted) {
  Bucket const& bucket = buckets_[deepest];
  // All buckets have the same queries where each found stop_k_max rows.
  if (bucket.query_count < bucket_query_count_min || bucket.query_count != query_count_) return 0.0;
  StopTrainOptions const options;
  Fitter const fitter({bucket.samples, bucket.sample_count, bucket.query_count, 1.0}, options, depth_rule_);
  depth_threshold_ = fitter.depth_threshold(lists_wanted);
  has_depth_ = true;
  whole_count_ = query_count_;
  mark_beyond();
  return fitter.mean_depth(depth_threshold_);
}

// Without samples from beyond the depth the fit would have to guess there: mixed lists of two codebooks, which no
// calibration saw, then lost 0.01 to 0.02 more of the recall.
void StopTrainer::mark_beyond() {
  uint32_t first[stop_bucket_count] = {};
  for (uint32_t query = 0; query < query_count_; ++query) {
    Bucket const& rule = buckets_[deepest];
    uint32_t const from = first[deepest], until = rule.samples[from].query_end;
    float end = infinity;
    for (uint32_t s = until; s-- > from && rule.samples[s].score >= depth_threshold_;) {
      end = further * rule.samples[s].progress;
    }
    for (uint32_t b = 0; b < stop_bucket_count; ++b) {
      StopSample* const samples = buckets_[b].samples;
      uint32_t const next = samples[first[b]].query_end;
      for (uint32_t s = first[b]; s < next; ++s) samples[s].is_beyond = samples[s].progress > end;
      first[b] = next;
    }
  }
}

void StopTrainer::end_query(float next_key) {
  if (is_full_ || list_ordinal_ == 0) return;
  record(next_key, true);
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
      bucket.samples[s].query_end = bucket.sample_count;
      bucket.samples[s].is_beyond = false;
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
    double const beyond_weight = has_depth_ ? static_cast<double>(bucket.query_count) / whole_count_ : 1.0;
    Fitter({bucket.samples, bucket.sample_count, bucket.query_count, beyond_weight}, options, model.buckets[b]).run();
    any = true;
  }
  if (!any) return invalid("too few sample queries to calibrate the stop rule");
  return {};
}

}  // namespace strata::policy
