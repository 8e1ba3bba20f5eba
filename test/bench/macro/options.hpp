// The command line.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "macro/metric.hpp"
#include "macro/pg_client.hpp"
#include "macro/private_server.hpp"
#include "macro/readers.hpp"
#include "macro/results.hpp"

namespace strata::bench {

// --sweep engine:setting=v1,v2
struct Sweep {
  std::string engine;
  std::string setting;
  std::vector<std::string> values;
};

// How the private server is started again, to search once more.
enum class Restart {
  cold,   // its files dropped from the cache of the operating system, as far as that can be asked for
  small,  // shared_buffers a tenth of the index
};

// --with engine:option=value and --after-build engine:sql
struct EngineText {
  std::string engine;
  std::string text;
};

struct Options {
  // data
  std::string base_path, query_path, truth_path, cache_dir;
  ReadOptions read;
  uint64_t held_out_queries = 0;
  uint64_t query_limit = 0;
  Metric metric = Metric::l2;
  // what to run
  std::vector<std::string> engines = {"strata", "pgvector-ivfflat", "pgvector-hnsw", "faiss-ivfpq", "faiss-ivfflat"};
  std::vector<uint32_t> k = {10};
  std::vector<uint32_t> clients = {1};
  double seconds = 5;
  bool idle_spins = false;  // processors without work are kept from sleeping
  double recall_seconds = 60;
  double stop_recall = 0.999;
  uint32_t rounds = 1;
  std::vector<double> filter_shares;
  bool filter_by_region = false;  // labels are held by neighbouring rows
  std::vector<Sweep> sweeps;
  std::vector<EngineText> with, after_build;
  NamedValues session_settings;
  bool index_before_load = false;
  Column column = Column::vector;
  std::string storage;  // of the vector column; empty: the type's own
  double settle_seconds = 0;
  std::vector<Restart> restarts;
  uint64_t faiss_lists = 0;
  uint64_t faiss_codes = 0;
  // writes
  uint64_t insert_rows = 2000;
  std::vector<uint32_t> insert_clients = {1};
  uint32_t insert_rounds = 3;
  std::vector<double> vacuum_shares = {0.01};
  // server
  std::string dsn;
  ServerOptions server;
  // results
  std::string out_dir;
  // generator
  std::string generate_shape;
  uint64_t generate_rows = 0;
  uint64_t seed = 1;
  std::string output_path;

  std::string command_line;
};

// Throws Failure on anything it does not understand.
Options parse_options(int argc, char** argv);
std::string usage();

}  // namespace strata::bench
