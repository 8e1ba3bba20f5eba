#include "hdf5_file.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/limits.hpp"
#include "failure.hpp"
#include "row_source.hpp"

namespace strata::client {
namespace {

constexpr size_t chunk_size = size_t{1} << 20;

void be_quiet() {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

hid_t memory_type(files::Element element) {
  switch (element) {
    case files::Element::f32:
      return H5T_NATIVE_FLOAT;
    case files::Element::f64:
      return H5T_NATIVE_DOUBLE;
    default:
      return H5T_NATIVE_INT32;
  }
}

uint64_t rows_of_chunk(size_t row_size) {
  return std::max<uint64_t>(1, chunk_size / row_size);
}

class Hdf5Source : public RowSource {
 public:
  Hdf5Source(Options const& options, uint32_t dim)
      : path_(options.path),
        name_(options.dataset),
        file_(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose),
        dataset_(file_.ok() ? H5Dopen2(file_.get(), name_.c_str(), H5P_DEFAULT) : -1, H5Dclose),
        space_(dataset_.ok() ? H5Dget_space(dataset_.get()) : -1, H5Sclose) {
    if (!file_.ok()) throw Failure("cannot read \"", path_, "\" as HDF5");
    if (!dataset_.ok()) throw Failure("\"", path_, "\" has no dataset \"", name_, "\"; say which one with --dataset");
    if (H5Sget_simple_extent_ndims(space_.get()) != 2) fail("two axes are needed: rows and dimensions");
    hsize_t axes[2];
    H5Sget_simple_extent_dims(space_.get(), axes, nullptr);
    if (axes[1] < 1 || axes[1] > vector_dim_max) fail("dimension ", axes[1], " is not in 1 .. ", vector_dim_max);
    row_count_ = axes[0];
    dim_ = static_cast<uint32_t>(axes[1]);
    if (dim != 0 && dim != dim_) fail(dim_, " dimensions, expected ", dim);
    choose_type();
    haddr_t const offset = H5Dget_offset(dataset_.get());
    offset_ = offset == HADDR_UNDEF ? 0 : offset;  // of rows that lie in one piece
  }

  bool next(SourceRow* row) override {
    if (next_ >= row_count_) return false;
    if (next_ < held_first_ || next_ >= held_first_ + held_count_) load();
    size_t const row_size = dim_ * files::element_size(element_);
    row->is_bad = false;
    row->row = {next_, offset_ + next_ * row_size, buffer_.data() + (next_ - held_first_) * row_size};
    ++next_;
    return true;
  }
  void skip_to(uint64_t row) override { next_ = row; }
  files::Element element() const override { return element_; }
  uint32_t dim() const override { return dim_; }
  uint64_t row_count() const override { return row_count_; }

 private:
  template <class... Parts>
  [[noreturn]] void fail(Parts const&... parts) {
    throw Failure("file \"", path_, "\", dataset \"", name_, "\": ", parts...);
  }

  void choose_type() {
    Handle const type(H5Dget_type(dataset_.get()), H5Tclose);
    size_t const size = H5Tget_size(type.get());
    switch (H5Tget_class(type.get())) {
      case H5T_FLOAT:
        element_ = size > sizeof(float) ? files::Element::f64 : files::Element::f32;
        break;
      case H5T_INTEGER:
        element_ = files::Element::i32;
        // Wider ones are read as they are, and refused when they do not fit; conversion would bend them.
        is_wide_ = size > sizeof(int32_t) || (size == sizeof(int32_t) && H5Tget_sign(type.get()) == H5T_SGN_NONE);
        break;
      default:
        fail("its elements are neither floats nor integers");
    }
  }

  void load() {
    check_interrupted();
    size_t const element_size = files::element_size(element_);
    uint64_t const count = std::min(rows_of_chunk(dim_ * element_size), row_count_ - next_);
    hsize_t const start[2] = {next_, 0}, size[2] = {count, dim_};
    H5Sselect_hyperslab(space_.get(), H5S_SELECT_SET, start, nullptr, size, nullptr);
    Handle const memory(H5Screate_simple(2, size, nullptr), H5Sclose);
    buffer_.resize(count * dim_ * element_size);
    std::vector<int64_t> wide(is_wide_ ? count * dim_ : 0);
    void* const target = is_wide_ ? static_cast<void*>(wide.data()) : buffer_.data();
    hid_t const type = is_wide_ ? H5T_NATIVE_INT64 : memory_type(element_);
    if (H5Dread(dataset_.get(), type, memory.get(), space_.get(), H5P_DEFAULT, target) < 0)
      fail("row ", next_, " cannot be read: the file is cut off or damaged");
    for (size_t i = 0; i < wide.size(); ++i) {
      if (wide[i] < INT32_MIN || wide[i] > INT32_MAX)
        fail("row ", next_ + i / dim_, ": element ", i % dim_, " is out of range");
      auto const narrow = static_cast<int32_t>(wide[i]);
      std::memcpy(buffer_.data() + i * sizeof narrow, &narrow, sizeof narrow);
    }
    held_first_ = next_;
    held_count_ = count;
  }

  std::string path_, name_;
  Handle file_, dataset_, space_;
  files::Element element_ = files::Element::f32;
  bool is_wide_ = false;
  uint32_t dim_ = 0;
  uint64_t row_count_ = 0, next_ = 0, offset_ = 0;
  uint64_t held_first_ = 0, held_count_ = 0;  // rows in the buffer
  std::vector<char> buffer_;
};

}  // namespace

std::unique_ptr<RowSource> open_hdf5_source(Options const& options, uint32_t dim) {
  be_quiet();
  return std::make_unique<Hdf5Source>(options, dim);
}

Hdf5Writer::Hdf5Writer(std::string const& path, std::string const& dataset, files::Element element, bool append)
    : file_((be_quiet(), append ? H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)
                                : H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)),
            H5Fclose),
      name_(dataset),
      element_(element),
      dataset_(-1, H5Dclose) {
  if (!file_.ok()) throw Failure("cannot ", append ? "read" : "create", " \"", path, "\" as HDF5");
  if (append && H5Lexists(file_.get(), dataset.c_str(), H5P_DEFAULT) > 0)
    throw Failure("\"", path, "\" has a dataset \"", dataset, "\" already");
}

