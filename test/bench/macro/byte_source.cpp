#include "macro/byte_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "macro/failure.hpp"

namespace strata::bench {

std::string strip_xz(std::string const& path) {
  return path.ends_with(".xz") ? path.substr(0, path.size() - 3) : path;
}

ByteSource::ByteSource(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw Failure("cannot open \"", path_, "\": ", std::strerror(errno));
  struct stat status;
  if (::fstat(descriptor_, &status) != 0 || S_ISDIR(status.st_mode)) {
    ::close(descriptor_);
    throw Failure("\"", path_, "\" is not a readable file");
  }
  if (path_.ends_with(".xz")) {
    start_xz();
  } else if (S_ISREG(status.st_mode)) {
    known_size_ = uint64_t(status.st_size);
  }
}

ByteSource::~ByteSource() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (xz_pid_ > 0) {  // a reader gave up early: xz gets SIGPIPE, or is told to stop
    ::kill(xz_pid_, SIGTERM);
    ::waitpid(xz_pid_, nullptr, 0);
  }
}

void ByteSource::start_xz() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Failure("cannot make a pipe: ", std::strerror(errno));
  xz_pid_ = ::fork();
  if (xz_pid_ < 0) throw Failure("cannot start xz: ", std::strerror(errno));
  if (xz_pid_ == 0) {
    ::dup2(descriptor_, STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execlp("xz", "xz", "-dc", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  ::close(descriptor_);
  descriptor_ = ends[0];
}

void ByteSource::finish_xz() {
  int status = 0;
  ::waitpid(xz_pid_, &status, 0);
  xz_pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    throw Failure("cannot read \"", path_, "\": the program xz is not installed (package xz-utils)");
  }
  throw Failure("\"", path_, "\" cannot be decompressed by xz: the file is damaged or not in xz format");
}

size_t ByteSource::read(void* buffer, size_t byte_count) {
  size_t filled = 0;
  while (filled < byte_count) {
    ssize_t const got = ::read(descriptor_, static_cast<char*>(buffer) + filled, byte_count - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure("cannot read \"", path_, "\": ", std::strerror(errno));
    if (got == 0) {
      if (xz_pid_ > 0) finish_xz();
      break;
    }
    filled += size_t(got);
  }
  return filled;
}

}  // namespace strata::bench
