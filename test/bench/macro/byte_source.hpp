// A stream of bytes from a file, decompressed by the program xz when the name ends in .xz.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace strata::bench {

class ByteSource {
 public:
  explicit ByteSource(std::string path);
  ~ByteSource();
  ByteSource(ByteSource const&) = delete;
  ByteSource& operator=(ByteSource const&) = delete;

  // Fills the buffer; less than asked for only at the end of the data. Throws Failure on a read or xz error.
  size_t read(void* buffer, size_t byte_count);

  // Size of an uncompressed file, 0 when it is not known beforehand.
  uint64_t known_size() const { return known_size_; }
  std::string const& path() const { return path_; }

 private:
  void start_xz();
  void finish_xz();

  std::string path_;
  int descriptor_ = -1;
  pid_t xz_pid_ = -1;
  uint64_t known_size_ = 0;
};

// The name without .xz, from which the format is guessed.
std::string strip_xz(std::string const& path);

}  // namespace strata::bench
