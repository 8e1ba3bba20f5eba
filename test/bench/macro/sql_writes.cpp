#include "macro/sql_writes.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "macro/failure.hpp"
#include "macro/generate.hpp"
#include "macro/progress.hpp"

namespace strata::bench {

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Matrix make_insert_rows(Matrix const& base, uint64_t count, uint64_t seed) {
  uint32_t const dim = base.dim();
  std::vector<double> sums(dim), squares(dim);
  uint64_t const step = std::max<uint64_t>(1, base.rows() / 1000);
  double sampled = 0;
  for (uint64_t row = 0; row < base.rows(); row += step, ++sampled) {
    for (uint32_t i = 0; i < dim; ++i) {
      sums[i] += base.row(row)[i];
      squares[i] += double(base.row(row)[i]) * base.row(row)[i];
    }
  }
  Generator random(seed);
  Matrix rows(count, dim);
  for (uint64_t row = 0; row < count; ++row) {
    float const* origin = base.row(random.below(base.rows()));
    for (uint32_t i = 0; i < dim; ++i) {
      double const variance = std::max(0.0, squares[i] / sampled - (sums[i] / sampled) * (sums[i] / sampled));
      rows.row(row)[i] = float(origin[i] + 0.01 * std::sqrt(variance) * random.normal());
    }
  }
  return rows;
}

void WriteBench::insert_part(Connection& connection, Way way, std::string const& table, Matrix const& rows,
                             uint64_t first, uint64_t last, int64_t first_id) const {
  Column const column = bench_.options.column;
  if (way == Way::copy) {
    CopyWriter writer(connection, table, column);
    for (uint64_t row = first; row < last; ++row) writer.add(first_id + int64_t(row), rows.row(row), rows.dim());
    writer.finish();
    return;
  }
  std::string wire;
  for (uint64_t row = first; row < last; ++row) {
    check_interrupted();
    wire.clear();
    append_wire_vector(wire, rows.row(row), rows.dim(), column);
    uint64_t const id = __builtin_bswap64(uint64_t(first_id) + row);
    connection.run_prepared("add", {{reinterpret_cast<char const*>(&id), 8}, {wire.data(), int(wire.size())}});
  }
}

double WriteBench::run_clients(Way way, std::string const& table, uint32_t clients, Matrix const& rows,
                               int64_t first_id) const {
  std::exception_ptr error;
  std::mutex error_lock;
  std::barrier<> ready{long(clients) + 1};
  std::vector<std::thread> threads;
  auto remember = [&] {
    std::lock_guard guard(error_lock);
    if (!error) error = std::current_exception();
  };
  for (uint32_t c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      std::unique_ptr<Connection> connection;
      try {
        connection = std::make_unique<Connection>(bench_.dsn, database_);
        // Libraries and catalog entries are loaded once a session; that is not part of the rate.
        connection->exec("SELECT '[1]'::vector");
        connection->exec("SELECT id FROM " + table + " LIMIT 1");
        if (way == Way::single_row) {
          connection->prepare("add", concat("INSERT INTO ", table, " (id, v) VALUES ($1::bigint, $2::",
                                            bench_.options.column == Column::halfvec ? "halfvec" : "vector", ")"));
        }
      } catch (...) {
        remember();
      }
      ready.arrive_and_wait();
      if (!connection) return;
      try {
        uint64_t const first = rows.rows() * c / clients, last = rows.rows() * (c + 1) / clients;
        insert_part(*connection, way, table, rows, first, last, first_id);
      } catch (...) {
        remember();
      }
    });
  }
  ready.arrive_and_wait();
  Stopwatch watch;
  for (std::thread& thread : threads) thread.join();
  double const seconds = watch.seconds();
  if (error) std::rethrow_exception(error);
  return seconds;
}

double WriteBench::insert_us_per_row(Connection& connection, Way way, std::string const& table, uint32_t clients,
                                     Matrix const& rows, int64_t first_id) const {
  double seconds = 0;
  if (way == Way::multi_row) {
    connection.exec("CREATE TEMPORARY TABLE staging (LIKE items)");
    insert_part(connection, Way::copy, "staging", rows, 0, rows.rows(), first_id);
    connection.exec("SELECT count(*) FROM staging");
    Stopwatch watch;
    connection.exec("INSERT INTO " + table + " SELECT id, v FROM staging");
    seconds = watch.seconds();
    connection.exec("DROP TABLE staging");
  } else {
    seconds = run_clients(way, table, clients, rows, first_id);
  }
  return seconds * 1e6 / double(rows.rows());
}

std::vector<WriteResult> WriteBench::measure_inserts(Connection& connection) const {
  struct Kind {
    Way way;
    char const* name;
  };
  constexpr Kind kinds[] = {{Way::multi_row, "multi-row"}, {Way::copy, "copy"}, {Way::single_row, "single-row"}};
  std::vector<WriteResult> results;
  int64_t next_id = int64_t(1) << 40;
  uint64_t seed = bench_.options.seed + 1000;
  for (Kind const& kind : kinds) {
    std::vector<uint32_t> const clients =
        kind.way == Way::multi_row ? std::vector<uint32_t>{1} : bench_.options.insert_clients;
    for (uint32_t count : clients) {
      std::vector<double> plain, indexed;
      for (uint32_t round = 0; round < bench_.options.insert_rounds; ++round) {
        Matrix const rows = make_insert_rows(bench_.base, bench_.options.insert_rows, seed++);
        connection.exec("CHECKPOINT");
        plain.push_back(insert_us_per_row(connection, kind.way, "items_plain", count, rows, next_id));
        indexed.push_back(insert_us_per_row(connection, kind.way, "items", count, rows, next_id));
        next_id += int64_t(rows.rows());
      }
      WriteResult const result{kind.name, count, bench_.options.insert_rows, median(indexed), median(plain)};
      progress(engine_, ": ", kind.name, " insert, ", count, " clients: ", result.us_per_row,
               " us a row, without index ", result.plain_us_per_row);
      results.push_back(result);
    }
  }
  return results;
}

std::vector<VacuumResult> WriteBench::measure_vacuums(Connection& connection) const {
  std::vector<VacuumResult> results;
  double from = 0;
  for (double share : bench_.options.vacuum_shares) {
    VacuumResult result;
    result.share = share;
    double const to = from + share;
    Stopwatch deleting;
    // A multiplicative hash of the id spreads the deleted rows evenly; successive shares take disjoint ranges of it.
    PgResult const deleted = connection.exec(concat("DELETE FROM items WHERE id < ", bench_.base.rows(),
                                                    " AND id * 2654435761 % 1000003 >= ", uint64_t(from * 1000003),
                                                    " AND id * 2654435761 % 1000003 < ", uint64_t(to * 1000003)));
    result.delete_seconds = deleting.seconds();
    result.rows = std::strtoull(PQcmdTuples(deleted.get()), nullptr, 10);
    connection.exec("CHECKPOINT");
    Stopwatch vacuuming;
    connection.exec("VACUUM (INDEX_CLEANUP on) items");
    result.vacuum_seconds = vacuuming.seconds();
    progress(engine_, ": VACUUM after deleting ", result.rows, " rows: ", result.vacuum_seconds, " s");
    results.push_back(result);
    from = to;
  }
  return results;
}

}  // namespace strata::bench
