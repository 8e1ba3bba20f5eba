// strata.export_file(): the vectors of a table or query, written to a file of the server.
#include "pg/entry.hpp"

#include "core/files/npy.hpp"
#include "pg/compat.hpp"
#include "pg/files/arguments.hpp"
#include "pg/files/server_file.hpp"
#include "pg/files/vector_column.hpp"
#include "pg/type/dense.hpp"

namespace strata::pg {
namespace {

constexpr size_t buffer_size = size_t{256} << 10;
static_assert(buffer_size >= files::window_size_min);  // holds any row
constexpr long rows_per_fetch = 256;

enum Argument { arg_source, arg_path, arg_format, arg_column, arg_overwrite };

struct Export {
  files::Format format;
  files::Element element;
  files::Number number;
  OutputFile* file;
  char* buffer;
  size_t filled;
  float* floats;
  files::NpyShape shape;
};

// Whether the text is a query rather than the name of a table: by its first word. A table of such a name is quoted.
bool is_query(char const* source) {
  while (isspace(static_cast<unsigned char>(*source))) source++;
  if (*source == '(') return true;
  for (char const* word : {"select", "with", "values", "table"}) {
    size_t const length = strlen(word);
    if (pg_strncasecmp(source, word, length) == 0 && !isalnum(static_cast<unsigned char>(source[length])) &&
        source[length] != '_' && source[length] != '.' && source[length] != '\0')
      return true;
  }
  return false;
}

// A query that returns the vectors of a table, partitions and children included.
char* query_of_table(char const* name, char const* column_name) {
  List* const names = qualified_name_list(name);
  Oid const oid = RangeVarGetRelid(makeRangeVarFromNameList(names), AccessShareLock, false);
  Relation const relation = relation_open(oid, NoLock);
  files::Number number;
  char const* const what = psprintf("table \"%s\"", RelationGetRelationName(relation));
  int const column = find_vector_column(RelationGetDescr(relation), column_name, what, &number);
  char* const query = psprintf("SELECT %s FROM %s",
                               quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(relation), column)->attname)),
                               quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                                          RelationGetRelationName(relation)));
  relation_close(relation, NoLock);
  return query;
}

void choose_format(FunctionCallInfo fcinfo, char const* path, Export* target) {
  char const* name = text_argument(fcinfo, arg_format, "format");
  if (strcmp(name, "auto") == 0) {
    char const* const dot = strrchr(path, '.');
    name = dot ? dot + 1 : "";
  }
  if (!files::parse_format(name, &target->format)) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown format \"%s\"", name),
             errhint("Let the name of the file end in .fvecs, .bvecs, .ivecs or .npy, or say format => 'npy'.")));
  }
  if (target->format == files::Format::hdf5) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the server does not write HDF5 files"),
                    errhint("The program strata-file does.")));
  }
}

void flush_buffer(Export* target) {
  write_output(target->file, target->buffer, target->filled);
  target->filled = 0;
}

template <class Type>
uint32_t load_row(Datum datum, Export* target) {
  View<Type> const row = view<Type>(datum);
  if (!target->floats) target->floats = static_cast<float*>(palloc(row.dim * sizeof(float)));
  if (target->shape.dim != 0 && row.dim != target->shape.dim) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("row " UINT64_FORMAT " has %u dimensions, the first one %u", target->shape.row_count,
                           row.dim, target->shape.dim),
                    errhint("A file holds vectors of one number of dimensions.")));
  }
  load(row, 0, row.dim, target->floats);
  release(row, datum);
  return row.dim;
}

void put_row(Export* target, Datum datum) {
  target->shape.dim =
      target->number == files::Number::f32 ? load_row<Vector>(datum, target) : load_row<Halfvec>(datum, target);
  size_t const size = files::file_row_size(target->format, target->element, target->shape.dim);
  if (target->filled + size > buffer_size) flush_buffer(target);
  files::Fault fault;
  if (files::write_row(target->format, target->element, target->shape.row_count, target->shape.dim, target->floats,
                       target->buffer + target->filled, &fault) == 0) {
    char text[files::fault_text_size];
    files::describe(fault, text);
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("%s", text),
                    errhint("Write numbers with fractions as npy or fvecs.")));
  }
  target->filled += size;
  target->shape.row_count++;
}

