// What one run found out; filled by the engines, printed and written by the report.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "macro/workload.hpp"

namespace strata::bench {

using NamedValues = std::vector<std::pair<std::string, std::string>>;

// "a=1 b=2"; "defaults" when empty.
std::string setting_label(NamedValues const& values);

struct SearchPoint {
  NamedValues setting;
  uint32_t k = 0;
  double share = 1.0;  // of the rows that pass the filter; 1: no filter
  uint32_t clients = 0;
  Recall recall;
  Speed speed;
  bool uses_index = true;
};

struct WriteResult {
  std::string how;  // multi-row, copy, single-row
  uint32_t clients = 1;
  uint64_t rows = 0;
  double us_per_row = 0;
  double plain_us_per_row = 0;  // the same rows into the same table without the index, just before
};

struct VacuumResult {
  double share = 0;  // of the rows deleted
  uint64_t rows = 0;
  double delete_seconds = 0;
  double vacuum_seconds = 0;
};

// One pass over the queries with default settings, by one client, after a restart of the server.
struct RestartResult {
  std::string how;
  uint32_t k = 0;
  Recall recall;
  Speed speed;
  double index_blocks = 0;  // read into shared buffers, a query
  double table_blocks = 0;  // the same of the table and its TOAST table
};

struct EngineResult {
  std::string name;
  std::string version;
  std::string definition;  // of the index
  std::string skipped;     // why nothing was measured; empty when it was
  std::string failure;     // the error that ended the measurement early; empty when none did
  std::vector<std::string> notes;
  double load_seconds = -1;
  double build_seconds = -1;  // -1: the index existed before the load
  int64_t index_bytes = -1;
  int64_t raw_bytes = 0;
  std::vector<SearchPoint> points;
  std::vector<RestartResult> restarts;
  std::vector<WriteResult> writes;
  std::vector<VacuumResult> vacuums;
};

}  // namespace strata::bench
