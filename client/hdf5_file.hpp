// Datasets of HDF5 files: two axes, rows and dimensions, as the common benchmark files have them (train, test,
// neighbors, distances).
#pragma once
#include <hdf5.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/files/format.hpp"

namespace strata::client {

// An identifier of the library together with what closes it.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle(Handle const&) = delete;
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// Adds rows to a new dataset of a file.
class Hdf5Writer {
 public:
  // Creates the file, or opens it with `append`. Elements are f32 or i32.
  Hdf5Writer(std::string const& path, std::string const& dataset, files::Element element, bool append);
  void set_distance(std::string const& name);
  // The dimension is that of the first row.
  void put(void const* elements, uint32_t dim);
  void finish();

 private:
  void create(uint32_t dim);
  void flush();

  Handle file_;
  std::string name_;
  files::Element element_;
  Handle dataset_;
  uint32_t dim_ = 0;
  uint64_t written_ = 0;  // rows
  std::vector<char> buffer_;
};

}  // namespace strata::client