void put_fetched(Export* target, int column) {
  for (uint64 i = 0; i < SPI_processed; i++) {
    bool is_null;
    Datum const datum = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column + 1, &is_null);
    if (is_null) {
      ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                      errmsg("row " UINT64_FORMAT " has no vector", target->shape.row_count),
                      errhint("Export a query that leaves it out with WHERE ... IS NOT NULL.")));
    }
    put_row(target, datum);
  }
}

Portal open_query(char const* query) {
  SPIPlanPtr const plan = SPI_prepare(query, 0, nullptr);
  if (!plan) elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
  if (!SPI_is_cursor_plan(plan)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("not a query that returns rows: %s", query)));
  }
  auto const* const source = static_cast<CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(plan)));
  ListCell* cell;
  foreach (cell, source->query_list) {
    auto const* const parsed = lfirst_node(Query, cell);
    if (parsed->commandType == CMD_SELECT && !parsed->hasModifyingCTE) continue;
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a query that changes data cannot be exported")));
  }
  // Read-only: it sees what the calling statement sees, and may not change anything.
  return SPI_cursor_open(nullptr, plan, nullptr, nullptr, true);
}

// What the type of a column says, or -1.
int32 declared_dim(TupleDesc columns, int column) {
  int32 typmod = TupleDescAttr(columns, column)->atttypmod;
  getBaseTypeAndTypmod(TupleDescAttr(columns, column)->atttypid, &typmod);
  return typmod;
}

void write_rows(Portal portal, int column, Export* target) {
  MemoryContext const outer = CurrentMemoryContext;
  pgstat_progress_start_command(PROGRESS_COMMAND_COPY, InvalidOid);
  pgstat_progress_update_param(PROGRESS_COPY_COMMAND, PROGRESS_COPY_COMMAND_TO);
  pgstat_progress_update_param(PROGRESS_COPY_TYPE, PROGRESS_COPY_TYPE_FILE);
  for (;;) {
    SPI_cursor_fetch(portal, true, rows_per_fetch);
    if (SPI_processed == 0) break;
    MemoryContextSwitchTo(outer);
    put_fetched(target, column);
    SPI_freetuptable(SPI_tuptable);
    pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, int64(target->shape.row_count));
    CHECK_FOR_INTERRUPTS();
  }
  pgstat_progress_end_command();
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(export_file) {
  using namespace strata::pg;
  namespace files = strata::files;
  char const* const source = text_argument(fcinfo, arg_source, "source");
  require_write_files();
  char const* const path = absolute_path(text_argument(fcinfo, arg_path, "path"));
  bool const overwrite = DatumGetBool(needed_argument(fcinfo, arg_overwrite, "overwrite"));
  char const* const column_name = name_argument(fcinfo, arg_column);
  Export target = {};
  choose_format(fcinfo, path, &target);
  target.buffer = static_cast<char*>(palloc(buffer_size));
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  Portal const portal = open_query(is_query(source) ? source : query_of_table(source, column_name));
  int const column = find_vector_column(portal->tupDesc, column_name, "the query", &target.number);
  if (target.format != files::Format::npy)
    target.element = files::vecs_element(target.format);
  else
    target.element = target.number == files::Number::f32 ? files::Element::f32 : files::Element::f16;
  target.shape.element = target.element;
  target.file = create_output(path, overwrite);
  if (target.format == files::Format::npy) {  // the number of rows is filled in at the end
    memset(target.buffer, 0, files::npy_written_size);
    target.filled = files::npy_written_size;
  }
  write_rows(portal, column, &target);
  flush_buffer(&target);
  if (target.format == files::Format::npy) {
    // No rows have no dimension, but NumPy and the importer want one.
    if (target.shape.row_count == 0) target.shape.dim = uint32_t(std::max(1, declared_dim(portal->tupDesc, column)));
    files::write_npy_head(target.shape, target.buffer);
    write_output_head(target.file, target.buffer, files::npy_written_size);
  }
  SPI_cursor_close(portal);
  SPI_finish();
  publish_output(target.file);
  PG_RETURN_INT64(int64(target.shape.row_count));
}
