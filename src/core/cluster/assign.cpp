#include "core/cluster/assign.hpp"

#include <cmath>
#include <limits>

#include "core/base/check.hpp"
#include "core/cluster/assign_kernel.hpp"
#include "core/math/simd.hpp"

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr size_t alignment = 64;
constexpr size_t tile_block_size = 256 * 1024;  // bytes of packed rows that share one pass over the panels: half an L2
constexpr size_t key_block_size = 1024 * 1024;  // bytes of keys that assign_two keeps

constexpr size_t aligned(size_t size) {
  return (size + alignment - 1) / alignment * alignment;
}
// Where the first aligned byte of a caller's memory lies; sizes told to callers leave room for it.
constexpr size_t slack = alignment - 1;
char* aligned_start(void* memory) {
  uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  return static_cast<char*>(memory) + (alignment - address % alignment) % alignment;
}

constexpr size_t panel_count_of(uint32_t list_count) {
  return (size_t{list_count} + panel_width - 1) / panel_width;
}

// Rows of one pass. A multiple of every tile height (4, 6, 8, 12), so that scratch does not depend on the level in use.
constexpr size_t row_unit = 24;
size_t block_rows(uint32_t dim) {
  size_t units = tile_block_size / (sizeof(float) * dim * row_unit);
  return (units < 1 ? 1 : units > 8 ? 8 : units) * row_unit;
}

// Rows of one pass of assign_two, whose keys for all lists are kept.
size_t key_rows(uint32_t dim, uint32_t list_count) {
  size_t units = key_block_size / (panel_count_of(list_count) * panel_width * sizeof(float) * row_unit);
  size_t rows = (units < 1 ? 1 : units) * row_unit;
  size_t block = block_rows(dim);
  return rows < block ? rows : block;
}

struct Scratch {
  BestLanes* best;  // [block_rows]
  float* tiles;     // [block_rows / tile_rows][dim][tile_rows]
  float* keys;      // [key_rows][panel_count * 32]
  float* along;     // [block_rows]
};

Scratch scratch_of(uint32_t dim, void* memory) {
  char* bytes = aligned_start(memory);
  size_t rows = block_rows(dim);
  Scratch scratch;
  scratch.best = reinterpret_cast<BestLanes*>(bytes);
  bytes += rows * sizeof(BestLanes);
  scratch.tiles = reinterpret_cast<float*>(bytes);
  bytes += aligned(rows * dim * sizeof(float));
  scratch.along = reinterpret_cast<float*>(bytes);
  bytes += aligned(rows * sizeof(float));
  scratch.keys = reinterpret_cast<float*>(bytes);
  return scratch;
}

// Interleaves tile_rows rows, less the mean; rows past row_count are zero.
void pack_tile(CentroidSet const& set, float const* rows, size_t row_count, uint32_t tile_rows, float* tile) {
  for (uint32_t r = 0; r < tile_rows; ++r) {
    if (r < row_count) {
      float const* row = rows + size_t{r} * set.dim;
      for (uint32_t d = 0; d < set.dim; ++d) tile[size_t{d} * tile_rows + r] = row[d] - set.mean[d];
    } else {
      for (uint32_t d = 0; d < set.dim; ++d) tile[size_t{d} * tile_rows + r] = 0.0f;
    }
  }
}

// Packs a block of rows; returns the number of tiles.
size_t pack_tiles(CentroidSet const& set, AssignKernel const& kernel, float const* rows, size_t row_count,
                  float* tiles) {
  size_t tile_count = (row_count + kernel.tile_rows - 1) / kernel.tile_rows;
  for (size_t t = 0; t < tile_count; ++t) {
    size_t first = t * kernel.tile_rows;
    pack_tile(set, rows + first * set.dim, row_count - first, kernel.tile_rows, tiles + first * set.dim);
  }
  return tile_count;
}

uint32_t best_of(BestLanes const& best) {
  uint32_t lane = 0;
  for (uint32_t i = 1; i < best_lane_count; ++i) {
    if (best.key[i] < best.key[lane] || (best.key[i] == best.key[lane] && best.list[i] < best.list[lane])) lane = i;
  }
  return best.list[lane];
}

