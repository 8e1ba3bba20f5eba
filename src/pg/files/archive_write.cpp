// Writes the rows of a query as an archive: strata._write_archive().
#include "pg/entry.hpp"

#include "core/files/copy_stream.hpp"
#include "core/files/key_hash.hpp"
#include "core/sets/bloom.hpp"
#include "pg/files/archive_file.hpp"
#include "pg/files/arguments.hpp"
#include "pg/files/server_file.hpp"
#include "pg/worker/progress.hpp"

namespace strata::pg {
namespace {

constexpr long rows_per_fetch = 256;
constexpr int64 chunk_size_max = int64_t{512} << 20;  // a chunk is a StringInfo, of at most 1 GB

enum Argument { arg_query, arg_key, arg_directory, arg_name, arg_about, arg_chunk_size };

// A file of rows that was written, as it goes into the manifest.
struct Chunk {
  char* path;  // for now
  char name[32];
  uint64 row_count;
  uint64 size;
  char sha256[sha256_text_size];
  uint64 bloom_offset;
  uint32 bloom_block_count;
};

struct Archive {
  OutputDirectory* directory;
  TupleDesc columns;
  FmgrInfo* send;
  int* key;  // positions, from 0
  int key_count;
  size_t chunk_size;
  StringInfoData rows;  // the chunk that is being filled
  uint64* hashes;       // of its keys
  uint64 hash_count, hash_room;
  uint64 row_count;  // of it
  StringInfoData bloom;
  Chunk* chunks;
  int chunk_count, chunk_room;
  uint64 all_rows;
  MemoryContext row_context;
};

void append_int16(StringInfo text, int value) {
  uint16 const swapped = pg_hton16(uint16(value));
  appendBinaryStringInfo(text, reinterpret_cast<char const*>(&swapped), sizeof swapped);
}

void append_int32(StringInfo text, int32 value) {
  uint32 const swapped = pg_hton32(uint32(value));
  appendBinaryStringInfo(text, reinterpret_cast<char const*>(&swapped), sizeof swapped);
}

void begin_chunk(Archive* archive) {
  resetStringInfo(&archive->rows);
  appendBinaryStringInfo(&archive->rows, files::copy_head.data(), int(files::copy_head.size()));
  archive->row_count = archive->hash_count = 0;
}

void add_bloom(Archive* archive, Chunk* chunk) {
  chunk->bloom_offset = uint64(archive->bloom.len);
  chunk->bloom_block_count = sets::bloom_block_count(archive->hash_count);
  size_t const size = size_t{chunk->bloom_block_count} * sets::bloom_block_size;
  void* const blocks = palloc0(size);
  for (uint64 i = 0; i < archive->hash_count; i++)
    sets::bloom_add(blocks, chunk->bloom_block_count, archive->hashes[i]);
  appendBinaryStringInfo(&archive->bloom, static_cast<char const*>(blocks), int(size));
  pfree(blocks);
}

void end_chunk(Archive* archive) {
  appendBinaryStringInfo(&archive->rows, files::copy_tail.data(), int(files::copy_tail.size()));
  if (archive->chunk_count == archive->chunk_room) {
    archive->chunk_room *= 2;
    archive->chunks = static_cast<Chunk*>(repalloc(archive->chunks, sizeof(Chunk) * size_t(archive->chunk_room)));
  }
  Chunk* const chunk = &archive->chunks[archive->chunk_count++];
  snprintf(chunk->name, sizeof chunk->name, "rows-%06d.copy", archive->chunk_count);
  chunk->row_count = archive->row_count;
  chunk->size = uint64(archive->rows.len);
  sha256_text(archive->rows.data, size_t(archive->rows.len), chunk->sha256);
  if (archive->key_count > 0) add_bloom(archive, chunk);
  chunk->path = write_file_of(archive->directory, chunk->name, archive->rows.data, size_t(archive->rows.len));
  archive->all_rows += archive->row_count;
  begin_chunk(archive);
}

void add_hash(Archive* archive, uint64 hash) {
  if (archive->hash_count == archive->hash_room) {
    archive->hash_room *= 2;
    archive->hashes = static_cast<uint64*>(repalloc_huge(archive->hashes, sizeof(uint64) * archive->hash_room));
  }
  archive->hashes[archive->hash_count++] = hash;
}

void add_row(Archive* archive, HeapTuple tuple) {
  MemoryContext const outer = MemoryContextSwitchTo(archive->row_context);
  int const count = archive->columns->natts;
  auto** const fields = static_cast<bytea**>(palloc0(sizeof(bytea*) * size_t(count)));
  append_int16(&archive->rows, count);
  for (int i = 0; i < count; i++) {
    bool is_null;
    Datum const value = SPI_getbinval(tuple, archive->columns, i + 1, &is_null);
    if (is_null) {
      append_int32(&archive->rows, -1);
      continue;
    }
    fields[i] = SendFunctionCall(&archive->send[i], value);
    int const size = int(VARSIZE(fields[i])) - VARHDRSZ;
    append_int32(&archive->rows, size);
    appendBinaryStringInfo(&archive->rows, VARDATA(fields[i]), size);
  }
  uint64 hash = files::key_hash_start;
  bool has_key = archive->key_count > 0;
  for (int i = 0; i < archive->key_count; i++) {
    bytea* const field = fields[archive->key[i]];
    has_key = has_key && field;  // a key with NULL is equal to no other
    if (field) hash = files::add_key_field(hash, VARDATA(field), uint32_t(VARSIZE(field) - VARHDRSZ));
  }
  MemoryContextSwitchTo(outer);
  if (has_key) add_hash(archive, hash);
  MemoryContextReset(archive->row_context);
  archive->row_count++;
  if (size_t(archive->rows.len) >= archive->chunk_size) end_chunk(archive);
}

void write_rows(Archive* archive, Portal portal) {
  MemoryContext const outer = CurrentMemoryContext;
  for (;;) {
    SPI_cursor_fetch(portal, true, rows_per_fetch);
    if (SPI_processed == 0) break;
    MemoryContextSwitchTo(outer);
    for (uint64 i = 0; i < SPI_processed; i++) add_row(archive, SPI_tuptable->vals[i]);
    SPI_freetuptable(SPI_tuptable);
    note_phase(archive_phase, archive->all_rows + archive->row_count, 0);
    CHECK_FOR_INTERRUPTS();
  }
  if (archive->row_count > 0) end_chunk(archive);
}

void append_text(StringInfo manifest, char const* key, char const* value) {
  escape_json(manifest, key);
  appendStringInfoString(manifest, ": ");
  escape_json(manifest, value);
}

void append_columns(StringInfo manifest, Archive const& archive) {
  constexpr uint16 flags = FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY;
  appendStringInfoString(manifest, " \"columns\": [");
  for (int i = 0; i < archive.columns->natts; i++) {
    Form_pg_attribute const column = TupleDescAttr(archive.columns, i);
    appendStringInfoString(manifest, i == 0 ? "\n  {" : ",\n  {");
    append_text(manifest, "name", NameStr(column->attname));
    appendStringInfoString(manifest, ", ");
    append_text(manifest, "type", format_type_extended(column->atttypid, column->atttypmod, flags));
    appendStringInfoChar(manifest, '}');
  }
  appendStringInfoString(manifest, "],\n \"key\": [");
  for (int i = 0; i < archive.key_count; i++) {
    if (i > 0) appendStringInfoString(manifest, ", ");
    escape_json(manifest, NameStr(TupleDescAttr(archive.columns, archive.key[i])->attname));
  }
  appendStringInfoString(manifest, "],\n");
}

void append_chunks(StringInfo manifest, Archive const& archive) {
  appendStringInfo(manifest, " \"rows\": " UINT64_FORMAT ",\n \"chunks\": [", archive.all_rows);
  for (int i = 0; i < archive.chunk_count; i++) {
    Chunk const& chunk = archive.chunks[i];
    appendStringInfoString(manifest, i == 0 ? "\n  {" : ",\n  {");
    append_text(manifest, "file", chunk.name);
    appendStringInfo(manifest, ", \"rows\": " UINT64_FORMAT ", \"bytes\": " UINT64_FORMAT ", ", chunk.row_count,
                     chunk.size);
    append_text(manifest, "sha256", chunk.sha256);
    if (archive.key_count > 0) {
      appendStringInfo(manifest, ", \"bloom_offset\": " UINT64_FORMAT ", \"bloom_blocks\": %u", chunk.bloom_offset,
                       chunk.bloom_block_count);
    }
    appendStringInfoChar(manifest, '}');
  }
  appendStringInfoString(manifest, "]");
}

// Writes manifest and bloom filters, then reads everything back.
void finish(Archive* archive, char const* about) {
  StringInfoData manifest;
  initStringInfo(&manifest);
  appendStringInfoString(&manifest, "{");
  append_text(&manifest, "format", archive_format_name);
  appendStringInfo(&manifest, ", \"format_version\": %d,\n \"about\": %s,\n", archive_format_version, about);
  append_columns(&manifest, *archive);
  append_chunks(&manifest, *archive);
  char* bloom_path = nullptr;
  char bloom_sha256[sha256_text_size];
  if (archive->key_count > 0) {
    size_t const size = size_t(archive->bloom.len);
    bloom_path = write_file_of(archive->directory, bloom_file_name, archive->bloom.data, size);
    sha256_text(archive->bloom.data, size, bloom_sha256);
    appendStringInfoString(&manifest, ",\n \"bloom\": {");
    append_text(&manifest, "file", bloom_file_name);
    appendStringInfo(&manifest, ", \"bytes\": %zu, ", size);
    append_text(&manifest, "sha256", bloom_sha256);
    appendStringInfoChar(&manifest, '}');
  }
  appendStringInfoString(&manifest, "\n}\n");
  char manifest_sha256[sha256_text_size];
  sha256_text(manifest.data, size_t(manifest.len), manifest_sha256);
  char const* const manifest_path =
      write_file_of(archive->directory, manifest_file_name, manifest.data, size_t(manifest.len));
  for (int i = 0; i < archive->chunk_count; i++) {
    Chunk const& chunk = archive->chunks[i];
    FileContent const content = read_checked(chunk.path, chunk.sha256);
    if (count_rows(content, chunk.path) != chunk.row_count) raise_damaged(chunk.path);
    pfree(content.bytes);
    CHECK_FOR_INTERRUPTS();
  }
  if (bloom_path) read_checked(bloom_path, bloom_sha256);
  read_checked(manifest_path, manifest_sha256);
}

void prepare(Archive* archive, Portal portal, ArrayType* key, int64 chunk_size) {
  if (chunk_size < 1 || chunk_size > chunk_size_max) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("\"chunk_size\" is not in 1 .. " INT64_FORMAT " bytes", chunk_size_max)));
  }
  archive->chunk_size = size_t(chunk_size);
  archive->columns = CreateTupleDescCopy(portal->tupDesc);
  archive->send = static_cast<FmgrInfo*>(palloc(sizeof(FmgrInfo) * size_t(std::max(1, archive->columns->natts))));
  for (int i = 0; i < archive->columns->natts; i++) {
    Oid function;
    bool is_varlena;
    getTypeBinaryOutputInfo(TupleDescAttr(archive->columns, i)->atttypid, &function, &is_varlena);
    fmgr_info(function, &archive->send[i]);
  }
  Datum* positions;
  bool* nulls;
  deconstruct_array(key, INT4OID, sizeof(int32), true, TYPALIGN_INT, &positions, &nulls, &archive->key_count);
  archive->key = static_cast<int*>(palloc(sizeof(int) * size_t(std::max(1, archive->key_count))));
  for (int i = 0; i < archive->key_count; i++) {
    archive->key[i] = nulls[i] ? -1 : DatumGetInt32(positions[i]) - 1;
    if (archive->key[i] < 0 || archive->key[i] >= archive->columns->natts) elog(ERROR, "no such key column");
  }
  initStringInfo(&archive->rows);
  initStringInfo(&archive->bloom);
  archive->hash_room = 1024;
  archive->hashes = static_cast<uint64*>(palloc(sizeof(uint64) * archive->hash_room));
  archive->chunk_room = 16;
  archive->chunks = static_cast<Chunk*>(palloc(sizeof(Chunk) * size_t(archive->chunk_room)));
  archive->row_context = AllocSetContextCreate(CurrentMemoryContext, "archive row", ALLOCSET_DEFAULT_SIZES);
  begin_chunk(archive);
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(write_archive) {
  using namespace strata::pg;
  require_write_files();
  char const* const query = text_argument(fcinfo, arg_query, "query");
  char const* const directory = absolute_path(text_argument(fcinfo, arg_directory, "directory"));
  char const* const path = archive_path(directory, text_argument(fcinfo, arg_name, "name"));
  // Written as it was understood, so that nothing but JSON gets into the manifest.
  Datum const about = DirectFunctionCall1(jsonb_in, CStringGetDatum(text_argument(fcinfo, arg_about, "about")));
  auto* const key = DatumGetArrayTypeP(needed_argument(fcinfo, arg_key, "key"));
  int64 const chunk_size = DatumGetInt64(needed_argument(fcinfo, arg_chunk_size, "chunk_size"));
  char const* const about_text = DatumGetCString(DirectFunctionCall1(jsonb_out, about));
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  SPIPlanPtr const plan = SPI_prepare(query, 0, nullptr);
  if (!plan || !SPI_is_cursor_plan(plan)) elog(ERROR, "not a query: %s", query);
  Portal const portal = SPI_cursor_open(nullptr, plan, nullptr, nullptr, true);
  Archive archive = {};
  prepare(&archive, portal, key, chunk_size);
  archive.directory = create_directory(path);
  write_rows(&archive, portal);
  finish(&archive, about_text);
  publish_directory(archive.directory);
  uint64 const row_count = archive.all_rows;
  SPI_cursor_close(portal);
  SPI_finish();
  PG_RETURN_INT64(int64(row_count));
}
