// Exact nearest centroid by squared L2 distance, for batches of rows; the inner loop of training and of every build,
// seal and merge. Tiles of rows meet panels of 32 centroids, all products of a tile in registers (see
// assign_kernel.hpp).
//
// Ranking uses ||c||^2/2 - <x,c> on rows and centroids from which the mean of the centroids was subtracted, so that a
// large common offset does not eat the precision. The list returned is the nearest up to rounding: its true distance
// exceeds the true minimum by at most a few float epsilons of (||x - mean||^2 + ||c - mean||^2). Distances are computed
// afterwards from the differences and carry no cancellation. Equal centroids: the lowest list wins. Components must be
// finite and below about 1e16 in magnitude, so that squares stay finite; otherwise the list is arbitrary, but always in
// range.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::cluster {

// Prepared centroids: views into memory of the caller, read-only after prepare_centroids, good for any number of
// readers.
struct CentroidSet {
  uint32_t dim = 0;
  uint32_t list_count = 0;
  float const* centroids = nullptr;  // float[list_count][dim], as given, borrowed
  float const* mean = nullptr;       // float[dim]
  float const* half_norms =
      nullptr;                    // float[panel_count * 32]: ||c - mean||^2 / 2, +inf where the last panel is padded
  float const* panels = nullptr;  // float[panel_count][dim][32]: component d of 32 centroids side by side
};

// Memory that prepare_centroids fills, in bytes; about the size of the centroids themselves. It needs an alignment
// of 64.
size_t centroid_set_size(uint32_t dim, uint32_t list_count);

// Packs `centroids` (float[list_count][dim], list_count > 0, dim > 0), which must stay in place as long as the set is
// used.
CentroidSet prepare_centroids(uint32_t dim, float const* centroids, uint32_t list_count, void* memory);

// Working memory of one call of assign_nearest or assign_two: 0.05 to 8 MB, by far the most of it for assign_two's keys
// when there are more than ten thousand lists. Any alignment will do.
size_t assign_scratch_size(uint32_t dim, uint32_t list_count);

// lists[row] = nearest list; distances2[row] (may be null) = its squared distance. rows: float[row_count][dim].
// `scratch`: assign_scratch_size bytes, clobbered.
void assign_nearest(CentroidSet const& set, float const* rows, size_t row_count, uint32_t* lists, float* distances2,
                    void* scratch);

// Also the second list of a row by SOAR (Sun et al., "SOAR: Improved Indexing for Approximate Nearest Neighbor Search",
// NeurIPS 2023): with r = x - c1, the list c2 != c1 that minimises ||x - c2||^2 + lambda * (<r, x - c2> / ||r||)^2:
// near, and with a residual that does not point where the first one points. Ties and r = 0: the nearest other list,
// lowest first. second_distances2 (may be null) = ||x - c2||^2. With a single list, second_lists[row] = lists[row].
constexpr float soar_lambda = 1.5f;
void assign_two(CentroidSet const& set, float const* rows, size_t row_count, float lambda, uint32_t* lists,
                float* distances2, uint32_t* second_lists, float* second_distances2, void* scratch);

}  // namespace strata::cluster
