// Training and calibration of the stop rule. A sample of rows plays the queries: for each, all lists are scanned in
// their order (which also yields the true neighbours), and what a search would see at its check points is written down.
// 500 to 1,000 queries do, 4,000 for k = 1; a query that is a row must not see itself.
//
// Nearly all neighbours lie in the first lists: once a hundred queries have seen all, the others may stop where hardly
// any are left (learn_depth), and what they found until then counts as the truth.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/base/status.hpp"
#include "core/policy/stop_model.hpp"
#include "core/policy/stop_rule.hpp"

namespace strata::policy {

struct StopSample {
  float x[stop_feature_count];
  float progress;
  float score;   // weighted sum of the fitted rule
  float recall;  // share of the true k nearest rows in the lists seen; the ordinal of the list until the query ends
  uint32_t query_end : 31;  // where the samples of its query end
  uint32_t is_beyond : 1;   // where queries that end early have no samples: it stands for theirs, too
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
  // Bytes for query_count_max queries over lists whose weights add up to list_count: 10 to 18 KB a query, which those
  // that end early do not fill, and 64 MB at most.
  static size_t memory_size(uint32_t query_count_max, uint32_t list_count);

  // `memory`: memory_size bytes, aligned to 8, used until train has returned.
  StopTrainer(uint32_t query_count_max, uint32_t list_count, void* memory);

  // One query: begin; add_list for every pair in the order of keys, with the squared distances of all its rows (or at
  // least of those among the stop_k_max nearest rows seen so far); end. More queries than query_count_max, or than fit
  // the memory, are ignored.
  void begin_query();
  void add_list(float key, float weight, float const* distances2, size_t row_count);
  // `next_key`: of the list that would be next, when the query ends before it has seen all of them.
  void end_query(float next_key = std::numeric_limits<float>::infinity());

  // From the queries so far, which saw all lists, how far later ones go: through about `lists_wanted`, but no
  // fewer than lose next to nothing, and no more than lose nothing. Returns the lists that they will see on average; 0
  // when the queries were too few to tell, and others go through all lists, too.
  double learn_depth(double lists_wanted);
  // After add_list: whether the query has gone so far. Never without learn_depth.
  bool saw_enough() const;

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
  void record(float next_key, bool is_last);
  void note_density();
  void mark_beyond();

  uint32_t query_count_max_;
  uint32_t list_count_;
  uint32_t sample_count_max_;  // of a query and bucket
  uint32_t sample_capacity_;   // of a bucket
  uint32_t query_count_;
  uint32_t list_ordinal_;
  uint32_t neighbour_count_;
  bool is_full_;         // the current query is ignored
  double exponent_sum_;  // of the queries that have stop_k_max neighbours
  uint32_t exponent_count_;
  float pending_weight_;
  bool has_depth_;
  uint32_t whole_count_;       // queries that depth was learned from
  StopBucketDisk depth_rule_;  // of learn_depth: score at which a query is nearly done, and from there a little further
  float depth_threshold_;
  float end_;  // lists that the current query needs to see
  Bucket buckets_[stop_bucket_count];
  Neighbour neighbours_[stop_k_max];  // ascending
};

}  // namespace strata::policy
