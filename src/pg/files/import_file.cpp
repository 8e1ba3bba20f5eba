// strata.import_file(): rows of a file of vectors, through COPY, into a table.
#include "pg/entry.hpp"

#include "core/files/copy_stream.hpp"
#include "core/files/reader.hpp"
#include "pg/am/bulk_insert.hpp"
#include "pg/files/arguments.hpp"
#include "pg/files/copy_into.hpp"
#include "pg/files/server_file.hpp"
#include "pg/files/vector_column.hpp"
#include "pg/worker/maintenance.hpp"

namespace strata::pg {
namespace {

constexpr size_t window_size = size_t{1} << 20;
static_assert(window_size >= files::window_size_min);
constexpr uint64_t skipped_rows_told = 5;  // how many rows that are left out are told one by one

enum Argument {
  arg_table,
  arg_path,
  arg_format,
  arg_column,
  arg_id_column,
  arg_first_id,
  arg_on_error,
  arg_dimensions,
  arg_skip_rows,
  arg_max_rows
};

// What is asked for.
struct ImportPlan {
  files::ReaderOptions reader;
  files::CopyColumns columns;
  char const* id_column;
  int64 first_id;
  uint64 skip_rows;
  uint64 max_rows;
  bool skip_bad_rows;
};

// The bytes of COPY, made from the bytes of a file.
struct Import {
  CopySource source;  // first: COPY gets a pointer to it
  ImportPlan plan;
  InputFile file;
  files::Reader reader;
  char* window;
  size_t window_begin, window_end;
  bool at_end;
  float* floats;
  char* pending;  // bytes of COPY that were made and not yet taken
  size_t pending_begin, pending_end;
  bool finished;
  uint64 rows_taken;    // of the file, bad ones included
  uint64 rows_skipped;  // bad ones
};

[[noreturn]] void raise_fault_of_file(Import const& import, files::Fault const& fault) {
  char text[files::fault_text_size];
  files::describe(fault, text);
  char const* const advice = files::advice(fault.kind);
  ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("file \"%s\": %s", import.file.path, text),
                  advice ? errhint("%s", advice) : 0));
  pg_unreachable();
}

void skip_bad_row(Import* import, files::Fault const& fault) {
  if (!import->plan.skip_bad_rows) raise_fault_of_file(*import, fault);
  if (import->rows_skipped++ >= skipped_rows_told) return;
  char text[files::fault_text_size];
  files::describe(fault, text);
  ereport(NOTICE, (errmsg("skipping a row of file \"%s\": %s", import->file.path, text)));
}

void fill_window(Import* import) {
  size_t const kept = import->window_end - import->window_begin;
  memmove(import->window, import->window + import->window_begin, kept);
  size_t const got = read_input(import->file, import->window + kept, window_size - kept);
  import->at_end = got < window_size - kept;
  import->window_begin = 0;
  import->window_end = kept + got;
  CHECK_FOR_INTERRUPTS();
}

// Encodes a row; false when it is left out.
bool encode_row(Import* import, files::Row const& row) {
  ImportPlan const& plan = import->plan;
  uint32_t const dim = import->reader.dim();
  if (!import->floats) {
    MemoryContext const context = GetMemoryChunkContext(import);
    import->floats = static_cast<float*>(MemoryContextAlloc(context, dim * sizeof(float)));
    import->pending = static_cast<char*>(MemoryContextAlloc(context, files::copy_row_size(plan.columns, dim)));
  }
  files::Fault fault;
  if (!files::row_to_floats(row, import->reader.element(), dim, plan.columns.number, import->floats, &fault)) {
    skip_bad_row(import, fault);
    return false;
  }
  int64 id = 0;
  if (plan.columns.id_size != 0 &&
      (pg_add_s64_overflow(plan.first_id, int64(row.number), &id) || !files::id_fits(id, plan.columns.id_size))) {
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("file \"%s\": the id of row " UINT64_FORMAT " is out of range for column \"%s\"",
                           import->file.path, row.number, plan.id_column)));
  }
  files::write_copy_row(plan.columns, id, dim, import->floats, import->pending);
  import->pending_begin = 0;
  import->pending_end = files::copy_row_size(plan.columns, dim);
  return true;
}

