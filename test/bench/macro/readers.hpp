// Vector files of every supported format, read into float32.
//   fvecs, bvecs   each row: int32 dimension, then float32 or uint8 elements
//   npy            NumPy format 1 to 3, C order, two axes, elements f8, f4, f2, u1, i1, little-endian
//   u8, i8, f16, f32, f64   raw little-endian rows; the dimension must be told
// Any of them may be compressed (.xz). All throw Failure with the file name and what is wrong.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "macro/matrix.hpp"

namespace strata::bench {

enum class Element { u8, i8, f16, f32, f64 };

struct ReadOptions {
  uint32_t dim = 0;        // of raw files; 0: not told. For files that carry it, checked when not 0
  std::string type;        // u8, i8, f16, f32, f64, fvecs, bvecs, npy; empty: from the file name
  uint64_t row_limit = 0;  // stop after so many rows; 0: all
};

Matrix read_vectors(std::string const& path, ReadOptions const& options);

// Neighbour numbers, nearest first: raw int32 rows of `width` numbers, or ivecs (then width is read from the file).
struct NeighborTable {
  uint32_t width = 0;
  std::vector<int32_t> ids;  // rows * width
  uint64_t rows() const { return width == 0 ? 0 : ids.size() / width; }
  int32_t const* row(uint64_t index) const { return ids.data() + index * width; }
};

// `query_count` tells the width of a raw file. Every number must be a row of the base, 0 .. base_rows - 1.
NeighborTable read_neighbors(std::string const& path, uint64_t query_count, uint64_t base_rows);

// Writes fvecs, bvecs, npy (f4), u8, f16 or f32, by the ending of the name.
void write_vectors(std::string const& path, Matrix const& matrix);

// Exposed for tests.
struct NpyHeader {
  Element element = Element::f32;
  uint64_t rows = 0;
  uint32_t dim = 0;
};
NpyHeader parse_npy_dictionary(std::string const& dictionary, std::string const& path);

}  // namespace strata::bench
