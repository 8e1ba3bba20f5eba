#include "column.hpp"

#include <cstring>
#include <optional>

#include "core/base/limits.hpp"
#include "core/files/copy_stream.hpp"
#include "core/files/little_endian.hpp"
#include "core/math/half.hpp"
#include "core/text/vector_wire.hpp"
#include "failure.hpp"

namespace strata::client {
namespace {

using files::load_big;
using files::store_big;

constexpr uint32_t oid_of_int4 = 23, oid_of_float4 = 700;

// The name of the type, or of the type that it is a domain over.
constexpr char const base_type[] =
    "(WITH RECURSIVE base AS (SELECT t.* FROM pg_catalog.pg_type t WHERE t.oid = %s UNION ALL"
    " SELECT t.* FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')"
    " SELECT typname FROM base WHERE typtype <> 'd')";

std::string base_type_of(std::string const& oid) {
  std::string text = base_type;
  return text.replace(text.find("%s"), 2, oid);
}

std::optional<ColumnKind> kind_of(std::string const& type) {
  if (type == "vector") return ColumnKind::vector;
  if (type == "halfvec") return ColumnKind::halfvec;
  if (type == "_float4") return ColumnKind::reals;
  if (type == "_int4") return ColumnKind::integers;
  return std::nullopt;
}

uint32_t declared_dim(ColumnKind kind, int typmod) {
  return (kind == ColumnKind::vector || kind == ColumnKind::halfvec) && typmod > 0 ? static_cast<uint32_t>(typmod) : 0;
}

// One candidate; `name` is what the user asks for.
void consider(std::string const& name, std::string const& type, int typmod, std::string const& wanted, Column* found) {
  if (!wanted.empty() && name != wanted) return;
  auto const kind = kind_of(type);
  if (!kind && wanted.empty()) return;
  if (!kind) throw Failure("column \"", name, "\" is no vector, halfvec, real[] or integer[]");
  if (!found->name.empty()) throw Failure("there are several columns with vectors: name one with --column");
  *found = {name, *kind, declared_dim(*kind, typmod)};
}

void require_found(Column const& found, std::string const& wanted, std::string const& where) {
  if (!found.name.empty()) return;
  if (!wanted.empty()) throw Failure(where, " has no column \"", wanted, "\"");
  throw Failure(where, " has no column of type vector, halfvec, real[] or integer[]");
}

void append_big(std::string* bytes, auto number) {
  char encoded[sizeof number];
  store_big(number, encoded);
  bytes->append(encoded, sizeof encoded);
}

void append_array(ColumnKind kind, uint32_t dim, void const* values, std::string* bytes) {
  append_big(bytes, static_cast<int32_t>(5 * sizeof(int32_t) + dim * 2 * sizeof(int32_t)));
  append_big(bytes, int32_t{1});  // axes
  append_big(bytes, int32_t{0});  // no NULLs
  append_big(bytes, kind == ColumnKind::integers ? oid_of_int4 : oid_of_float4);
  append_big(bytes, static_cast<int32_t>(dim));
  append_big(bytes, int32_t{1});  // first index
  for (uint32_t i = 0; i < dim; ++i) {
    uint32_t word;
    std::memcpy(&word, static_cast<char const*>(values) + i * sizeof word, sizeof word);
    append_big(bytes, static_cast<int32_t>(sizeof word));
    append_big(bytes, word);
  }
}

void append_id(int64_t id, uint32_t id_size, std::string* bytes) {
  append_big(bytes, static_cast<int32_t>(id_size));
  char encoded[sizeof id];
  store_big(id, encoded);
  bytes->append(encoded + sizeof id - id_size, id_size);
}

// A field that is read piece by piece, never beyond its end.
struct Field {
  std::string_view bytes;
  template <class Number>
  Number take() {
    if (bytes.size() < sizeof(Number)) throw Failure("the server sent a value that is too short");
    auto const number = load_big<Number>(bytes.data());
    bytes.remove_prefix(sizeof number);
    return number;
  }
};

void read_array(Field field, std::vector<char>* values) {
  int32_t const axes = field.take<int32_t>();
  field.take<int32_t>();
  field.take<uint32_t>();
  if (axes != 1) throw Failure("an array has ", axes, " axes, one is needed");
  auto const count = static_cast<size_t>(std::max(0, field.take<int32_t>()));
  field.take<int32_t>();
  if (field.bytes.size() / 4 < count) throw Failure("an array holds NULLs");
  values->resize(count * sizeof(uint32_t));
  for (size_t i = 0; i < count; ++i) {
    if (field.take<int32_t>() != sizeof(uint32_t)) throw Failure("an array holds NULLs");
    auto const word = field.take<uint32_t>();
    std::memcpy(values->data() + i * sizeof word, &word, sizeof word);
  }
}

}  // namespace

std::string quoted(std::string const& name) {
  std::string text = "\"";
  for (char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

Table find_table(Connection& connection, std::string const& name, std::string const& column,
                 std::string const& id_column) {
  Table table;
  Result const found = connection.run(
      "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c"
      " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::pg_catalog.regclass",
      {name});
  if (found.row_count() != 1) throw Failure("there is no table \"", name, "\"");
  table.oid = found.text(0, 0);
  table.name = found.text(0, 1);
  Result const columns =
      connection.run("SELECT a.attname, " + base_type_of("a.atttypid") +
                         ", a.atttypmod, a.attgenerated <> '' FROM pg_catalog.pg_attribute a"
                         " WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped"
                         " ORDER BY a.attnum",
                     {table.oid});
  for (int i = 0; i < columns.row_count(); ++i) {
    std::string const candidate = columns.text(i, 0), type = columns.text(i, 1);
    if (columns.text(i, 3) == "t" && candidate != column) continue;
    if (!id_column.empty() && candidate == id_column) {
      table.id_size = type == "int2" ? 2 : type == "int4" ? 4 : type == "int8" ? 8 : 0;
      if (table.id_size == 0) throw Failure("column \"", id_column, "\" is no smallint, integer or bigint");
    }
    consider(candidate, type, std::stoi(columns.text(i, 2)), column, &table.column);
  }
  require_found(table.column, column, "table " + table.name);
  if (!id_column.empty() && table.id_size == 0)
    throw Failure("table ", table.name, " has no column \"", id_column, "\"");
  return table;
}

Column find_column(Connection& connection, std::string const& query, std::string const& column) {
  Result const described = connection.describe(query);
  Column found;
  for (int i = 0; i < PQnfields(described.get()); ++i) {
    Result const type =
        connection.run("SELECT " + base_type_of("$1::pg_catalog.oid"), {std::to_string(PQftype(described.get(), i))});
    consider(PQfname(described.get(), i), type.text(0, 0), PQfmod(described.get(), i), column, &found);
  }
  require_found(found, column, "the query");
  return found;
}

void append_copy_row(Table const& table, int64_t id, uint32_t dim, void const* values, std::string* bytes) {
  ColumnKind const kind = table.column.kind;
  if (kind == ColumnKind::vector || kind == ColumnKind::halfvec) {
    files::CopyColumns const columns{table.id_size, table.column.number()};
    size_t const start = bytes->size();
    bytes->resize(start + files::copy_row_size(columns, dim));
    files::write_copy_row(columns, id, dim, static_cast<float const*>(values), bytes->data() + start);
    return;
  }
  append_big(bytes, static_cast<int16_t>(table.id_size == 0 ? 1 : 2));
  if (table.id_size != 0) append_id(id, table.id_size, bytes);
  append_array(kind, dim, values, bytes);
}

void read_copy_value(Column const& column, std::string_view bytes, std::vector<char>* values) {
  Field field{bytes};
  if (column.kind == ColumnKind::reals || column.kind == ColumnKind::integers) return read_array(field, values);
  auto const dim = static_cast<uint32_t>(field.take<uint16_t>());
  field.take<int16_t>();
  size_t const size = column.kind == ColumnKind::vector ? sizeof(float) : sizeof(uint16_t);
  if (field.bytes.size() != dim * size) throw Failure("the server sent a vector that is too short");
  values->resize(dim * sizeof(float));
  if (column.kind == ColumnKind::vector) return text::swap_words32(dim, field.bytes.data(), values->data());
  for (uint32_t i = 0; i < dim; ++i) {
    float const value = math::half_to_float(field.take<uint16_t>());
    std::memcpy(values->data() + i * sizeof value, &value, sizeof value);
  }
}

}  // namespace strata::client
