// The header of an npy file (numpy.lib.format, versions 1 to 3):
//
//   offset  size     field
//        0  6        "\x93NUMPY"
//        6  2        version, major and minor
//        8  2 or 4   length of what follows; 4 from version 2 on
//        +  length   a Python dictionary with the keys descr, fortran_order and shape, spaces, a line end
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/files/fault.hpp"
#include "core/files/format.hpp"

namespace strata::files {

constexpr size_t npy_prefix_size = 12;                         // magic, version and the longer length
constexpr size_t npy_header_size_max = (size_t{1} << 16) - 1;  // of the dictionary; longer ones are refused

struct NpyShape {
  Element element = Element::f32;
  uint64_t row_count = 0;
  uint32_t dim = 0;
};

// The bytes up to the first row, from the first npy_prefix_size bytes; 0 with a fault when it is no npy file.
size_t npy_head_size(std::string_view prefix, Fault* fault);

// `head` is the first npy_head_size() bytes of the file. False with a fault when its rows cannot be read.
bool parse_npy_head(std::string_view head, NpyShape* shape, Fault* fault);

// What this program writes is always of this size, so that the number of rows can be filled in when it is known.
constexpr size_t npy_written_size = 128;
void write_npy_head(NpyShape const& shape, char* head);

}  // namespace strata::files
