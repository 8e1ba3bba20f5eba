// Training of a codebook: flat k-means by FAISS's Clustering, whose assignment step runs through assign.hpp, in one
// thread.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/status.hpp"
#include "core/cluster/rows.hpp"

namespace strata::cluster {

struct TrainOptions {
  uint32_t list_count = 0;               // centroids wanted, 1..list_count_max
  uint32_t iteration_count = 10;         // Lloyd steps, at least 1
  uint64_t seed = 0;                     // of the initial choice of rows
  size_t memory_max_bytes = SIZE_MAX;    // upper bound of what training allocates
  bool (*should_stop)(void*) = nullptr;  // asked every few milliseconds; true ends the training. May not throw or jump
  void* context = nullptr;               // passed to should_stop
  float* residuals2 = nullptr;           // float[list_count]: receives the mean squared distance of each list's rows
  uint32_t* row_counts = nullptr;        // uint32[list_count]: receives the number of each list's rows
  bool spherical = false;                // centroids are normalised after each step; rows are expected to be, too
};

struct TrainResult {
  uint32_t list_count = 0;     // centroids written
  uint32_t list_rows_max = 0;  // training rows of the largest list
  // Mean squared distance of the training rows to their centroids. Rows that did not train have more: 1.05 times as
  // much with 64 training rows a list, 1.10 times with 32.
  double mean_residual2 = 0.0;
};

// Bytes that train_centroids allocates at most, without the caller's rows and centroids. Holds for floats and for
// codes.
size_t train_memory_size(uint32_t dim, size_t row_count, uint32_t list_count);

// Writes result.list_count centroids, float[dim] each, to `centroids`, which has room for options.list_count of them.
// Every centroid has at least one training row nearest to it: lists that run empty split others, and what cannot be
// filled is dropped. So fewer centroids come back when there are fewer distinct rows than lists, and exactly one when
// all rows are equal. Good lists need 64 rows a centroid or more; that is the caller's choice
// (policy/codebook_policy.hpp).
//
// The first steps see every n-th row only, 16 a list: they have far to go, and need not be exact.
//
// `rows` stay in place and are never copied. The same input, options and instruction set give the same output. Returns
// Code::invalid for no rows, a component that is not finite (detail = its row) or magnitudes beyond assign.hpp's,
// Code::limit for sizes out of range, Code::out_of_memory (detail = bytes needed) when memory_max_bytes is too small,
// Code::interrupted when should_stop said so; `centroids` and `result` are then undefined. May throw std::bad_alloc.
// Prints nothing. Not reentrant from several threads: it sets OpenMP's number of threads to one for the duration.
Status train_centroids(Rows const& rows, TrainOptions const& options, float* centroids, TrainResult& result);

}  // namespace strata::cluster
