// A connection to the server through libpq, reduced to what the benchmark does: errors become Failure.
#pragma once
#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace strata::bench {

// Which C type of the extension holds the vectors.
enum class Column { vector, halfvec };

using PgResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

// Binary wire form: int16 dimension, int16 zero, then big-endian float4 (vector) or float2 (halfvec).
void append_wire_vector(std::string& out, float const* values, uint32_t dim, Column column);

class Connection {
 public:
  // `dsn` is a libpq connection string; a database name, when not empty, overrides the one in it.
  Connection(std::string const& dsn, std::string const& database);

  PgResult exec(std::string const& sql);
  // First column of the first row; empty when there is no row or it is NULL.
  std::string value(std::string const& sql);
  double number(std::string const& sql);

  void prepare(std::string const& name, std::string const& sql);
  // Parameters in binary form; the result is binary too.
  PgResult run_prepared(std::string const& name, std::vector<std::pair<char const*, int>> const& parameters);

  void begin_copy(std::string const& sql);
  void put_copy(std::string const& bytes);
  void end_copy();

  int backend_pid() const { return PQbackendPID(connection_.get()); }
  int server_version() const { return PQserverVersion(connection_.get()); }
  bool is_local() const;  // the server runs on this machine: its /proc entries are ours to read

  std::string quote_literal(std::string const& text);
  std::string quote_name(std::string const& text);

 private:
  PgResult check(PGresult* result, std::string const& what);

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

// Rows (id bigint, v vector [, label int]) through COPY ... FROM STDIN (FORMAT binary).
class CopyWriter {
 public:
  CopyWriter(Connection& connection, std::string const& table, Column column, bool with_label = false);
  void add(int64_t id, float const* values, uint32_t dim, int32_t label = -1);
  void finish();

 private:
  Connection& connection_;
  Column column_;
  bool with_label_;
  std::string buffer_;
};

// Nanoseconds of processor time of a process on this machine; -1 when it cannot be told.
int64_t process_cpu_ns(int pid);

}  // namespace strata::bench
