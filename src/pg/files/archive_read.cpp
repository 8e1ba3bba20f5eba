// Reads archives: their manifests, their rows into a table, and single rows by key.
#include "pg/entry.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include "core/files/copy_stream.hpp"
#include "core/files/key_hash.hpp"
#include "core/sets/bloom.hpp"
#include "pg/compat.hpp"
#include "pg/files/archive_file.hpp"
#include "pg/files/arguments.hpp"
#include "pg/files/copy_into.hpp"
#include "pg/files/server_file.hpp"

namespace strata::pg {
namespace {

constexpr size_t manifest_size_max = size_t{64} << 20;

// A manifest is a file that anybody may have written: what is missing in it is no internal error.
[[noreturn]] void raise_incomplete() {
  ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the manifest of the archive is not complete")));
  pg_unreachable();
}

struct Texts {
  char** values;
  int count;
};

Texts texts_of(Datum array, Oid type) {
  Datum* values;
  bool* nulls;
  Texts texts;
  bool const is_name = type == NAMEOID;
  deconstruct_array(DatumGetArrayTypeP(array), type, is_name ? NAMEDATALEN : -1, false,
                    is_name ? TYPALIGN_CHAR : TYPALIGN_INT, &values, &nulls, &texts.count);
  texts.values = static_cast<char**>(palloc(sizeof(char*) * size_t(std::max(1, texts.count))));
  for (int i = 0; i < texts.count; i++) {
    if (nulls[i]) raise_incomplete();
    texts.values[i] = is_name ? pstrdup(NameStr(*DatumGetName(values[i]))) : TextDatumGetCString(values[i]);
  }
  return texts;
}

bool has_text(Texts const& texts, char const* text) {
  for (int i = 0; i < texts.count; i++)
    if (strcmp(texts.values[i], text) == 0) return true;
  return false;
}

// The chunks of an archive as one stream of COPY.
struct ChunkSource {
  CopySource source;  // first: COPY gets a pointer to it
  MemoryContext context;
  char const* path;  // of the archive
  Texts files, checksums;
  bool* dropped;  // fields of the files that are left out, or null
  files::CopyField* fields;
  int field_count;
  int next;
  FileContent chunk;
  char const* at;  // what of it comes next
  char const* end;
  bool finished;
};

// Moves on to the next chunk, or to the end of the stream.
void open_chunk(ChunkSource* source) {
  MemoryContext const outer = MemoryContextSwitchTo(source->context);
  if (source->chunk.bytes) pfree(source->chunk.bytes);
  source->chunk = {};
  if (source->next == source->files.count) {
    source->at = files::copy_tail.data();
    source->end = source->at + files::copy_tail.size();
    source->finished = true;
  } else {
    char const* const path = archive_path(source->path, source->files.values[source->next]);
    source->chunk = read_checked(path, source->checksums.values[source->next]);
    source->next++;
    size_t const frame = files::copy_head.size() + files::copy_tail.size();
    if (source->dropped) {
      source->chunk.size = files::drop_copy_fields(source->chunk.bytes, source->chunk.size, source->dropped,
                                                   source->fields, source->field_count);
    }
    if (source->chunk.size < frame) raise_damaged(path);
    source->at = source->chunk.bytes + files::copy_head.size();
    source->end = source->chunk.bytes + source->chunk.size - files::copy_tail.size();
  }
  MemoryContextSwitchTo(outer);
}

int read_chunks(CopySource* copy, void* out, int /* least */, int most) {
  auto* const source = reinterpret_cast<ChunkSource*>(copy);
  int filled = 0;
  while (filled < most) {
    size_t const ready = std::min(size_t(source->end - source->at), size_t(most - filled));
    memcpy(static_cast<char*>(out) + filled, source->at, ready);
    filled += int(ready);
    source->at += ready;
    if (source->at < source->end) continue;
    if (source->finished) break;
    open_chunk(source);
  }
  return filled;
}

// The key as the server sends it, one bytea a column.
struct Key {
  Datum* fields;
  int count;
};

Key key_of(Datum array) {
  Key key;
  bool* nulls;
  deconstruct_array(DatumGetArrayTypeP(array), BYTEAOID, -1, false, TYPALIGN_INT, &key.fields, &nulls, &key.count);
  for (int i = 0; i < key.count; i++)
    if (nulls[i]) raise_incomplete();
  return key;
}

bool is_key(Key const& key, int const* positions, files::CopyField const* row, int field_count) {
  for (int i = 0; i < key.count; i++) {
    if (positions[i] >= field_count) return false;
    files::CopyField const& field = row[positions[i]];
    bytea const* const wanted = DatumGetByteaPP(key.fields[i]);
    if (!field.bytes || field.size != VARSIZE_ANY_EXHDR(wanted)) return false;
    if (memcmp(field.bytes, VARDATA_ANY(wanted), field.size) != 0) return false;
  }
  return true;
}

// The fields of a row as an array of texts.
Datum texts_of_row(files::CopyField const* row, Texts const& types) {
  auto* const values = static_cast<Datum*>(palloc0(sizeof(Datum) * size_t(types.count)));
  auto* const nulls = static_cast<bool*>(palloc0(size_t(types.count)));
  for (int i = 0; i < types.count; i++) {
    nulls[i] = !row[i].bytes;
    if (nulls[i]) continue;
    Oid type, receive, output, parameter;
    int32 typmod;
    bool is_varlena;
    parse_type(types.values[i], &type, &typmod);
    getTypeBinaryInputInfo(type, &receive, &parameter);
    getTypeOutputInfo(type, &output, &is_varlena);
    StringInfoData bytes;
    initStringInfo(&bytes);
    appendBinaryStringInfo(&bytes, row[i].bytes, int(row[i].size));
    Datum const value = OidReceiveFunctionCall(receive, &bytes, parameter, typmod);
    values[i] = CStringGetTextDatum(OidOutputFunctionCall(output, value));
  }
  int const lengths[] = {types.count};
  int const first[] = {1};
  return PointerGetDatum(construct_md_array(values, nulls, 1, const_cast<int*>(lengths), const_cast<int*>(first),
                                            TEXTOID, -1, false, TYPALIGN_INT));
}

int* positions_of(Datum array, int expected) {
  Datum* values;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(array), INT4OID, sizeof(int32), true, TYPALIGN_INT, &values, &nulls, &count);
  if (count != expected) raise_incomplete();
  auto* const positions = static_cast<int*>(palloc(sizeof(int) * size_t(std::max(1, count))));
  for (int i = 0; i < count; i++) {
    positions[i] = nulls[i] ? -1 : DatumGetInt32(values[i]) - 1;
    if (positions[i] < 0) raise_incomplete();
  }
  return positions;
}

}  // namespace
}  // namespace strata::pg

