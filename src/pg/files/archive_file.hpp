// The files of an archive: a directory that is written under a temporary name, and read with every byte checked.
//
//   DIRECTORY/NAME/
//     rows-000001.copy ...   rows in COPY's binary format, each file complete, so that COPY reads it, too
//     keys.bloom             a bloom filter of the keys for each of these files (core/sets/bloom)
//     manifest.json          columns, key, counts, SHA-256 of all files, and what the archive is of
#pragma once
#include "pg/postgres.hpp"

#include "core/files/copy_rows.hpp"

namespace strata::pg {

constexpr char bloom_file_name[] = "keys.bloom";
constexpr char manifest_file_name[] = "manifest.json";
constexpr char archive_format_name[] = "strata-archive";
constexpr int archive_format_version = 1;

constexpr size_t sha256_text_size = 65;  // hexadecimal, with '\0'
void sha256_text(void const* bytes, size_t size, char* text);

// A directory that gets its name in publish_directory(). Removed when the (sub)transaction ends before; what a crash
// left is emptied by the next attempt; a second writer is refused. Raises 58P02 when something has the name already.
struct OutputDirectory;
OutputDirectory* create_directory(char const* path);
// Writes a file of it and makes it durable. Returns its complete name for now.
char* write_file_of(OutputDirectory* directory, char const* name, void const* bytes, size_t size);
void publish_directory(OutputDirectory* directory);

// directory/name; raises 42602 unless the name is that of a file right there.
char* archive_path(char const* directory, char const* name);

struct FileContent {
  char* bytes;
  size_t size;
};
// The whole of a file; raises XX001 when it is not the one with this checksum.
FileContent read_checked(char const* path, char const* sha256);
[[noreturn]] void raise_damaged(char const* path);

// Rows of a file of COPY; raises when it is damaged.
uint64 count_rows(FileContent const& file, char const* path);

}  // namespace strata::pg