void measure(CentroidSet const& set, AssignKernel const& kernel, float const* rows, size_t row_count,
             uint32_t const* lists, float* distances2) {
  for (size_t r = 0; r < row_count; ++r) {
    distances2[r] = kernel.l2_squared(set.dim, rows + r * set.dim, set.centroids + size_t{lists[r]} * set.dim);
  }
}

void reset_best(BestLanes* best, size_t row_count) {
  for (size_t r = 0; r < row_count; ++r) {
    for (uint32_t lane = 0; lane < best_lane_count; ++lane) {
      best[r].key[lane] = std::numeric_limits<float>::infinity();
      best[r].list[lane] = 0;
    }
  }
}

// Turns a packed block of rows into the unit directions of their residuals, in place; along[row] = <direction, x -
// mean>. Rows past row_count stay zero, and so does a row that lies on its centroid.
void pack_directions(CentroidSet const& set, AssignKernel const& kernel, uint32_t const* lists, size_t row_count,
                     float* tiles, float* along) {
  uint32_t tile_rows = kernel.tile_rows;
  for (size_t r = 0; r < row_count; ++r) {
    float* tile = tiles + r / tile_rows * tile_rows * set.dim + r % tile_rows;
    float const* centroid = set.centroids + size_t{lists[r]} * set.dim;
    double norm2 = 0.0;
    double product = 0.0;
    for (uint32_t d = 0; d < set.dim; ++d) {
      float x = tile[size_t{d} * tile_rows];
      float residual = x - (centroid[d] - set.mean[d]);
      norm2 += double{residual} * residual;
      product += double{residual} * x;
      tile[size_t{d} * tile_rows] = residual;
    }
    double scale = norm2 > 0.0 ? 1.0 / std::sqrt(norm2) : 0.0;
    along[r] = static_cast<float>(product * scale);
    for (uint32_t d = 0; d < set.dim; ++d) tile[size_t{d} * tile_rows] *= static_cast<float>(scale);
  }
  for (size_t r = row_count; r % tile_rows != 0; ++r) along[r] = 0.0f;
}

}  // namespace

AssignKernel const& assign_kernel() {
  switch (math::simd_level()) {
#if defined(__x86_64__)
    case math::SimdLevel::avx512:
      return assign_kernel_avx512;
    case math::SimdLevel::avx2:
      return assign_kernel_avx2;
#elif defined(__aarch64__)
    case math::SimdLevel::neon:
      return assign_kernel_neon;
#endif
    default:
      return assign_kernel_scalar;
  }
}

size_t centroid_set_size(uint32_t dim, uint32_t list_count) {
  size_t panel_count = panel_count_of(list_count);
  return slack + aligned(dim * sizeof(float)) + panel_count * panel_width * sizeof(float) * (1 + size_t{dim});
}

CentroidSet prepare_centroids(uint32_t dim, float const* centroids, uint32_t list_count, void* memory) {
  STRATA_ASSERT(dim > 0 && list_count > 0);
  char* bytes = aligned_start(memory);
  size_t panel_count = panel_count_of(list_count);
  auto* mean = reinterpret_cast<float*>(bytes);
  auto* half_norms = reinterpret_cast<float*>(bytes + aligned(dim * sizeof(float)));
  float* panels = half_norms + panel_count * panel_width;
  for (uint32_t d = 0; d < dim; ++d) {
    double sum = 0.0;
    for (uint32_t j = 0; j < list_count; ++j) sum += centroids[size_t{j} * dim + d];
    mean[d] = static_cast<float>(sum / list_count);
  }
  for (size_t p = 0; p < panel_count; ++p) {
    float* panel = panels + p * panel_width * dim;
    for (uint32_t j = 0; j < panel_width; ++j) {
      size_t list = p * panel_width + j;
      if (list >= list_count) {
        for (uint32_t d = 0; d < dim; ++d) panel[size_t{d} * panel_width + j] = 0.0f;
        half_norms[list] = std::numeric_limits<float>::infinity();
        continue;
      }
      double norm2 = 0.0;
      for (uint32_t d = 0; d < dim; ++d) {
        float c = centroids[list * dim + d] - mean[d];
        panel[size_t{d} * panel_width + j] = c;
        norm2 += double{c} * c;
      }
      half_norms[list] = static_cast<float>(norm2 * 0.5);
    }
  }
  return {dim, list_count, centroids, mean, half_norms, panels};
}