void Hdf5Writer::set_distance(std::string const& name) {
  Handle const type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), std::max<size_t>(1, name.size()));
  Handle const space(H5Screate(H5S_SCALAR), H5Sclose);
  if (H5Aexists(file_.get(), "distance") > 0) H5Adelete(file_.get(), "distance");
  Handle const attribute(H5Acreate2(file_.get(), "distance", type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  if (!attribute.ok() || H5Awrite(attribute.get(), type.get(), name.c_str()) < 0)
    throw Failure("cannot write the attribute \"distance\"");
}

void Hdf5Writer::create(uint32_t dim) {
  dim_ = dim;
  size_t const element_size = files::element_size(element_);
  hsize_t const start[2] = {0, dim}, most[2] = {H5S_UNLIMITED, dim},
                chunk[2] = {rows_of_chunk(dim * element_size), dim};
  Handle const space(H5Screate_simple(2, start, most), H5Sclose);
  Handle const layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_chunk(layout.get(), 2, chunk);
  hid_t const type = element_ == files::Element::f32 ? H5T_IEEE_F32LE : H5T_STD_I32LE;
  Handle dataset(H5Dcreate2(file_.get(), name_.c_str(), type, space.get(), H5P_DEFAULT, layout.get(), H5P_DEFAULT),
                 H5Dclose);
  if (!dataset.ok()) throw Failure("cannot create the dataset \"", name_, "\"");
  dataset_ = std::move(dataset);
}

void Hdf5Writer::put(void const* elements, uint32_t dim) {
  if (dim_ == 0) create(dim);
  size_t const row_size = dim_ * files::element_size(element_);
  auto const* bytes = static_cast<char const*>(elements);
  buffer_.insert(buffer_.end(), bytes, bytes + row_size);
  if (buffer_.size() >= chunk_size) flush();
}

void Hdf5Writer::flush() {
  size_t const row_size = dim_ * files::element_size(element_);
  if (buffer_.empty()) return;
  uint64_t const count = buffer_.size() / row_size;
  hsize_t const grown[2] = {written_ + count, dim_}, start[2] = {written_, 0}, size[2] = {count, dim_};
  H5Dset_extent(dataset_.get(), grown);
  Handle const space(H5Dget_space(dataset_.get()), H5Sclose);
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, size, nullptr);
  Handle const memory(H5Screate_simple(2, size, nullptr), H5Sclose);
  if (H5Dwrite(dataset_.get(), memory_type(element_), memory.get(), space.get(), H5P_DEFAULT, buffer_.data()) < 0)
    throw Failure("cannot write the dataset \"", name_, "\": is the disk full?");
  written_ += count;
  buffer_.clear();
}

void Hdf5Writer::finish() {
  if (dim_ == 0) create(1);
  flush();
  if (H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) < 0) throw Failure("cannot write the HDF5 file: is the disk full?");
}

}  // namespace strata::client
