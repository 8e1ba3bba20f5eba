#include "open_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "failure.hpp"

namespace strata::client {
namespace {

[[noreturn]] void fail(char const* action, std::string const& path) {
  throw Failure("cannot ", action, " \"", path, "\": ", std::strerror(errno));
}

bool is_same_file(int descriptor, std::string const& path) {
  struct stat opened, named;
  return fstat(descriptor, &opened) == 0 && lstat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

bool lock(int descriptor, std::string const& path) {
  return flock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_same_file(descriptor, path);
}

// A writer holds a lock on its file, so one without a lock was left behind by a crash.
void remove_left_over(std::string const& path) {
  int const descriptor = open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return;
  if (descriptor < 0) fail("open", path);
  bool const is_free = lock(descriptor, path);
  if (is_free) unlink(path.c_str());
  close(descriptor);
  if (!is_free) throw Failure("\"", path, "\" is being written by another program");
}

}  // namespace

OpenFile OpenFile::for_reading(std::string const& path) {
  int const descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("open", path);
  OpenFile file(path, descriptor);
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) throw Failure("\"", path, "\" is no regular file");
  return file;
}

OpenFile OpenFile::for_writing(std::string const& path, bool overwrite) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) throw Failure("\"", path, "\" is no regular file");
    if (!overwrite) throw Failure("\"", path, "\" exists already; --overwrite replaces it");
  }
  std::string const partial = path + ".partial";
  constexpr int flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  int descriptor = open(partial.c_str(), flags, 0666);
  if (descriptor < 0 && errno == EEXIST) {
    remove_left_over(partial);
    descriptor = open(partial.c_str(), flags, 0666);
  }
  if (descriptor < 0) fail("create", partial);
  OpenFile file(path, descriptor);
  if (!lock(descriptor, partial)) throw Failure("\"", partial, "\" is being written by another program");
  file.is_partial_ = true;
  file.overwrite_ = overwrite;
  return file;
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(other.descriptor_),
      is_partial_(other.is_partial_),
      overwrite_(other.overwrite_) {
  other.descriptor_ = -1;
  other.is_partial_ = false;
}

OpenFile::~OpenFile() {
  if (is_partial_) unlink(partial_path().c_str());
  if (descriptor_ >= 0) close(descriptor_);
}

uint64_t OpenFile::size() const {
  struct stat status;
  if (fstat(descriptor_, &status) != 0) fail("examine", path_);
  return static_cast<uint64_t>(status.st_size);
}

size_t OpenFile::read(void* bytes, size_t size) {
  size_t filled = 0;
  while (filled < size) {
    ssize_t const got = ::read(descriptor_, static_cast<char*>(bytes) + filled, size - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path_);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

void OpenFile::write(void const* bytes, size_t size) {
  auto const* at = static_cast<char const*>(bytes);
  while (size > 0) {
    ssize_t const written = ::write(descriptor_, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", partial_path());
    at += written;
    size -= static_cast<size_t>(written);
  }
}

void OpenFile::seek(uint64_t offset) {
  if (lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) fail("seek in", path_);
}

void OpenFile::publish() {
  std::string const partial = partial_path();
  if (fsync(descriptor_) != 0) fail("fsync", partial);
  // Unlike rename(), link() fails when somebody else was quicker. Not every file system has it.
  bool const is_linked = !overwrite_ && link(partial.c_str(), path_.c_str()) == 0;
  struct stat status;
  if (!is_linked && !overwrite_ && (errno == EEXIST || lstat(path_.c_str(), &status) == 0))
    throw Failure("\"", path_, "\" exists already; --overwrite replaces it");
  if (is_linked)
    unlink(partial.c_str());
  else if (rename(partial.c_str(), path_.c_str()) != 0)
    fail("rename", partial);
  is_partial_ = false;
  size_t const slash = path_.rfind('/');
  std::string const parent = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  int const directory = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
}

}  // namespace strata::client
