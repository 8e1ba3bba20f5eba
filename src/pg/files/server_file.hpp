// Files of the machine that the server runs on: who may use them, how one is read, and how one is written so that
// it is there whole or not at all.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Raise 42501 unless the current user has the privileges of pg_read_server_files or pg_write_server_files: whoever
// that is at this moment, also inside of SECURITY DEFINER functions.
void require_read_files();
void require_write_files();

// A canonical copy of an absolute path; raises 42602 for a relative one.
char* absolute_path(char const* path);
// directory/name, palloc'd.
char* path_in(char const* directory, char const* name);

struct InputFile {
  int descriptor;
  uint64 size;
  char const* path;
};

// Opens a regular file; a directory, a pipe or a device is refused. Closed by close_input() or the end of the
// (sub)transaction.
InputFile open_input(char const* path);
void close_input(InputFile const& file);
// Fills the buffer; less than asked for only at the end of the file.
size_t read_input(InputFile const& file, void* buffer, size_t size);
void seek_input(InputFile const& file, uint64 offset);
// The whole of a small file with '\0' after it; raises when it is larger.
char* read_small_file(char const* path, size_t size_max, size_t* size = nullptr);

// A file under a temporary name, path + partial_suffix. It is removed when the (sub)transaction ends before publish();
// what a crash left behind is replaced by the next attempt, and a second writer of the same file is refused.
constexpr char partial_suffix[] = ".partial";
struct OutputFile;
// Raises 58P02 when there is a file at path and `overwrite` is false.
OutputFile* create_output(char const* path, bool overwrite);
void write_output(OutputFile* file, void const* bytes, size_t size);
// Writes over the first bytes.
void write_output_head(OutputFile* file, void const* bytes, size_t size);
// Makes it durable and gives it its name.
void publish_output(OutputFile* file);

// A new file, whole and on disk when this returns; an error leaves it to the caller to remove.
void write_durable_file(char const* path, void const* bytes, size_t size);
// Makes names of the directory that the path is in durable.
void sync_parent(char const* path);

}  // namespace strata::pg
