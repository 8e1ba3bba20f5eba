// Files of vectors written byte by byte, for the tests of what reads them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/files/elements.hpp"
#include "core/files/reader.hpp"

namespace strata::files {

template <class Number>
std::string bytes_of(Number number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  return std::string(bytes, sizeof number);
}

template <class Number>
std::string vecs_row(std::vector<Number> const& values) {
  std::string bytes = bytes_of(static_cast<int32_t>(values.size()));
  for (Number value : values) bytes += bytes_of(value);
  return bytes;
}

inline std::string npy(std::string const& dictionary, std::string const& data, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  bytes += version == 1 ? bytes_of(static_cast<uint16_t>(dictionary.size()))
                        : bytes_of(static_cast<uint32_t>(dictionary.size()));
  return bytes + dictionary + data;
}

inline std::string npy_dictionary(std::string const& type, std::string const& shape) {
  return "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }    \n";
}

// A whole file read row by row.
struct ReadFile {
  std::vector<std::vector<float>> rows;
  std::vector<Fault> bad_rows;
  Fault fault;  // why it ended, if not at the end
  Element element = Element::f32;
  uint64_t row_count = 0;

  std::string text() const {
    char buffer[fault_text_size];
    describe(fault, buffer);
    return fault.ok() ? "" : buffer;
  }
};

// Gives the reader `step` more bytes whenever it asks for some, or as many as it asks for.
inline ReadFile read_file(std::string const& bytes, ReaderOptions options, size_t step = 0,
                          Number column = Number::f32) {
  ReadFile result;
  Reader reader(options);
  size_t start = 0, end = 0;
  for (;;) {
    // A copy, so that a sanitizer sees a read beyond the window.
    std::string const window = bytes.substr(start, end - start);
    Event const event = reader.next(window.data(), window.size(), end == bytes.size());
    if (event == Event::need_bytes) {
      size_t const grown = start + reader.wanted();
      end = std::min(bytes.size(), step == 0 ? grown : end + step);
      continue;
    }
    if (event == Event::fault) result.fault = reader.fault();
    if (event == Event::fault || event == Event::end) break;
    if (event == Event::bad_row) result.bad_rows.push_back(reader.fault());
    if (event == Event::row) {
      std::vector<float> floats(reader.dim());
      Fault fault;
      if (row_to_floats(reader.row(), reader.element(), reader.dim(), column, floats.data(), &fault))
        result.rows.push_back(floats);
      else
        result.bad_rows.push_back(fault);
    }
    start += reader.used();
  }
  result.element = reader.element();
  result.row_count = reader.row_count();
  return result;
}

}  // namespace strata::files
