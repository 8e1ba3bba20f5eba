// Rows of a file of any format, one after the other.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "core/files/reader.hpp"
#include "options.hpp"

namespace strata::client {

struct SourceRow {
  files::Row row;       // its elements stay valid until the next one is asked for
  bool is_bad = false;  // it cannot be read, but those after it can
  files::Fault fault;   // why
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  // False after the last row. Throws Failure when the file is damaged.
  virtual bool next(SourceRow* row) = 0;
  // The next row will be this one. Only forward.
  virtual void skip_to(uint64_t row) = 0;
  // Known once there was a row.
  virtual files::Element element() const = 0;
  virtual uint32_t dim() const = 0;
  // Rows in all, or files::row_count_unknown.
  virtual uint64_t row_count() const = 0;
};

// `dim`: what the rows must have, 0: any.
std::unique_ptr<RowSource> open_source(Options const& options, uint32_t dim);

// Something that stands for the content: name, size, and a checksum of the first and last bytes.
std::string content_token(std::string const& path);

[[noreturn]] void fail_at(std::string const& path, files::Fault const& fault);
std::string text_of(files::Fault const& fault);

// In hdf5_file.cpp.
std::unique_ptr<RowSource> open_hdf5_source(Options const& options, uint32_t dim);

}  // namespace strata::client
