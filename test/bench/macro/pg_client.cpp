#include "macro/pg_client.hpp"

#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include "macro/failure.hpp"
#include "macro/half.hpp"

namespace strata::bench {
namespace {

void append_big_endian(std::string& out, uint64_t value, int byte_count) {
  for (int shift = (byte_count - 1) * 8; shift >= 0; shift -= 8) out += char((value >> shift) & 0xff);
}

std::string trimmed(char const* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void ignore_notice(void*, PGresult const*) {}

}  // namespace

void append_wire_vector(std::string& out, float const* values, uint32_t dim, Column column) {
  append_big_endian(out, dim, 2);
  append_big_endian(out, 0, 2);
  size_t at = out.size();
  if (column == Column::halfvec) {
    for (uint32_t i = 0; i < dim; ++i) append_big_endian(out, float_to_half(values[i]), 2);
    return;
  }
  out.resize(at + dim * sizeof(float));
  for (uint32_t i = 0; i < dim; ++i, at += sizeof(float)) {
    uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    if constexpr (std::endian::native == std::endian::little) bits = __builtin_bswap32(bits);
    std::memcpy(&out[at], &bits, sizeof bits);
  }
}

Connection::Connection(std::string const& dsn, std::string const& database) : connection_(nullptr, PQfinish) {
  // Only the first dbname is expanded as a connection string; a later one is a plain name and wins.
  char const* keys[] = {"dbname", "application_name", database.empty() ? nullptr : "dbname", nullptr};
  char const* values[] = {dsn.c_str(), "strata-bench", database.empty() ? nullptr : database.c_str(), nullptr};
  // A server that an engine crashed recovers by itself; the engines after it wait for that.
  for (int attempt = 0; attempt < 600 && PQpingParams(keys, values, 1) == PQPING_REJECT; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  connection_.reset(PQconnectdbParams(keys, values, 1));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw Failure("cannot connect: ", trimmed(PQerrorMessage(connection_.get())));
  }
  PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
}

PgResult Connection::check(PGresult* raw, std::string const& what) {
  PgResult result(raw, PQclear);
  ExecStatusType const status = PQresultStatus(raw);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN) return result;
  std::string message = trimmed(PQresultErrorMessage(raw));
  if (message.empty()) message = trimmed(PQerrorMessage(connection_.get()));
  throw Failure(message, " [", what.substr(0, 200), "]");
}

PgResult Connection::exec(std::string const& sql) {
  return check(PQexec(connection_.get(), sql.c_str()), sql);
}

std::string Connection::value(std::string const& sql) {
  PgResult const result = exec(sql);
  if (PQntuples(result.get()) == 0 || PQgetisnull(result.get(), 0, 0)) return "";
  return PQgetvalue(result.get(), 0, 0);
}

double Connection::number(std::string const& sql) {
  std::string const text = value(sql);
  return text.empty() ? 0.0 : std::stod(text);
}

void Connection::prepare(std::string const& name, std::string const& sql) {
  check(PQprepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr), sql);
}

PgResult Connection::run_prepared(std::string const& name, std::vector<std::pair<char const*, int>> const& parameters) {
  constexpr size_t max_parameters = 8;
  char const* values[max_parameters];
  int lengths[max_parameters], formats[max_parameters];
  if (parameters.size() > max_parameters) throw Failure("too many parameters");
  for (size_t i = 0; i < parameters.size(); ++i) {
    values[i] = parameters[i].first;
    lengths[i] = parameters[i].second;
    formats[i] = 1;
  }
  return check(PQexecPrepared(connection_.get(), name.c_str(), int(parameters.size()), values, lengths, formats, 1),
               name);
}

void Connection::begin_copy(std::string const& sql) {
  exec(sql);
}

void Connection::put_copy(std::string const& bytes) {
  if (PQputCopyData(connection_.get(), bytes.data(), int(bytes.size())) != 1) {
    throw Failure("COPY: ", trimmed(PQerrorMessage(connection_.get())));
  }
}

void Connection::end_copy() {
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) {
    throw Failure("COPY: ", trimmed(PQerrorMessage(connection_.get())));
  }
  check(PQgetResult(connection_.get()), "COPY");
  while (PGresult* rest = PQgetResult(connection_.get())) PQclear(rest);
}

bool Connection::is_local() const {
  char const* host = PQhost(connection_.get());
  char const* address = PQhostaddr(connection_.get());
  if (host == nullptr || host[0] == '/' || host[0] == '\0') return true;
  std::string const seen = address == nullptr ? "" : address;
  return seen == "127.0.0.1" || seen == "::1";
}

std::string Connection::quote_literal(std::string const& text) {
  std::unique_ptr<char, decltype(&PQfreemem)> quoted(PQescapeLiteral(connection_.get(), text.data(), text.size()),
                                                     PQfreemem);
  if (!quoted) throw Failure("cannot quote \"", text, "\"");
  return quoted.get();
}

std::string Connection::quote_name(std::string const& text) {
  std::unique_ptr<char, decltype(&PQfreemem)> quoted(PQescapeIdentifier(connection_.get(), text.data(), text.size()),
                                                     PQfreemem);
  if (!quoted) throw Failure("cannot quote \"", text, "\"");
  return quoted.get();
}

CopyWriter::CopyWriter(Connection& connection, std::string const& table, Column column, bool with_label)
    : connection_(connection), column_(column), with_label_(with_label) {
  connection_.begin_copy("COPY " + table + (with_label ? " (id, v, label)" : " (id, v)") +
                         " FROM STDIN (FORMAT binary)");
  buffer_.assign("PGCOPY\n\377\r\n\0", 11);
  append_big_endian(buffer_, 0, 4);
  append_big_endian(buffer_, 0, 4);
}

void CopyWriter::add(int64_t id, float const* values, uint32_t dim, int32_t label) {
  append_big_endian(buffer_, with_label_ ? 3 : 2, 2);
  append_big_endian(buffer_, 8, 4);
  append_big_endian(buffer_, uint64_t(id), 8);
  append_big_endian(buffer_, 4 + uint64_t(dim) * (column_ == Column::halfvec ? 2 : 4), 4);
  append_wire_vector(buffer_, values, dim, column_);
  if (with_label_) {
    append_big_endian(buffer_, 4, 4);
    append_big_endian(buffer_, uint32_t(label), 4);
  }
  if (buffer_.size() >= (size_t(1) << 18)) {
    connection_.put_copy(buffer_);
    buffer_.clear();
  }
}

void CopyWriter::finish() {
  append_big_endian(buffer_, 0xffff, 2);
  connection_.put_copy(buffer_);
  buffer_.clear();
  connection_.end_copy();
}

int64_t process_cpu_ns(int pid) {
  std::string const directory = concat("/proc/", pid, "/");
  // Nanoseconds, where the kernel keeps them; else clock ticks of user and system time (fields 14 and 15).
  if (std::ifstream precise(directory + "schedstat"); precise) {
    int64_t on_cpu = 0;
    if (precise >> on_cpu) return on_cpu;
  }
  std::ifstream file(directory + "stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  size_t const after_name = text.rfind(')');
  if (after_name == std::string::npos) return -1;
  unsigned long user = 0, system = 0;
  if (std::sscanf(text.c_str() + after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                  &system) != 2) {
    return -1;
  }
  return int64_t(user + system) * (1000000000 / ::sysconf(_SC_CLK_TCK));
}

}  // namespace strata::bench
