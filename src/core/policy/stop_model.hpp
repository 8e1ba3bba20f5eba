// The calibrated stop rule of an epoch, as stored with it. See stop_rule.hpp for what the numbers mean.
//
//   0       4         6         8         12      16           20         32                 36     40         128
//   | magic | version | buckets | queries | lists | model size | k values | density exponent | rows | reserved | ...
//   128                 896
//   | StopBucketDisk[3] |
//
//   S1  magic, format version and model_size are as here.
//   S2  a bucket with query_count 0 holds zeros and is not used; all numbers of the others are finite, scales positive.
//   S3  the density exponent lies in [0, density_exponent_max], row_count is finite and not negative.
// History: v1 as here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/base/status.hpp"

namespace strata::policy {

constexpr uint32_t stop_feature_count = 8;  // and a constant: nine weights
constexpr uint32_t stop_bucket_count = 3;
constexpr uint32_t stop_k_values[stop_bucket_count] = {1, 10, 100};
constexpr uint32_t stop_k_max = 100;
constexpr float density_exponent_max = 4.0f;  // tau of rows on a line, squared, grows with the square of k
constexpr uint32_t stop_target_count = 8;
constexpr double stop_targets[stop_target_count] = {0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999};

struct StopBucketDisk {
  float means[stop_feature_count];        // of the features, to standardise them
  float scales[stop_feature_count];       // 1 / standard deviation
  float weights[stop_feature_count + 1];  // of the standardised features; the last one is the constant
  float thresholds[stop_target_count];    // stop when the weighted sum reaches it
  float probes[stop_target_count];        // the fixed number of lists that would serve the target, too
  float stop_lists[stop_target_count];    // mean number of lists at which the rule stopped: for cost estimates
  uint32_t query_count;                   // that it was calibrated with; 0: S2
  uint32_t reserved[14];                  // zero
};
static_assert(sizeof(StopBucketDisk) == 256 && offsetof(StopBucketDisk, query_count) == 196);
static_assert(std::is_trivially_copyable_v<StopBucketDisk> && std::is_standard_layout_v<StopBucketDisk>);

struct StopModelDisk {
  uint32_t magic;           // stop_model_magic
  uint16_t format_version;  // stop_model_format_version
  uint16_t bucket_count;    // stop_bucket_count
  uint32_t query_count;     // sample queries
  uint32_t list_count;      // lists of the epoch
  uint32_t model_size;      // sizeof(StopModelDisk)
  uint32_t k_values[stop_bucket_count];
  float density_exponent;  // see tau_scale(); 0: not known
  float row_count;         // rows that the lists held when it was calibrated; 0: not known
  uint32_t reserved[22];   // zero
  StopBucketDisk buckets[stop_bucket_count];
};
static_assert(sizeof(StopModelDisk) == 128 + 256 * stop_bucket_count && offsetof(StopModelDisk, buckets) == 128);
static_assert(offsetof(StopModelDisk, k_values) == 20 && offsetof(StopModelDisk, density_exponent) == 32);
static_assert(std::is_trivially_copyable_v<StopModelDisk> && std::is_standard_layout_v<StopModelDisk>);

constexpr uint32_t stop_model_magic = 0x504F5453;  // "STOP"
constexpr uint16_t stop_model_format_version = 1;

// Corrupt unless S1 to S3 hold. Call before use: the bytes come from disk.
Status check_stop_model(StopModelDisk const& model);

}  // namespace strata::policy
