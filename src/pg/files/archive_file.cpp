#include "pg/files/archive_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "pg/files/server_file.hpp"

namespace strata::pg {

struct OutputDirectory {
  MemoryContext context;
  MemoryContextCallback callback;
  char* path;
  char* partial_path;
  int descriptor;  // holds a lock for as long as the directory is written
  bool exists;     // under its partial name
};

namespace {

[[noreturn]] void raise_directory_error(char const* action, char const* path) {
  ereport(ERROR, (errcode_for_file_access(), errmsg("could not %s directory \"%s\": %m", action, path)));
  pg_unreachable();
}

bool is_archive_file(char const* name) {
  return strcmp(name, bloom_file_name) == 0 || strcmp(name, manifest_file_name) == 0 ||
         (strncmp(name, "rows-", 5) == 0 && strstr(name, ".copy"));
}

// Removes what an archive consists of, nothing else. May not raise.
void empty_directory(int descriptor, char const* path) {
  DIR* const entries = opendir(path);
  if (!entries) return;
  while (dirent const* const entry = readdir(entries))
    if (is_archive_file(entry->d_name)) unlinkat(descriptor, entry->d_name, 0);
  closedir(entries);
}

void drop_partial_directory(void* argument) {
  auto* const directory = static_cast<OutputDirectory*>(argument);
  if (directory->exists) {
    int const descriptor = open(directory->partial_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (descriptor >= 0) {
      empty_directory(descriptor, directory->partial_path);
      close(descriptor);
    }
    rmdir(directory->partial_path);
  }
  directory->exists = false;
}

void refuse_existing(char const* path) {
  struct stat status;
  if (lstat(path, &status) != 0 && errno == ENOENT) return;
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_FILE), errmsg("archive \"%s\" exists already", path),
                  errhint("Archives are never overwritten: choose another name.")));
}

}  // namespace

void sha256_text(void const* bytes, size_t size, char* text) {
  uint8 digest[PG_SHA256_DIGEST_LENGTH];
  pg_cryptohash_ctx* const hash = pg_cryptohash_create(PG_SHA256);
  if (!hash || pg_cryptohash_init(hash) < 0 || pg_cryptohash_update(hash, static_cast<uint8 const*>(bytes), size) < 0 ||
      pg_cryptohash_final(hash, digest, sizeof digest) < 0)
    elog(ERROR, "could not compute SHA-256");
  pg_cryptohash_free(hash);
  constexpr char digits[] = "0123456789abcdef";
  for (uint8 byte : digest) {
    *text++ = digits[byte >> 4];
    *text++ = digits[byte & 15];
  }
  *text = '\0';
}

OutputDirectory* create_directory(char const* path) {
  refuse_existing(path);
  MemoryContext const context = AllocSetContextCreate(CurTransactionContext, "strata archive", ALLOCSET_SMALL_SIZES);
  auto* const directory = static_cast<OutputDirectory*>(MemoryContextAllocZero(context, sizeof(OutputDirectory)));
  directory->context = context;
  directory->path = MemoryContextStrdup(context, path);
  char* const partial_path = psprintf("%s%s", path, partial_suffix);
  directory->partial_path = MemoryContextStrdup(context, partial_path);
  directory->callback.func = drop_partial_directory;
  directory->callback.arg = directory;
  MemoryContextRegisterResetCallback(context, &directory->callback);
  if (MakePGDirectory(partial_path) != 0 && errno != EEXIST) raise_directory_error("create", partial_path);
  directory->descriptor = OpenTransientFile(partial_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (directory->descriptor < 0) raise_directory_error("open", partial_path);
  if (flock(directory->descriptor, LOCK_EX | LOCK_NB) != 0) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_IN_USE), errmsg("archive \"%s\" is being written by another session", path)));
  }
  directory->exists = true;
  empty_directory(directory->descriptor, partial_path);
  refuse_existing(path);  // another session may have finished while we came here
  return directory;
}

char* write_file_of(OutputDirectory* directory, char const* name, void const* bytes, size_t size) {
  char* const path = path_in(directory->partial_path, name);
  write_durable_file(path, bytes, size);
  return path;
}

void publish_directory(OutputDirectory* directory) {
  fsync_fname(directory->partial_path, true);
  refuse_existing(directory->path);
  if (rename(directory->partial_path, directory->path) != 0) raise_directory_error("rename", directory->partial_path);
  directory->exists = false;
  sync_parent(directory->path);
  CloseTransientFile(directory->descriptor);
  MemoryContextDelete(directory->context);
}

char* archive_path(char const* directory, char const* name) {
  size_t const length = strlen(name);
  constexpr size_t suffix_length = sizeof partial_suffix - 1;
  bool const is_partial = length >= suffix_length && strcmp(name + length - suffix_length, partial_suffix) == 0;
  if (length == 0 || length > 200 || name[0] == '.' || strchr(name, '/') || is_partial) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("\"%s\" cannot be the name of an archive or its files", name),
                    errhint("Take a name without slashes that neither begins with a dot nor ends in \"%s\".",
                            partial_suffix)));
  }
  return path_in(directory, name);
}

void raise_damaged(char const* path) {
  ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("file \"%s\" of an archive is damaged", path),
                  errdetail("It is not what was written when the archive was made.")));
  pg_unreachable();
}

FileContent read_checked(char const* path, char const* sha256) {
  InputFile const file = open_input(path);
  FileContent content = {static_cast<char*>(MemoryContextAllocHuge(CurrentMemoryContext, file.size + 1)), 0};
  constexpr size_t step = size_t{1} << 20;
  for (size_t got = step; got == step && content.size < file.size; content.size += got) {
    got = read_input(file, content.bytes + content.size, std::min(step, size_t(file.size) - content.size));
    CHECK_FOR_INTERRUPTS();
  }
  close_input(file);
  char found[sha256_text_size];
  sha256_text(content.bytes, content.size, found);
  if (strcmp(found, sha256) != 0) raise_damaged(path);
  return content;
}

uint64 count_rows(FileContent const& file, char const* path) {
  auto* const fields = static_cast<files::CopyField*>(palloc(sizeof(files::CopyField) * MaxTupleAttributeNumber));
  files::CopyRows rows({file.bytes, file.size});
  uint64 row_count = 0;
  int field_count;
  while ((field_count = rows.next(fields, MaxTupleAttributeNumber)) >= 0) row_count++;
  pfree(fields);
  if (field_count != files::copy_rows_end) raise_damaged(path);
  return row_count;
}

}  // namespace strata::pg
