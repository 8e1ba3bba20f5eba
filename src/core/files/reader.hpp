// Reads a file of vectors without touching it: the caller holds a window of bytes, the reader says what is in it.
//
//   Reader reader(options);
//   for (;;) switch (reader.next(window, size, at_end)) {
//     need_bytes: give more, at least reader.wanted() in all (at most window_size_min); at_end when there are none
//     head:       of an npy file; go on
//     row:        reader.row() points into the window
//     bad_row:    reader.fault() says why; the rows after it can be read
//     end:        every row was read and nothing follows
//     fault:      reader.fault() says why; nothing more can be read
//   }
// After every event but need_bytes and fault the caller drops reader.used() bytes from the start of the window (after a
// row: once it is done with it). Owns nothing and allocates nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/files/fault.hpp"
#include "core/files/format.hpp"

namespace strata::files {

// A window of this size holds every header and every row.
constexpr size_t window_size_min = size_t{256} << 10;

constexpr uint64_t row_count_unknown = ~uint64_t{0};

struct ReaderOptions {
  Format format = Format::fvecs;  // not hdf5
  uint32_t dim = 0;               // what every row must have; 0: what the first one has
  uint64_t file_size = 0;         // bytes; 0: not known. A file that cannot hold its rows is then refused at once
};

enum class Event : uint8_t { need_bytes, head, row, bad_row, end, fault };

struct Row {
  uint64_t number = 0;  // from 0
  uint64_t byte = 0;    // offset of its elements in the file
  void const* elements = nullptr;
};

class Reader {
 public:
  explicit Reader(ReaderOptions const& options);

  Event next(void const* window, size_t size, bool at_end);

  size_t used() const { return used_; }
  size_t wanted() const { return wanted_; }
  Row const& row() const { return row_; }
  Fault const& fault() const { return fault_; }
  // Known from the first event that is not need_bytes on, unless that is end or fault.
  Element element() const { return element_; }
  uint32_t dim() const { return dim_; }
  // Rows of the whole file: from an npy header, or from the size of the file and the first row; or row_count_unknown.
  uint64_t row_count() const { return row_count_; }

 private:
  Event need(size_t byte_count);
  Event fail(FaultKind kind, uint64_t found, uint64_t expected);
  Event read_npy_head(char const* window, size_t size, bool at_end);
  Event next_npy(char const* window, size_t size, bool at_end);
  Event next_vecs(char const* window, size_t size, bool at_end);
  Event take_row(char const* elements, size_t row_size);

  ReaderOptions options_;
  bool has_head_ = false;
  Element element_ = Element::f32;
  uint32_t dim_ = 0;  // 0: not known yet
  uint64_t row_count_ = row_count_unknown;
  uint64_t row_number_ = 0;  // of the row that begins at the start of the window
  uint64_t byte_ = 0;        // offset of the start of the window
  size_t used_ = 0;
  size_t wanted_ = 0;
  Row row_;
  Fault fault_;
};
static_assert(std::is_trivially_destructible_v<Reader>);

}  // namespace strata::files
