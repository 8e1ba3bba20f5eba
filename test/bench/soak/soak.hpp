// Hours of mixed writes and searches on one table: what a soak is told, and what it measures.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "macro/private_server.hpp"
#include "macro/results.hpp"

namespace strata::bench {

struct SoakOptions {
  uint64_t rows = 1000000;
  uint32_t dim = 128;
  double minutes = 30;       // of each engine; of all together when they take turns
  double slice_seconds = 0;  // of a turn; 0: one engine after the other
  std::vector<std::string> engines = {"strata", "pgvector-ivfflat", "pgvector-hnsw"};
  uint32_t clients = 1;  // that search, each its next query when it has the answer
  uint32_t writers = 1;
  double rate = 500;    // rows inserted, updated or deleted a second, all writers together; 0: as many as possible
  uint32_t batch = 10;  // of them a transaction
  uint32_t k = 10;
  double recall = 0.95;  // pgvector's settings are chosen for it at the start; strata's is its default
  double interval_seconds = 60;
  uint32_t recall_queries = 100;
  double drift = 1;            // how far the distribution travels in the whole run
  double vacuum_share = 0.05;  // of the rows that died since the last VACUUM: the next one
  double settle_seconds = 30;  // of rest before the last comparison
  bool index_before_load = false;
  bool compares_with_fresh = true;  // in the end, by REINDEX
  uint64_t seed = 1;
  std::string dsn;
  ServerOptions server;
  std::string csv_path;
  std::string command_line;
};

// What ran in the background while a query was under way. The later one counts.
enum class Background : int { none = 0, vacuum = 1, merge = 2, check = 3 };

struct Latency {
  double p50_us = -1, p99_us = -1;
};

// Figures of one interval; negative: not known, or nothing of the kind happened.
struct SoakSample {
  double minute = 0;
  uint64_t rows = 0;
  double writes_per_second = 0;
  double late_share = 0;  // of the writes asked for so far, those not done yet
  double queries_per_second = 0;
  Latency quiet, merging, vacuuming;
  double merging_share = 0;  // of the interval with something being merged, sealed or trained
  double recall = 0;
  double segments = -1, growing_rows = -1;
  double index_bytes = 0, live_bytes = -1;
  double wal_bytes_per_row = 0;
  double write_amplification = -1;
  double vacuum_seconds = 0;  // of the interval spent in VACUUM
};

// The index at rest, and the same after REINDEX.
struct SoakEnd {
  double recall = -1;
  double cpu_us_per_query = -1;
  double codes_per_query = -1;
  double index_bytes = -1;
  double seconds = -1;  // the REINDEX
};

struct SoakResult {
  std::string name, skipped, failure, setting;
  std::vector<SoakSample> samples;
  double vacuum_seconds = 0;  // all of them, the last one to its end
  uint32_t vacuums = 0;
  SoakEnd churned, fresh;
};

SoakOptions parse_soak_options(int argc, char** argv);
std::string soak_usage();

// Prints each sample when it is there.
SoakResult run_soak(std::string const& engine, SoakOptions const& options, std::string const& dsn);
// All engines of the options, in turns of slice_seconds. Who is not on turn neither searches nor writes, but ends the
// VACUUM it is in, and its background workers go on.
std::vector<SoakResult> run_soaks_in_turns(SoakOptions const& options, std::string const& dsn);

std::string sample_header();
std::string sample_line(SoakSample const& sample, uint32_t dim);
std::string soak_summary(std::vector<SoakResult> const& results, uint32_t dim);
std::string soak_csv(std::vector<SoakResult> const& results, uint32_t dim);

}  // namespace strata::bench
