// Insert rates into the indexed table beside the same table without the index, and VACUUM after deletes.
#pragma once
#include <string>
#include <vector>

#include "macro/sql_engine.hpp"

namespace strata::bench {

class WriteBench {
 public:
  WriteBench(Workbench const& bench, std::string engine, std::string database)
      : bench_(bench), engine_(std::move(engine)), database_(std::move(database)) {}

  // One multi-row statement (INSERT ... SELECT from a staging table, so that no client time is in it), COPY and
  // committed single-row statements, the latter two with each number of clients.
  std::vector<WriteResult> measure_inserts(Connection& connection) const;

  // Deletes a share of the loaded rows that is spread over the whole table, then times VACUUM. Shares add up.
  std::vector<VacuumResult> measure_vacuums(Connection& connection) const;

 private:
  enum class Way { multi_row, copy, single_row };
  double insert_us_per_row(Connection& connection, Way way, std::string const& table, uint32_t clients,
                           Matrix const& rows, int64_t first_id) const;
  double run_clients(Way way, std::string const& table, uint32_t clients, Matrix const& rows, int64_t first_id) const;
  void insert_part(Connection& connection, Way way, std::string const& table, Matrix const& rows, uint64_t first,
                   uint64_t last, int64_t first_id) const;

  Workbench const& bench_;
  std::string engine_, database_;
};

// Base rows chosen at random, each component moved by noise of 1 % of its standard deviation: rows of the same
// distribution that are not copies, which some indexes store more cheaply.
Matrix make_insert_rows(Matrix const& base, uint64_t count, uint64_t seed);

}  // namespace strata::bench
