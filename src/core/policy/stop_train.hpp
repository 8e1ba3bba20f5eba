// Training and calibration of the stop rule. A sample of rows plays the queries: for each, all lists are scanned in
// their order (which also yields the true neighbours), and what a search would see at its check points is written down.
// 500 to 1,000 queries do, 2,500 for k = 1; a query that is a row must not see itself.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/status.hpp"
#include "core/policy/stop_model.hpp"
#include "core/policy/stop_rule.hpp"

namespace strata::policy {

struct StopSample {
  float x[stop_feature_count];
  float progress;
  float score;   // weighted sum of the fitted rule
  float recall;  // share of the true k nearest rows in the lists seen; the ordinal of the list until the query ends
  uint32_t query;
};

// Calibration aims above the target: the promise is "at least", and both a sample of queries and the queries that a
// user asks vary around their mean. The surplus is `surplus`, or `margin` standard errors of the mean recall over the
// sample where that is more; of what the target leaves to perfection no more than a third and a half, because the last
// queries need most of the lists.
struct StopTrainOptions {
  double row_count = 0.0;  // of the lists that were scanned, for tau_scale(); 0: not known
  double surplus = 0.0075;
  double margin = 1.0;
};

// Trivially destructible; all it needs lies in memory of the caller.
class StopTrainer {
 public:
  // Bytes for query_count_max queries over lists whose weights add up to list_count; 10 to 18 KB a query.
  static size_t memory_size(uint32_t query_count_max, uint32_t list_count);

  // `memory`: memory_size bytes, aligned to 8, used until train has returned.
  StopTrainer(uint32_t query_count_max, uint32_t list_count, void* memory);

  // One query: begin; add_list for every pair in the order of keys, with the squared distances of all its rows (or at
  // least of those among the stop_k_max nearest rows seen so far); end. More queries than query_count_max are ignored.
  void begin_query();
  void add_list(float key, float weight, float const* distances2, size_t row_count);
  void end_query();

  // Fits and calibrates. Buckets with fewer than 20 queries of k rows stay unused; Code::invalid when that is all of
  // them. Does not allocate. Takes milliseconds.
  Status train(StopTrainOptions const& options, StopModelDisk& model);

  uint32_t query_count() const { return query_count_; }

 private:
  struct Bucket {
    StopSample* samples;
    uint32_t sample_count;
    uint32_t query_first;  // where the samples of the current query start
    uint32_t query_count;  // complete ones
    StopTracker tracker;
  };
  struct Neighbour {
    float distance2;
    uint32_t list;  // ordinal within the query
  };
  void insert(float distance2);
  void record(float next_key);
  void note_density();

  uint32_t query_count_max_;
  uint32_t list_count_;
  uint32_t sample_count_max_;  // of a query and bucket
  uint32_t query_count_;
  uint32_t list_ordinal_;
  uint32_t neighbour_count_;
  double exponent_sum_;  // of the queries that have stop_k_max neighbours
  uint32_t exponent_count_;
  float pending_weight_;
  Bucket buckets_[stop_bucket_count];
  Neighbour neighbours_[stop_k_max];  // ascending
};

}  // namespace strata::policy
