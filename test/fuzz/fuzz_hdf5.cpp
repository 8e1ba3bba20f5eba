// Strategy: HDF5 files whose datasets have any shape, type and layout that the library writes, and an end that may be
// cut off. Invariant: a file is refused, or every row has the numbers that were written.
//
//   | axes | lengths of 3 axes | type | layout | bytes cut off | numbers |
#include <hdf5.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "client/failure.hpp"
#include "client/row_source.hpp"
#include "core/base/limits.hpp"
#include "fuzz/fuzz.hpp"

namespace strata::client {
volatile int interrupting_signal = 0;
}

namespace {

using namespace strata;

constexpr size_t head_size = 7;
constexpr uint64_t rows_read_max = 300;

void require(bool condition) {
  if (!condition) std::abort();
}

hid_t type_of(uint8_t number) {
  hid_t const types[] = {H5T_IEEE_F32LE, H5T_IEEE_F64BE, H5T_STD_I32LE, H5T_STD_I64BE,   H5T_STD_U64LE,
                         H5T_STD_U8LE,   H5T_STD_I16BE,  H5T_C_S1,      H5T_STD_REF_OBJ, H5T_STD_U32LE};
  return types[number % std::size(types)];
}

// The values as doubles, in the order of the file.
struct Written {
  std::vector<double> values;
  bool has_numbers = false;
};

Written write_file(std::string const& path, uint8_t const* head, uint8_t const* numbers, size_t number_count) {
  int const axis_count = head[0] % 5;  // 4: no shape at all
  hsize_t axes[3];
  hsize_t count = 1;
  for (int i = 0; i < 3; ++i) axes[i] = head[1 + i] == 255 ? hsize_t{1} << 40 : head[1 + i] % 40;
  for (int i = 0; i < axis_count && i < 3; ++i) count *= axes[i];
  hid_t const file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  require(file >= 0);
  hid_t const space = axis_count == 4   ? H5Screate(H5S_NULL)
                      : axis_count == 0 ? H5Screate(H5S_SCALAR)
                                        : H5Screate_simple(axis_count, axes, nullptr);
  hid_t const properties = H5Pcreate(H5P_DATASET_CREATE);
  bool const is_large = axis_count < 4 && count > 40 * 40 * 40;
  if (axis_count >= 1 && axis_count <= 3 && (head[5] % 3 == 1 || is_large)) {
    hsize_t chunk[3];
    for (int i = 0; i < axis_count; ++i) chunk[i] = std::clamp<hsize_t>(axes[i], 1, 7);
    H5Pset_chunk(properties, axis_count, chunk);
    if (head[5] % 2 == 1) H5Pset_shuffle(properties);
  } else if (head[5] % 3 == 2) {
    H5Pset_layout(properties, H5D_COMPACT);
  }
  hid_t const set = H5Dcreate2(file, "train", type_of(head[4]), space, H5P_DEFAULT, properties, H5P_DEFAULT);
  Written written;
  hid_t const type = type_of(head[4]);
  written.has_numbers = H5Tget_class(type) == H5T_FLOAT || H5Tget_class(type) == H5T_INTEGER;
  if (set >= 0 && written.has_numbers && axis_count == 2 && !is_large && number_count > 0) {
    for (hsize_t i = 0; i < count; ++i)
      written.values.push_back(double(numbers[i % number_count]) - (head[4] % 2 ? 0 : 100));
    if (H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE)
      for (double& value : written.values) value = std::fabs(value);
    if (H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, written.values.data()) < 0)
      written.values.clear();
  }
  if (set >= 0) H5Dclose(set);
  H5Pclose(properties);
  H5Sclose(space);
  H5Fclose(file);
  return written;
}

double value_at(client::SourceRow const& row, files::Element element, uint32_t at) {
  char const* const from = static_cast<char const*>(row.row.elements) + at * files::element_size(element);
  if (element == files::Element::f64) {
    double value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  if (element == files::Element::f32) {
    float value;
    std::memcpy(&value, from, sizeof value);
    return double(value);
  }
  require(element == files::Element::i32);
  int32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void read_file(std::string const& path, Written const& written, bool is_whole) {
  client::Options options;
  options.path = path;
  try {
    auto const source = client::open_hdf5_source(options, 0);
    require(source->dim() >= 1 && source->dim() <= vector_dim_max && written.has_numbers);
    client::SourceRow row;
    uint64_t number = 0;
    for (; number < rows_read_max && source->next(&row); ++number) {
      require(row.row.number == number);
      for (uint32_t i = 0; i < source->dim(); ++i) {
        double const value = value_at(row, source->element(), i);
        if (!written.values.empty() && is_whole) require(value == written.values[number * source->dim() + i]);
      }
    }
    require(number == std::min(rows_read_max, source->row_count()));
  } catch (client::Failure const& failure) {
    require(failure.what()[0] != '\0');
  }
}

// One file for all runs.
struct Place {
  std::string path;
  Place() {
    char name[] = "/tmp/fuzz_hdf5.XXXXXX";
    int const descriptor = mkstemp(name);
    require(descriptor >= 0);
    close(descriptor);
    path = name;
  }
  ~Place() { unlink(path.c_str()); }
};

}  // namespace

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size < head_size) return 0;
  static Place const place;
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  Written const written = write_file(place.path, data, data + head_size, size - head_size);
  bool const is_whole = data[6] < 128;
  if (!is_whole) {
    FILE* const file = std::fopen(place.path.c_str(), "r+");
    require(file != nullptr);
    std::fseek(file, 0, SEEK_END);
    long const length = std::ftell(file);
    std::fclose(file);
    require(truncate(place.path.c_str(), std::max(0L, length - (data[6] - 127L) * 16)) == 0);
  }
  read_file(place.path, written, is_whole);
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  if (number >= 12 || capacity < 64) return 0;
  uint8_t const head[head_size] = {
      2, uint8_t(number * 3), 4, 1, uint8_t(number), uint8_t(number % 3), uint8_t(number == 11 ? 200 : 0)};
  std::memcpy(out, head, sizeof head);
  for (size_t i = head_size; i < 64; ++i) out[i] = uint8_t(i * 5);
  return 64;
}
