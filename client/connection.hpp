// libpq with results and errors as C++ values.
#pragma once
#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace strata::client {

class Result {
 public:
  explicit Result(PGresult* result) : result_(result, PQclear) {}
  PGresult* get() const { return result_.get(); }
  int row_count() const { return PQntuples(get()); }
  std::string text(int row, int column) const { return PQgetvalue(get(), row, column); }
  bool is_null(int row, int column) const { return PQgetisnull(get(), row, column) != 0; }

 private:
  std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

class Connection {
 public:
  // Asks for a password at the terminal when the server wants one and nothing else has it.
  explicit Connection(Options const& options);

  // All throw Failure with the server's message.
  Result run(std::string const& statement, std::vector<std::string> const& parameters = {});
  // The columns that a query returns.
  Result describe(std::string const& query);

  void begin_copy_in(std::string const& statement);
  void send_copy(std::string_view bytes);
  // Returns the rows that were inserted.
  uint64_t end_copy_in();

  void begin_copy_out(std::string const& statement);
  // False after the last bytes.
  bool receive_copy(std::string* bytes);

 private:
  [[noreturn]] void fail(PGresult const* result);
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

}  // namespace strata::client
