#include "connection.hpp"

#include <termios.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>

#include "failure.hpp"

namespace strata::client {
namespace {

void print_notice(void* /* argument */, char const* message) {
  std::fprintf(stderr, "strata-file: %s", message);
}

std::string ask_password() {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> terminal(std::fopen("/dev/tty", "r+"), std::fclose);
  if (!terminal) throw Failure("the server wants a password: use ~/.pgpass or PGPASSWORD");
  termios shown;
  int const descriptor = fileno(terminal.get());
  bool const is_terminal = tcgetattr(descriptor, &shown) == 0;
  if (is_terminal) {
    termios hidden = shown;
    hidden.c_lflag &= ~tcflag_t{ECHO};
    tcsetattr(descriptor, TCSAFLUSH, &hidden);
  }
  std::fputs("Password: ", terminal.get());
  std::fflush(terminal.get());
  char line[1024] = "";
  char const* const got = std::fgets(line, sizeof line, terminal.get());
  if (is_terminal) tcsetattr(descriptor, TCSAFLUSH, &shown);
  std::fputs("\n", terminal.get());
  if (!got) throw Failure("no password");
  line[std::strcspn(line, "\n")] = '\0';
  return line;
}

PGconn* connect(Options const& options, std::string const& password) {
  std::vector<char const*> names, values;
  auto const add = [&](char const* name, std::string const& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  std::string const program = "strata-file", encoding = "UTF8";
  // The database first: it may be a connection string, which the others then change.
  add("dbname", options.database);
  add("host", options.host);
  add("port", options.port);
  add("user", options.user);
  add("password", password);
  add("fallback_application_name", program);
  add("client_encoding", encoding);
  names.push_back(nullptr);
  values.push_back(nullptr);
  return PQconnectdbParams(names.data(), values.data(), 1);
}

std::string trimmed(char const* message) {
  std::string text = message ? message : "";
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Connection::Connection(Options const& options) : connection_(connect(options, ""), PQfinish) {
  PGconn* raw = connection_.get();
  if (PQstatus(raw) == CONNECTION_BAD && PQconnectionNeedsPassword(raw) != 0 && !options.never_ask) {
    connection_.reset(connect(options, ask_password()));
    raw = connection_.get();
  }
  if (PQstatus(raw) != CONNECTION_OK) throw Failure(trimmed(PQerrorMessage(raw)));
  PQsetNoticeProcessor(raw, print_notice, nullptr);
  // Names in our statements are complete; those that a user gives are looked up in his own path.
  run("SET standard_conforming_strings = on");
}

void Connection::fail(PGresult const* result) {
  std::string const message = trimmed(result ? PQresultErrorMessage(result) : nullptr);
  throw Failure(message.empty() ? trimmed(PQerrorMessage(connection_.get())) : message);
}

Result Connection::run(std::string const& statement, std::vector<std::string> const& parameters) {
  std::vector<char const*> values;
  for (std::string const& parameter : parameters) values.push_back(parameter.c_str());
  Result result(PQexecParams(connection_.get(), statement.c_str(), static_cast<int>(values.size()), nullptr,
                             values.data(), nullptr, nullptr, 0));
  ExecStatusType const status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result.get());
  return result;
}

Result Connection::describe(std::string const& query) {
  Result const prepared(PQprepare(connection_.get(), "", query.c_str(), 0, nullptr));
  if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) fail(prepared.get());
  Result described(PQdescribePrepared(connection_.get(), ""));
  if (PQresultStatus(described.get()) != PGRES_COMMAND_OK) fail(described.get());
  return described;
}

void Connection::begin_copy_in(std::string const& statement) {
  Result const result(PQexec(connection_.get(), statement.c_str()));
  if (PQresultStatus(result.get()) != PGRES_COPY_IN) fail(result.get());
}

void Connection::send_copy(std::string_view bytes) {
  if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(bytes.size())) == 1) return;
  // The server's own words, if it has said some.
  Result const result(PQgetResult(connection_.get()));
  fail(result.get());
}

uint64_t Connection::end_copy_in() {
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) fail(nullptr);
  Result const result(PQgetResult(connection_.get()));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get());
  std::string_view const count = PQcmdTuples(result.get());
  Result const last(PQgetResult(connection_.get()));
  uint64_t rows = 0;
  std::from_chars(count.data(), count.data() + count.size(), rows);
  return rows;
}

void Connection::begin_copy_out(std::string const& statement) {
  Result const result(PQexec(connection_.get(), statement.c_str()));
  if (PQresultStatus(result.get()) != PGRES_COPY_OUT) fail(result.get());
}

bool Connection::receive_copy(std::string* bytes) {
  char* buffer = nullptr;
  int const size = PQgetCopyData(connection_.get(), &buffer, 0);
  if (size > 0) {
    bytes->assign(buffer, static_cast<size_t>(size));
    PQfreemem(buffer);
    return true;
  }
  if (size == -2) fail(nullptr);
  Result const result(PQgetResult(connection_.get()));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) fail(result.get());
  Result const last(PQgetResult(connection_.get()));
  return false;
}

}  // namespace strata::client