size_t assign_scratch_size(uint32_t dim, uint32_t list_count) {
  size_t rows = block_rows(dim);
  return slack + rows * sizeof(BestLanes) + aligned(rows * dim * sizeof(float)) + aligned(rows * sizeof(float)) +
         key_rows(dim, list_count) * panel_count_of(list_count) * panel_width * sizeof(float);
}

void assign_nearest(CentroidSet const& set, float const* rows, size_t row_count, uint32_t* lists, float* distances2,
                    void* scratch_memory) {
  AssignKernel const& kernel = assign_kernel();
  Scratch scratch = scratch_of(set.dim, scratch_memory);
  size_t panel_count = panel_count_of(set.list_count);
  size_t block = block_rows(set.dim);
  for (size_t begin = 0; begin < row_count; begin += block) {
    size_t count = row_count - begin < block ? row_count - begin : block;
    float const* block_row = rows + begin * set.dim;
    size_t tile_count = pack_tiles(set, kernel, block_row, count, scratch.tiles);
    reset_best(scratch.best, tile_count * kernel.tile_rows);
    for (size_t p = 0; p < panel_count; ++p) {
      for (size_t t = 0; t < tile_count; ++t) {
        size_t first = t * kernel.tile_rows;
        kernel.best(set.dim, scratch.tiles + first * set.dim, set.panels + p * panel_width * set.dim,
                    set.half_norms + p * panel_width, static_cast<uint32_t>(p * panel_width), scratch.best + first,
                    nullptr, 0);
      }
    }
    for (size_t r = 0; r < count; ++r) lists[begin + r] = best_of(scratch.best[r]);
    if (distances2 != nullptr) {
      measure(set, kernel, block_row, count, lists + begin, distances2 + begin);
    }
  }
}

void assign_two(CentroidSet const& set, float const* rows, size_t row_count, float lambda, uint32_t* lists,
                float* distances2, uint32_t* second_lists, float* second_distances2, void* scratch_memory) {
  AssignKernel const& kernel = assign_kernel();
  Scratch scratch = scratch_of(set.dim, scratch_memory);
  size_t panel_count = panel_count_of(set.list_count);
  size_t stride = panel_count * panel_width;
  size_t block = key_rows(set.dim, set.list_count);
  for (size_t begin = 0; begin < row_count; begin += block) {
    size_t count = row_count - begin < block ? row_count - begin : block;
    float const* block_row = rows + begin * set.dim;
    size_t tile_count = pack_tiles(set, kernel, block_row, count, scratch.tiles);
    reset_best(scratch.best, tile_count * kernel.tile_rows);
    for (size_t p = 0; p < panel_count; ++p) {
      for (size_t t = 0; t < tile_count; ++t) {
        size_t first = t * kernel.tile_rows;
        kernel.best(set.dim, scratch.tiles + first * set.dim, set.panels + p * panel_width * set.dim,
                    set.half_norms + p * panel_width, static_cast<uint32_t>(p * panel_width), scratch.best + first,
                    scratch.keys + first * stride + p * panel_width, stride);
      }
    }
    for (size_t r = 0; r < count; ++r) {
      lists[begin + r] = best_of(scratch.best[r]);
      // Out of the running for the second list; with one list only, it stays the answer through reset_best's default.
      scratch.keys[r * stride + lists[begin + r]] = std::numeric_limits<float>::infinity();
    }
    pack_directions(set, kernel, lists + begin, count, scratch.tiles, scratch.along);
    reset_best(scratch.best, tile_count * kernel.tile_rows);
    for (size_t p = 0; p < panel_count; ++p) {
      for (size_t t = 0; t < tile_count; ++t) {
        size_t first = t * kernel.tile_rows;
        kernel.second(set.dim, scratch.tiles + first * set.dim, set.panels + p * panel_width * set.dim,
                      scratch.keys + first * stride + p * panel_width, stride, scratch.along + first, lambda,
                      static_cast<uint32_t>(p * panel_width), scratch.best + first);
      }
    }
    for (size_t r = 0; r < count; ++r) second_lists[begin + r] = best_of(scratch.best[r]);
    if (distances2 != nullptr) measure(set, kernel, block_row, count, lists + begin, distances2 + begin);
    if (second_distances2 != nullptr) {
      measure(set, kernel, block_row, count, second_lists + begin, second_distances2 + begin);
    }
  }
}

}  // namespace strata::cluster
