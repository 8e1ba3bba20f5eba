// Closed-loop search by a number of clients, and the recall of one pass over all queries.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "macro/ground_truth.hpp"

namespace strata::bench {

// One client. Used by one thread at a time.
class Session {
 public:
  virtual ~Session() = default;
  // Row numbers, nearest first. `ids` is overwritten.
  virtual void search(uint32_t query, std::vector<int64_t>* ids) = 0;
  // Processor time spent on the side that searches so far; -1 when unknown.
  virtual int64_t cpu_ns() = 0;
};

using OpenSession = std::function<std::unique_ptr<Session>()>;

struct Recall {
  double mean = 0;
  double lowest_decile = 0;    // mean over the worst tenth of the queries
  uint64_t short_answers = 0;  // queries that returned fewer than k rows
  uint32_t queries = 0;
};

// One pass over the queries, cut short after `seconds`, but not before 100 queries.
Recall measure_recall(Session& session, RecallJudge const& judge, uint32_t query_count, double seconds);

struct Speed {
  double queries_per_second = 0;
  double p50_us = 0, p95_us = 0, p99_us = 0;
  double cpu_us_per_query = -1;  // -1: unknown
  uint64_t queries = 0;
};

// One pass over all queries: its recall, and its times in `speed`.
Recall measure_pass(Session& session, RecallJudge const& judge, uint32_t query_count, Speed* speed);

// Every client sends its next query when it has the answer to the last one, until `seconds` are over. Clients start at
// different queries. An error of any client stops all and is thrown.
Speed measure_speed(OpenSession const& open, uint32_t clients, double seconds, uint32_t query_count);

// The same `rounds` times; the round with the median rate.
Speed measure_speed_median(OpenSession const& open, uint32_t clients, double seconds, uint32_t query_count,
                           uint32_t rounds);

// `values` is reordered. 0 when empty.
double percentile(std::vector<uint64_t>& values, double share);

// Set from a signal handler; loops end with a Failure.
extern volatile bool interrupted;
void check_interrupted();

}  // namespace strata::bench