// Makes the next row pending. False after the last one.
bool next_row(Import* import) {
  ImportPlan const& plan = import->plan;
  while (import->rows_taken < plan.max_rows) {
    files::Event const event = import->reader.next(import->window + import->window_begin,
                                                   import->window_end - import->window_begin, import->at_end);
    switch (event) {
      case files::Event::need_bytes:
        fill_window(import);
        continue;
      case files::Event::end:
        return false;
      case files::Event::fault:
        raise_fault_of_file(*import, import->reader.fault());
      case files::Event::head:
        import->window_begin += import->reader.used();
        continue;
      case files::Event::row:
      case files::Event::bad_row:
        break;
    }
    // The bytes of the row stay where they are until the window is filled again.
    import->window_begin += import->reader.used();
    if (import->reader.row().number < plan.skip_rows) continue;
    import->rows_taken++;
    if (event == files::Event::bad_row)
      skip_bad_row(import, import->reader.fault());
    else if (encode_row(import, import->reader.row()))
      return true;
  }
  return false;
}

int read_copy(CopySource* source, void* out, int /* least */, int most) {
  auto* const import = reinterpret_cast<Import*>(source);
  int filled = 0;
  while (filled < most) {
    size_t const ready = std::min(import->pending_end - import->pending_begin, size_t(most - filled));
    memcpy(static_cast<char*>(out) + filled, import->pending + import->pending_begin, ready);
    filled += int(ready);
    import->pending_begin += ready;
    if (import->pending_begin < import->pending_end) continue;
    if (import->finished) break;
    if (next_row(import)) continue;
    import->finished = true;
    import->pending = const_cast<char*>(files::copy_tail.data());
    import->pending_begin = 0;
    import->pending_end = files::copy_tail.size();
  }
  return filled;
}

// COPY's signature, then the rows.
int read_copy_head(CopySource* source, void* out, int least, int most) {
  Assert(most >= int(files::copy_head.size()));
  memcpy(out, files::copy_head.data(), files::copy_head.size());
  source->read = read_copy;
  int const filled = int(files::copy_head.size());
  return filled +
         (most > filled ? read_copy(source, static_cast<char*>(out) + filled, least - filled, most - filled) : 0);
}

files::Format wanted_format(FunctionCallInfo fcinfo, InputFile const& file, char const* head, size_t head_size) {
  char const* const name = text_argument(fcinfo, arg_format, "format");
  files::Format format;
  if (strcmp(name, "auto") == 0) {
    size_t const size = std::min(head_size, files::recognise_size);
    if (!files::recognise(file.path, {head, size}, file.size, &format)) {
      ereport(ERROR,
              (errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("the format of file \"%s\" is not known", file.path),
               errhint("Say what it is with format => 'fvecs', 'bvecs', 'ivecs' or 'npy'.")));
    }
  } else if (!files::parse_format(name, &format)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown format \"%s\"", name),
                    errhint("Formats are auto, fvecs, bvecs, ivecs and npy.")));
  }
  if (format == files::Format::hdf5) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the server does not read HDF5 files"),
                    errhint("The program strata-file does.")));
  }
  return format;
}

uint64 count_argument(FunctionCallInfo fcinfo, int number, char const* name, uint64 missing) {
  if (PG_ARGISNULL(number)) return missing;
  int64 const count = PG_GETARG_INT64(number);
  if (count < 0) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" may not be negative", name)));
  return uint64(count);
}

uint32_t id_size_of(Form_pg_attribute column) {
  switch (getBaseType(column->atttypid)) {
    case INT2OID:
      return 2;
    case INT4OID:
      return 4;
    case INT8OID:
      return 8;
  }
  ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                  errmsg("column \"%s\" is no smallint, integer or bigint", NameStr(column->attname))));
  pg_unreachable();
}

