#include "pg/files/server_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace strata::pg {

struct OutputFile {
  MemoryContext context;
  MemoryContextCallback callback;
  char* path;
  char* partial_path;
  int descriptor;
  bool overwrite;
  bool exists;  // under its partial name
};

namespace {

[[noreturn]] void raise_file_error(char const* action, char const* path) {
  ereport(ERROR, (errcode_for_file_access(), errmsg("could not %s file \"%s\": %m", action, path)));
  pg_unreachable();
}

void require_role(Oid role, char const* name, char const* what) {
  if (has_privs_of_role(GetUserId(), role)) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to %s files of the server", what),
                  errdetail("Only roles with privileges of the \"%s\" role may do this.", name),
                  errhint("Anyone can use the program strata-file, which works over the connection.")));
}

// Runs when the file is closed or its transaction is aborted. May not raise.
void drop_partial(void* argument) {
  auto* const file = static_cast<OutputFile*>(argument);
  if (file->exists) unlink(file->partial_path);
  file->exists = false;
}

// Whether the open file still is what its name stands for.
bool is_same_file(int descriptor, char const* path) {
  struct stat opened, named;
  return fstat(descriptor, &opened) == 0 && lstat(path, &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

[[noreturn]] void raise_busy(char const* path) {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("file \"%s\" is being written by another session", path)));
  pg_unreachable();
}

// A writer holds a lock on its partial file for life, so one without a lock was left behind by a crash.
void remove_left_over(char const* partial_path) {
  int const descriptor = OpenTransientFile(partial_path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
  if (descriptor < 0) {
    if (errno == ENOENT) return;
    raise_file_error("open", partial_path);
  }
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 || !is_same_file(descriptor, partial_path)) raise_busy(partial_path);
  if (unlink(partial_path) != 0) raise_file_error("remove", partial_path);
  CloseTransientFile(descriptor);
}

int create_partial(char const* partial_path) {
  constexpr int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | PG_BINARY;
  int descriptor = OpenTransientFilePerm(partial_path, flags, S_IRUSR | S_IWUSR);
  if (descriptor < 0 && errno == EEXIST) {
    remove_left_over(partial_path);
    descriptor = OpenTransientFilePerm(partial_path, flags, S_IRUSR | S_IWUSR);
  }
  if (descriptor < 0 && errno == EEXIST) raise_busy(partial_path);
  if (descriptor < 0) raise_file_error("create", partial_path);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 || !is_same_file(descriptor, partial_path)) raise_busy(partial_path);
  // As COPY TO makes them: others may read.
  if (fchmod(descriptor, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) != 0)
    raise_file_error("set permissions of", partial_path);
  return descriptor;
}

void write_bytes(int descriptor, char const* path, void const* bytes, size_t size) {
  auto const* at = static_cast<char const*>(bytes);
  while (size > 0) {
    pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_WRITE);
    errno = 0;
    ssize_t const written = write(descriptor, at, std::min(size, size_t{16} << 20));
    pgstat_report_wait_end();
    CHECK_FOR_INTERRUPTS();
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      if (errno == 0) errno = ENOSPC;
      raise_file_error("write", path);
    }
    at += written;
    size -= size_t(written);
  }
}

[[noreturn]] void raise_exists(char const* path) {
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_FILE), errmsg("file \"%s\" exists already", path),
                  errhint("Choose another name, or allow it with overwrite => true.")));
  pg_unreachable();
}

}  // namespace

void require_read_files() {
  require_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files", "read");
}

void require_write_files() {
  require_role(ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files", "write");
}

char* absolute_path(char const* path) {
  char* const copy = pstrdup(path);
  canonicalize_path(copy);
  if (!is_absolute_path(copy)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("path \"%s\" is not absolute", copy),
                    errhint("Write the whole path of a file on the machine that the server runs on.")));
  }
  return copy;
}

char* path_in(char const* directory, char const* name) {
  return psprintf("%s/%s", directory, name);
}

InputFile open_input(char const* path) {
  // Without waiting for a writer, should it be a pipe.
  int const descriptor = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
  if (descriptor < 0) raise_file_error("open", path);
  struct stat status;
  if (fstat(descriptor, &status) != 0) raise_file_error("stat", path);
  if (!S_ISREG(status.st_mode))
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path)));
  return {descriptor, uint64(status.st_size), path};
}

