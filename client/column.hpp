// Columns of tables and queries that rows of a file go to or come from, and their values in COPY's binary form.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "core/files/elements.hpp"

namespace strata::client {

enum class ColumnKind { vector, halfvec, reals, integers };

struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::vector;
  uint32_t dim = 0;  // as declared; 0: any
  bool has_integers() const { return kind == ColumnKind::integers; }
  files::Number number() const { return kind == ColumnKind::halfvec ? files::Number::f16 : files::Number::f32; }
};

struct Table {
  std::string name;  // complete and quoted
  std::string oid;
  Column column;
  uint32_t id_size = 0;  // bytes of the id column, 0: none
};

// `column` and `id_column` may be empty.
Table find_table(Connection& connection, std::string const& name, std::string const& column,
                 std::string const& id_column);
// The column of a query, the only one of a fitting type when `column` is empty.
Column find_column(Connection& connection, std::string const& query, std::string const& column);

// A name as it stands in a statement.
std::string quoted(std::string const& name);

// Appends a row of COPY; `values` are floats or int32 as the column wants.
void append_copy_row(Table const& table, int64_t id, uint32_t dim, void const* values, std::string* bytes);

// Reads one value as COPY sends it. Floats for vectors and reals, int32 for integers. Throws Failure for arrays of
// several axes and for NULL elements.
void read_copy_value(Column const& column, std::string_view field, std::vector<char>* values);

}  // namespace strata::client
