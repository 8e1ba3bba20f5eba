// Nearest centroids of rows that are refine codes (quant/refine_code.hpp): what builds, seals, merges and training do
// with every row. With products of bytes (AVX-512 VNNI) the centroids are rounded to 8 bits too, and the few lists that
// come into question then are compared exactly; other instruction sets decode the rows for assign.hpp.
//
// The list returned is the nearest one of the row's reconstruction, but for rounding: where products of bytes choose,
// about one row in a thousand gets a list that is farther than the nearest by a few thousandths.
#pragma once
#include "core/cluster/assign.hpp"
#include "core/cluster/assign_kernel.hpp"

namespace strata::cluster {

// Prepared centroids, as CentroidSet.
struct CodeSet {
  uint32_t dim = 0;
  uint32_t list_count = 0;
  float const* centroids = nullptr;  // float[list_count][dim], as given, borrowed
  bool use_bytes = false;
  CentroidSet floats;             // unless use_bytes
  BytePanel bytes;                // of the first panel; the others follow
  float const* errors = nullptr;  // float[list_count]: length of what rounding to 8 bits took off a centroid
};

// Memory that prepare_codes fills, in bytes: a quarter of the centroids where bytes are used, else as much as they
// take. Depends on the instruction set in use, which may not change from here to the last use of the set.
size_t code_set_size(uint32_t dim, uint32_t list_count);

// `dim` is a multiple of 16. `centroids` must stay in place as long as the set is used.
CodeSet prepare_codes(uint32_t dim, float const* centroids, uint32_t list_count, void* memory);

// Working memory of one call of assign_codes, below 1 MB up to 1,000 dimensions.
size_t code_scratch_size(uint32_t dim, uint32_t list_count);

// As assign_nearest, for row_count refine rows `stride` bytes apart.
void assign_codes(CodeSet const& set, std::byte const* rows, size_t stride, size_t row_count, uint32_t* lists,
                  float* distances2, void* scratch);

}  // namespace strata::cluster