void close_input(InputFile const& file) {
  CloseTransientFile(file.descriptor);
}

size_t read_input(InputFile const& file, void* buffer, size_t size) {
  size_t filled = 0;
  while (filled < size) {
    pgstat_report_wait_start(WAIT_EVENT_COPY_FILE_READ);
    ssize_t const got = read(file.descriptor, static_cast<char*>(buffer) + filled, size - filled);
    pgstat_report_wait_end();
    if (got < 0 && errno == EINTR) {
      CHECK_FOR_INTERRUPTS();
      continue;
    }
    if (got < 0) raise_file_error("read", file.path);
    if (got == 0) break;
    filled += size_t(got);
  }
  return filled;
}

void seek_input(InputFile const& file, uint64 offset) {
  if (lseek(file.descriptor, off_t(offset), SEEK_SET) < 0) raise_file_error("seek in", file.path);
}

char* read_small_file(char const* path, size_t size_max, size_t* size) {
  InputFile const file = open_input(path);
  if (file.size > size_max) {
    ereport(ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
             errmsg("file \"%s\" has " UINT64_FORMAT " bytes, at most %zu are read", path, file.size, size_max)));
  }
  char* const bytes = static_cast<char*>(palloc(file.size + 1));
  size_t const got = read_input(file, bytes, file.size);
  bytes[got] = '\0';
  if (size) *size = got;
  close_input(file);
  return bytes;
}

OutputFile* create_output(char const* path, bool overwrite) {
  struct stat status;
  if (stat(path, &status) == 0) {
    if (S_ISDIR(status.st_mode))
      ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is a directory", path)));
    if (!overwrite) raise_exists(path);
  } else if (errno != ENOENT) {
    raise_file_error("stat", path);
  }
  // Dies with the (sub)transaction, and takes the partial file with it.
  MemoryContext const context = AllocSetContextCreate(CurTransactionContext, "strata file", ALLOCSET_SMALL_SIZES);
  auto* const file = static_cast<OutputFile*>(MemoryContextAllocZero(context, sizeof(OutputFile)));
  file->context = context;
  file->path = MemoryContextStrdup(context, path);
  char* const partial_path = psprintf("%s%s", path, partial_suffix);
  file->partial_path = MemoryContextStrdup(context, partial_path);
  file->overwrite = overwrite;
  file->callback.func = drop_partial;
  file->callback.arg = file;
  MemoryContextRegisterResetCallback(context, &file->callback);
  file->descriptor = create_partial(partial_path);
  file->exists = true;
  return file;
}

void write_output(OutputFile* file, void const* bytes, size_t size) {
  write_bytes(file->descriptor, file->partial_path, bytes, size);
}

void write_output_head(OutputFile* file, void const* bytes, size_t size) {
  if (lseek(file->descriptor, 0, SEEK_SET) != 0) raise_file_error("seek in", file->partial_path);
  write_output(file, bytes, size);
}

void publish_output(OutputFile* file) {
  if (pg_fsync(file->descriptor) != 0) raise_file_error("fsync", file->partial_path);
  // Unlike rename(), link() fails when somebody else was quicker. Not every file system has it.
  bool const is_linked = !file->overwrite && link(file->partial_path, file->path) == 0;
  if (!is_linked && !file->overwrite) {
    struct stat status;
    if (errno == EEXIST || lstat(file->path, &status) == 0) raise_exists(file->path);
    if (errno != ENOENT) raise_file_error("stat", file->path);
  }
  if (is_linked)
    unlink(file->partial_path);
  else if (rename(file->partial_path, file->path) != 0)
    raise_file_error("rename", file->partial_path);
  file->exists = false;
  sync_parent(file->path);
  CloseTransientFile(file->descriptor);
  MemoryContextDelete(file->context);
}

void sync_parent(char const* path) {
  char* const parent = pstrdup(path);
  get_parent_directory(parent);
  fsync_fname(parent, true);
  pfree(parent);
}

void write_durable_file(char const* path, void const* bytes, size_t size) {
  int const descriptor = OpenTransientFilePerm(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | PG_BINARY,
                                               S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  if (descriptor < 0) raise_file_error("create", path);
  write_bytes(descriptor, path, bytes, size);
  if (pg_fsync(descriptor) != 0) raise_file_error("fsync", path);
  CloseTransientFile(descriptor);
}

}  // namespace strata::pg
