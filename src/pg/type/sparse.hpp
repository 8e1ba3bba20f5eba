// sparsevec inside the server: the layout of its values, how to read one in place, and how to make one.
//
//   offset  size        field
//        0  4 (or 1)    varlena header; a stored value below 127 bytes has the short one of one byte
//        +  4           dim, 1 .. sparse_dim_max
//        +  4           count of stored elements, 0 .. sparse_nonzero_max, at most dim
//        +  4           unused, zero
//        +  4*count     int32 indices from 0, ascending, without duplicates, below dim
//        +  4*count     float32 values, finite, not zero
#pragma once
#include "pg/postgres.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/limits.hpp"
#include "core/math/sparse_distance.hpp"

namespace strata::pg {

struct SparseDisk {
  int32 varlena_header;
  int32 dim;
  int32 count;
  int32 unused;
};
static_assert(sizeof(SparseDisk) == 16 && offsetof(SparseDisk, dim) == 4 && offsetof(SparseDisk, count) == 8 &&
              offsetof(SparseDisk, unused) == 12);

constexpr char const* sparsevec_name = "sparsevec";
constexpr size_t sparse_head_size = sizeof(SparseDisk) - offsetof(SparseDisk, dim);

// A value in place. Arrays are unaligned when the header is short.
struct SparsevecView {
  struct varlena* value;  // detoasted: the datum itself, or a copy that release() frees
  int32_t dim;
  uint32_t count;
  char* indices;
  char* values;

  math::SparseView elements() const { return {count, indices, values}; }
  int32_t index(uint32_t i) const {
    int32_t index;
    memcpy(&index, indices + size_t{i} * sizeof index, sizeof index);
    return index;
  }
  float element(uint32_t i) const {
    float element;
    memcpy(&element, values + size_t{i} * sizeof element, sizeof element);
    return element;
  }
  void set(uint32_t i, int32_t index, float element) const {
    memcpy(indices + size_t{i} * sizeof index, &index, sizeof index);
    memcpy(values + size_t{i} * sizeof element, &element, sizeof element);
  }
};

// Ensures: the count fits the size of the value.
SparsevecView view_sparse(Datum datum);
void release(SparsevecView const& v, Datum datum);

// A new value with room for `count` elements that the caller sets.
SparsevecView make_sparse(int32_t dim, uint32_t count);

// Raise unless 1 <= dim <= sparse_dim_max and 0 <= count <= min(dim, sparse_nonzero_max). With a context for soft
// errors check_sparse_dim returns false instead.
bool check_sparse_dim(int64_t dim, Node* context = nullptr);
void check_sparse_count(int64_t count, int64_t dim);

// A sparsevec of the elements of `floats` that are not zero. Raises for NaN and infinity.
SparsevecView sparse_of_floats(uint32_t dim, float const* floats);

}  // namespace strata::pg
