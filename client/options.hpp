// The command line.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strata::client {

enum class Command { import_rows, export_rows, help, version };

struct Options {
  Command command = Command::help;
  std::string table;  // import: a table; export: a table or a query
  std::string path;
  std::string format = "auto";
  std::string dataset = "train";
  std::string column;
  std::string id_column;
  int64_t first_id = 0;
  bool skip_bad_rows = false;
  uint32_t dimensions = 0;  // 0: those of the column
  uint64_t skip_rows = 0;
  uint64_t max_rows = UINT64_MAX;
  uint64_t batch_rows = 100000;
  bool resume = false;
  bool restart = false;
  bool overwrite = false;
  bool append = false;
  std::string distance;  // attribute of an HDF5 file
  bool quiet = false;
  // Connection; empty: libpq's defaults and environment.
  std::string host, port, user, database;
  bool never_ask = false;
};

// Throws UsageFailure.
Options parse_options(std::vector<std::string> const& arguments);

extern char const help_text[];

}  // namespace strata::client
