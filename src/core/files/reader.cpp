#include "core/files/reader.hpp"

#include "core/base/check.hpp"
#include "core/base/limits.hpp"
#include "core/files/little_endian.hpp"
#include "core/files/npy.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {

constexpr size_t vecs_length_size = sizeof(int32_t);
constexpr size_t element_size_max = 8;
static_assert(window_size_min >= vecs_length_size + vector_dim_max * element_size_max);
static_assert(window_size_min >= npy_prefix_size + npy_header_size_max);

Reader::Reader(ReaderOptions const& options) : options_(options) {
  STRATA_ASSERT(options.format != Format::hdf5);
  if (options.format != Format::npy) element_ = vecs_element(options.format);
}

Event Reader::next(void const* window, size_t size, bool at_end) {
  if (!fault_.ok() && !is_of_one_row(fault_.kind)) return Event::fault;
  used_ = wanted_ = 0;
  auto const* bytes = static_cast<char const*>(window);
  return options_.format == Format::npy ? next_npy(bytes, size, at_end) : next_vecs(bytes, size, at_end);
}

Event Reader::need(size_t byte_count) {
  wanted_ = byte_count;
  return Event::need_bytes;
}

Event Reader::fail(FaultKind kind, uint64_t found, uint64_t expected) {
  fault_ = {};
  fault_.kind = kind;
  fault_.row = row_number_;
  fault_.byte = byte_;
  fault_.found = found;
  fault_.expected = expected;
  return Event::fault;
}

// A row of row_size bytes, the last of which are its elements.
Event Reader::take_row(char const* elements, size_t row_size) {
  size_t const elements_size = dim_ * element_size(element_);
  row_ = {row_number_, byte_ + (row_size - elements_size), elements};
  ++row_number_;
  byte_ += row_size;
  used_ = row_size;
  return Event::row;
}

Event Reader::read_npy_head(char const* window, size_t size, bool at_end) {
  if (size < npy_prefix_size && !at_end) return need(npy_prefix_size);
  size_t const head_size = npy_head_size({window, size}, &fault_);
  if (!fault_.ok()) return Event::fault;
  if (size < head_size) return at_end ? fail(FaultKind::header_cut_off, size, head_size) : need(head_size);
  NpyShape shape;
  if (!parse_npy_head({window, head_size}, &shape, &fault_)) return Event::fault;
  has_head_ = true;
  element_ = shape.element;
  dim_ = shape.dim;
  row_count_ = shape.row_count;
  byte_ = used_ = head_size;
  if (options_.dim != 0 && options_.dim != dim_) return fail(FaultKind::dim_expected, dim_, options_.dim);
  uint64_t const row_size = dim_ * element_size(element_);
  if (options_.file_size != 0 && options_.file_size < head_size + row_count_ * row_size) {
    uint64_t const held = options_.file_size > head_size ? options_.file_size - head_size : 0;
    row_number_ = held / row_size;
    byte_ += row_number_ * row_size;
    return fail(FaultKind::row_cut_off, held % row_size, row_size);
  }
  return Event::head;
}

Event Reader::next_npy(char const* window, size_t size, bool at_end) {
  if (!has_head_) return read_npy_head(window, size, at_end);
  if (row_number_ == row_count_) {
    if (size > 0) return fail(FaultKind::bytes_after_rows, size, 0);
    return at_end ? Event::end : need(1);
  }
  size_t const row_size = dim_ * element_size(element_);
  if (size < row_size) return at_end ? fail(FaultKind::row_cut_off, size, row_size) : need(row_size);
  return take_row(window, row_size);
}

Event Reader::next_vecs(char const* window, size_t size, bool at_end) {
  if (size == 0) return at_end ? Event::end : need(vecs_length_size);
  if (size < vecs_length_size) {
    return at_end ? fail(FaultKind::row_cut_off, size, vecs_length_size) : need(vecs_length_size);
  }
  uint32_t const dim = load_little<uint32_t>(window);
  if (dim < 1 || dim > vector_dim_max) return fail(FaultKind::dim_range, dim, vector_dim_max);
  size_t const row_size = vecs_length_size + dim * element_size(element_);
  if (dim_ == 0) {
    if (options_.dim != 0 && options_.dim != dim) return fail(FaultKind::dim_expected, dim, options_.dim);
    dim_ = dim;
    if (options_.file_size != 0) row_count_ = options_.file_size / row_size;
  }
  if (size < row_size) return at_end ? fail(FaultKind::row_cut_off, size, row_size) : need(row_size);
  if (dim == dim_) return take_row(window + vecs_length_size, row_size);
  fail(FaultKind::dim_mixed, dim, dim_);
  take_row(nullptr, row_size);
  return Event::bad_row;
}

}  // namespace strata::files