// Fills the plan but for the format; returns the columns for COPY.
List* plan_columns(FunctionCallInfo fcinfo, Relation table, ImportPlan* plan) {
  TupleDesc const descriptor = RelationGetDescr(table);
  char const* const what = psprintf("table \"%s\"", RelationGetRelationName(table));
  int const at = find_vector_column(descriptor, name_argument(fcinfo, arg_column), what, &plan->columns.number);
  Form_pg_attribute const column = TupleDescAttr(descriptor, at);
  uint64 const dimensions = PG_ARGISNULL(arg_dimensions) ? 0 : uint64(uint32(PG_GETARG_INT32(arg_dimensions)));
  if (!PG_ARGISNULL(arg_dimensions) && (dimensions < 1 || dimensions > vector_dim_max)) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"dimensions\" is not in 1 .. %u", vector_dim_max)));
  }
  int32 typmod = column->atttypmod;
  getBaseTypeAndTypmod(column->atttypid, &typmod);
  if (typmod > 0 && dimensions != 0 && dimensions != uint64(typmod)) {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("column \"%s\" has %d dimensions, not " UINT64_FORMAT,
                                                            NameStr(column->attname), typmod, dimensions)));
  }
  plan->reader.dim = typmod > 0 ? uint32_t(typmod) : uint32_t(dimensions);
  List* columns = list_make1(makeString(pstrdup(NameStr(column->attname))));
  plan->id_column = name_argument(fcinfo, arg_id_column);
  if (!plan->id_column) return columns;
  AttrNumber const number = get_attnum(RelationGetRelid(table), plan->id_column);
  if (number <= 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("%s has no column \"%s\"", what, plan->id_column)));
  }
  plan->columns.id_size = id_size_of(TupleDescAttr(descriptor, number - 1));
  return lcons(makeString(pstrdup(plan->id_column)), columns);
}

Import* begin_import(FunctionCallInfo fcinfo, InputFile const& file) {
  // Kept together: what COPY calls back knows only the import.
  auto* const import = static_cast<Import*>(palloc0(sizeof(Import)));
  import->file = file;
  import->window = static_cast<char*>(palloc(window_size));
  fill_window(import);
  import->plan.reader.format = wanted_format(fcinfo, file, import->window, import->window_end);
  import->plan.reader.file_size = file.size;
  import->plan.skip_rows = count_argument(fcinfo, arg_skip_rows, "skip_rows", 0);
  import->plan.max_rows = count_argument(fcinfo, arg_max_rows, "max_rows", PG_UINT64_MAX);
  import->plan.first_id = DatumGetInt64(needed_argument(fcinfo, arg_first_id, "first_id"));
  char const* const on_error = text_argument(fcinfo, arg_on_error, "on_error");
  import->plan.skip_bad_rows = strcmp(on_error, "skip") == 0;
  if (!import->plan.skip_bad_rows && strcmp(on_error, "abort") != 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"on_error\" is neither abort nor skip")));
  }
  return import;
}

// How many bytes COPY will see, as far as the first row tells.
uint64 expected_bytes(Import const& import) {
  uint64 rows = import.reader.row_count();
  if (rows == files::row_count_unknown || import.reader.dim() == 0) return 0;
  rows -= std::min(rows, import.plan.skip_rows);
  rows = std::min(rows, import.plan.max_rows);
  return files::copy_head.size() + rows * files::copy_row_size(import.plan.columns, import.reader.dim()) +
         files::copy_tail.size();
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(import_file) {
  using namespace strata::pg;
  namespace files = strata::files;
  Oid const table_oid = DatumGetObjectId(needed_argument(fcinfo, arg_table, "table"));
  require_read_files();
  InputFile const file = open_input(absolute_path(text_argument(fcinfo, arg_path, "path")));
  Import* const import = begin_import(fcinfo, file);
  Relation const table = table_open(table_oid, RowExclusiveLock);
  List* const columns = plan_columns(fcinfo, table, &import->plan);
  import->reader = files::Reader(import->plan.reader);
  // The first row is looked at ahead, so that a file that does not fit is refused before COPY begins.
  import->finished = !next_row(import);
  if (import->finished) {
    import->pending = const_cast<char*>(files::copy_tail.data());
    import->pending_end = files::copy_tail.size();
  }
  import->source.read = read_copy_head;
  import->source.byte_count = expected_bytes(*import);
  List* const tables = find_all_inheritors(table_oid, NoLock, nullptr);
  BulkInsert* const bulk = begin_bulk_insert(tables);
  uint64 const row_count = copy_into(table, columns, &import->source);
  end_bulk_insert(bulk);
  table_close(table, NoLock);
  close_input(file);
  seal_after_import(tables);
  if (import->rows_skipped > skipped_rows_told)
    ereport(NOTICE, (errmsg("skipped " UINT64_FORMAT " rows of file \"%s\"", import->rows_skipped, file.path)));

  TupleDesc result;
  if (get_call_result_type(fcinfo, nullptr, &result) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "return type must be a row type");
  Datum values[] = {Int64GetDatum(int64(row_count)), Int64GetDatum(int64(import->rows_skipped))};
  bool nulls[] = {false, false};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(result, values, nulls)));
}
