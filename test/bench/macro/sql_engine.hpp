// An index access method under test, through SQL: strata's ivf, pgvector's ivfflat and hnsw. They share this code,
// so that nothing but the CREATE INDEX statement and the settings differ.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "macro/options.hpp"
#include "macro/results.hpp"
#include "macro/tasks.hpp"

namespace strata::bench {

// The inputs every engine works on. References outlive the engines.
struct Workbench {
  Options const& options;
  Matrix const& base;
  Matrix const& queries;
  std::vector<Task> const& tasks;
  std::vector<int32_t> const& labels;  // of the base rows; empty when no task has a filter
  std::string dsn;
  PrivateServer* server = nullptr;  // null: a server of others, which is not restarted
};

struct SqlEngineSpec {
  std::string name;       // as in --engines
  std::string extension;  // as in CREATE EXTENSION
  std::string method;     // as in USING
  std::string with;       // index options, without the parentheses
  std::vector<Sweep> sweeps;
  bool filter_in_index = false;  // the index takes filter columns after the vector
  NamedValues filter_settings;   // what a filtered search needs to find k rows
};

// The three engines this program knows, with the sweeps and options that suit the number of rows.
SqlEngineSpec strata_spec(uint64_t rows);
SqlEngineSpec pgvector_ivfflat_spec(uint64_t rows);
SqlEngineSpec pgvector_hnsw_spec(uint64_t rows);

EngineResult run_sql_engine(SqlEngineSpec spec, Workbench const& bench);

}  // namespace strata::bench
