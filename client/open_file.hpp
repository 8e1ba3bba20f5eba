// Files as values: closed when they go out of scope, and written so that they are there whole or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace strata::client {

// All throw Failure.
class OpenFile {
 public:
  static OpenFile for_reading(std::string const& path);
  // A new file under the name path + ".partial", locked for as long as it is open, which takes its name in publish()
  // and is removed otherwise. Fails when there is a file at path, unless `overwrite`.
  static OpenFile for_writing(std::string const& path, bool overwrite);

  OpenFile(OpenFile&& other) noexcept;
  OpenFile(OpenFile const&) = delete;
  OpenFile& operator=(OpenFile const&) = delete;
  ~OpenFile();

  uint64_t size() const;
  size_t read(void* bytes, size_t size);  // less than asked for only at the end
  void write(void const* bytes, size_t size);
  void seek(uint64_t offset);
  void rewind() { seek(0); }
  void publish();
  std::string partial_path() const { return path_ + ".partial"; }

 private:
  OpenFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
  bool is_partial_ = false;
  bool overwrite_ = false;
};

}  // namespace strata::client