// (path) -> jsonb
STRATA_FUNCTION(archive_manifest) {
  using namespace strata::pg;
  require_read_files();
  char const* const path = absolute_path(text_argument(fcinfo, 0, "path"));
  char* const text = read_small_file(path_in(path, manifest_file_name), manifest_size_max);
  pg_verifymbstr(text, int(strlen(text)), false);
  PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

// (directory) -> setof text: names of what looks like an archive
STRATA_FUNCTION(archive_names) {
  using namespace strata::pg;
  require_read_files();
  char const* const path = absolute_path(text_argument(fcinfo, 0, "directory"));
  InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  DIR* const entries = AllocateDir(path);
  constexpr size_t suffix_length = sizeof partial_suffix - 1;
  while (dirent const* const entry = ReadDir(entries, path)) {
    size_t const length = strlen(entry->d_name);
    if (entry->d_name[0] == '.') continue;
    if (length >= suffix_length && strcmp(entry->d_name + length - suffix_length, partial_suffix) == 0) continue;
    struct stat status;
    if (stat(path_in(path_in(path, entry->d_name), manifest_file_name), &status) != 0) continue;
    Datum values[] = {CStringGetTextDatum(entry->d_name)};
    bool nulls[] = {false};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  FreeDir(entries);
  return Datum(0);
}

// (path, file, sha256) -> rows of the file; 0 for one that holds none
STRATA_FUNCTION(check_archive_file) {
  using namespace strata::pg;
  require_read_files();
  char const* const directory = absolute_path(text_argument(fcinfo, 0, "path"));
  char const* const name = text_argument(fcinfo, 1, "file");
  char const* const path = archive_path(directory, name);
  FileContent const content = read_checked(path, text_argument(fcinfo, 2, "sha256"));
  PG_RETURN_INT64(strcmp(name, bloom_file_name) == 0 ? 0 : int64(count_rows(content, path)));
}

// (table, path, columns name[], computed name[], files text[], sha256 text[]) -> rows
STRATA_FUNCTION(load_archive) {
  using namespace strata::pg;
  require_read_files();
  ChunkSource source = {};
  source.context = CurrentMemoryContext;
  source.path = absolute_path(text_argument(fcinfo, 1, "path"));
  Texts const names = texts_of(needed_argument(fcinfo, 2, "columns"), NAMEOID);
  Texts const computed = texts_of(needed_argument(fcinfo, 3, "computed"), NAMEOID);
  source.files = texts_of(needed_argument(fcinfo, 4, "files"), TEXTOID);
  source.checksums = texts_of(needed_argument(fcinfo, 5, "sha256"), TEXTOID);
  if (source.files.count != source.checksums.count) raise_incomplete();
  List* columns = NIL;
  source.field_count = names.count;
  if (computed.count > 0) {
    source.dropped = static_cast<bool*>(palloc0(size_t(names.count) + 1));
    source.fields = static_cast<strata::files::CopyField*>(palloc0(sizeof(*source.fields) * size_t(names.count + 1)));
  }
  for (int i = 0; i < names.count; i++) {
    if (has_text(computed, names.values[i]))
      source.dropped[i] = true;
    else
      columns = lappend(columns, makeString(names.values[i]));
  }
  source.at = strata::files::copy_head.data();
  source.end = source.at + strata::files::copy_head.size();
  source.source.read = read_chunks;
  Relation const table = table_open(DatumGetObjectId(needed_argument(fcinfo, 0, "table")), RowExclusiveLock);
  uint64 const row_count = copy_into(table, columns, &source.source);
  table_close(table, NoLock);
  PG_RETURN_INT64(int64(row_count));
}

// (type, value) -> bytea: a key as the server sends it
STRATA_FUNCTION(archive_key) {
  using namespace strata::pg;
  Oid type, input, send, parameter;
  int32 typmod;
  bool is_varlena;
  parse_type(text_argument(fcinfo, 0, "type"), &type, &typmod);
  getTypeInputInfo(type, &input, &parameter);
  getTypeBinaryOutputInfo(type, &send, &is_varlena);
  Datum const value = OidInputFunctionCall(input, text_argument(fcinfo, 1, "value"), parameter, typmod);
  PG_RETURN_BYTEA_P(OidSendFunctionCall(send, value));
}

// (path, bloom_offset, bloom_blocks, key bytea[]) -> whether a chunk may hold the key: one block of 32 bytes is read
STRATA_FUNCTION(archive_may_hold) {
  using namespace strata::pg;
  namespace sets = strata::sets;
  require_read_files();
  char const* const path = path_in(absolute_path(text_argument(fcinfo, 0, "path")), bloom_file_name);
  int64 const offset = DatumGetInt64(needed_argument(fcinfo, 1, "bloom_offset"));
  int64 const blocks = DatumGetInt64(needed_argument(fcinfo, 2, "bloom_blocks"));
  Key const key = key_of(needed_argument(fcinfo, 3, "key"));
  uint64_t hash = strata::files::key_hash_start;
  for (int i = 0; i < key.count; i++) {
    bytea const* const field = DatumGetByteaPP(key.fields[i]);
    hash = strata::files::add_key_field(hash, VARDATA_ANY(field), uint32_t(VARSIZE_ANY_EXHDR(field)));
  }
  if (offset < 0 || blocks < 1 || blocks > int64{sets::bloom_block_count_max}) raise_damaged(path);
  InputFile const file = open_input(path);
  char block[sets::bloom_block_size];
  uint64 const at = uint64(offset) + uint64{sets::bloom_block_of(uint32_t(blocks), hash)} * sizeof block;
  if (file.size < sizeof block || at > file.size - sizeof block) raise_damaged(path);
  seek_input(file, at);
  if (read_input(file, block, sizeof block) != sizeof block) raise_damaged(path);
  close_input(file);
  PG_RETURN_BOOL(sets::bloom_test_block(block, hash));
}

// (path, file, sha256, types text[], key_columns int[], key bytea[]) -> setof text[]: the rows with this key
STRATA_FUNCTION(archive_rows) {
  using namespace strata::pg;
  namespace files = strata::files;
  require_read_files();
  char const* const path =
      archive_path(absolute_path(text_argument(fcinfo, 0, "path")), text_argument(fcinfo, 1, "file"));
  char const* const sha256 = text_argument(fcinfo, 2, "sha256");
  Texts const types = texts_of(needed_argument(fcinfo, 3, "types"), TEXTOID);
  Key const key = key_of(needed_argument(fcinfo, 5, "key"));
  int const* const positions = positions_of(needed_argument(fcinfo, 4, "key_columns"), key.count);
  InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  FileContent const content = read_checked(path, sha256);
  auto* const row = static_cast<files::CopyField*>(palloc(sizeof(files::CopyField) * MaxTupleAttributeNumber));
  files::CopyRows rows({content.bytes, content.size});
  int count;
  while ((count = rows.next(row, MaxTupleAttributeNumber)) >= 0) {
    if (count != types.count) raise_damaged(path);
    if (!is_key(key, positions, row, count)) continue;
    Datum values[] = {texts_of_row(row, types)};
    bool nulls[] = {false};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  if (count != files::copy_rows_end) raise_damaged(path);
  return Datum(0);
}

// (type) -> text: the type as parsed, so that a statement can be made of it
STRATA_FUNCTION(archive_type) {
  using namespace strata::pg;
  Oid type;
  int32 typmod;
  parse_type(text_argument(fcinfo, 0, "type"), &type, &typmod);
  constexpr uint16 flags = FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY;
  PG_RETURN_DATUM(CStringGetTextDatum(format_type_extended(type, typmod, flags)));
}

// (expression) -> text: in parentheses, and nothing but one expression
STRATA_FUNCTION(archive_expression) {
  using namespace strata::pg;
  // A comment at the end must not hide what follows.
  char const* const text = psprintf("(%s\n)", text_argument(fcinfo, 0, "expression"));
  List* const statements = raw_parser(psprintf("SELECT %s", text), RAW_PARSE_DEFAULT);
  auto const* const only = list_length(statements) == 1
                               ? reinterpret_cast<SelectStmt const*>(linitial_node(RawStmt, statements)->stmt)
                               : nullptr;
  if (!only || !IsA(only, SelectStmt) || only->op != SETOP_NONE || list_length(only->targetList) != 1 ||
      linitial_node(ResTarget, only->targetList)->name || only->fromClause || only->whereClause || only->groupClause ||
      only->havingClause || only->windowClause || only->sortClause || only->limitOffset || only->limitCount ||
      only->lockingClause || only->intoClause || only->withClause || only->distinctClause) {
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("not an expression: \"%s\"", text)));
  }
  PG_RETURN_DATUM(CStringGetTextDatum(text));
}
