#include "core/cluster/assign_codes.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/check.hpp"
#include "core/quant/refine_code.hpp"

#include "core/base/core_only.hpp"

namespace strata::cluster {
namespace {

constexpr size_t alignment = 64;
constexpr size_t slack = alignment - 1;
constexpr size_t block_size = 256 * 1024;  // bytes of codes that share one pass over the panels: an eighth of an L2
constexpr size_t decoded_size = 512 * 1024;
constexpr float code_max = 127.0f;

// Two keys of one row differ by their rounding by so many standard deviations at most, or nearly so. The rounding of a
// centroid c adds <x - c, e> to its key, about ||x - c|| ||e|| / sqrt(dim) for directions that have nothing in common.
constexpr float deviations = 3.5f;

char* aligned_start(void* memory) {
  uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  return static_cast<char*>(memory) + (alignment - address % alignment) % alignment;
}

constexpr size_t panel_count_of(uint32_t list_count) {
  return (size_t{list_count} + panel_width - 1) / panel_width;
}

size_t byte_block_rows(uint32_t dim) {
  size_t tiles = block_size / (size_t{dim} * byte_tile_rows);
  return (tiles < 1 ? 1 : tiles > 64 ? 64 : tiles) * byte_tile_rows;
}

size_t decoded_rows(uint32_t dim) {
  size_t rows = decoded_size / (size_t{dim} * sizeof(float));
  return rows < 1 ? 1 : rows > 192 ? 192 : rows;
}

quant::RefineRowDisk head_of(std::byte const* row) {
  quant::RefineRowDisk head;
  std::memcpy(&head, row, sizeof head);
  return head;
}

struct ByteMemory {
  int8_t* codes;     // [panel][dim / 4][32][4]
  int32_t* offsets;  // [panel][32], and so are the following
  float* scales;
  float* halves;
  float* half_norms;
  float* errors;
};

ByteMemory byte_memory_of(uint32_t dim, uint32_t list_count, void* memory) {
  size_t columns = panel_count_of(list_count) * panel_width;
  ByteMemory parts;
  char* bytes = aligned_start(memory);
  parts.codes = reinterpret_cast<int8_t*>(bytes);
  parts.offsets = reinterpret_cast<int32_t*>(bytes + columns * dim);
  parts.scales = reinterpret_cast<float*>(parts.offsets + columns);
  parts.halves = parts.scales + columns;
  parts.half_norms = parts.halves + columns;
  parts.errors = parts.half_norms + columns;
  return parts;
}

// Rounds one centroid into its column.
void pack_bytes(uint32_t dim, float const* centroid, size_t list, ByteMemory const& parts) {
  int8_t* column = parts.codes + list / panel_width * panel_width * dim + list % panel_width * 4;
  float largest = 0.0f;
  for (uint32_t d = 0; d < dim; ++d) largest = std::fmax(largest, std::fabs(centroid[d]));
  float scale = largest / code_max;
  float inverse = largest > 0.0f ? code_max / largest : 0.0f;
  int32_t sum = 0;
  double norm2 = 0.0, error2 = 0.0;
  for (uint32_t d = 0; d < dim; ++d) {
    int32_t code = static_cast<int32_t>(std::lrint(centroid[d] * inverse));
    column[size_t{d} / 4 * panel_width * 4 + d % 4] = static_cast<int8_t>(code);
    sum += code;
    double rounded = double{scale} * code;
    norm2 += rounded * rounded;
    error2 += (centroid[d] - rounded) * (centroid[d] - rounded);
  }
  parts.offsets[list] = -128 * sum;
  parts.scales[list] = scale;
  parts.halves[list] = 0.5f * scale * static_cast<float>(sum);
  // A rounded centroid is farther from all rows than the true one, by the length of the error on average.
  parts.half_norms[list] = static_cast<float>(0.5 * (norm2 - error2));
  parts.errors[list] = static_cast<float>(std::sqrt(error2));
}

void prepare_bytes(CodeSet& set, void* memory) {
  ByteMemory parts = byte_memory_of(set.dim, set.list_count, memory);
  size_t columns = panel_count_of(set.list_count) * panel_width;
  std::memset(parts.codes, 0, columns * set.dim);
  for (size_t list = 0; list < set.list_count; ++list) {
    pack_bytes(set.dim, set.centroids + list * set.dim, list, parts);
  }
  for (size_t list = set.list_count; list < columns; ++list) {
    parts.offsets[list] = 0;
    parts.scales[list] = parts.halves[list] = parts.errors[list] = 0.0f;
    parts.half_norms[list] = std::numeric_limits<float>::infinity();
  }
  set.bytes = {parts.codes, parts.offsets, parts.scales, parts.halves, parts.half_norms};
  set.errors = parts.errors;
}

BytePanel panel_of(CodeSet const& set, size_t panel) {
  size_t column = panel * panel_width;
  return {set.bytes.codes + column * set.dim, set.bytes.offsets + column, set.bytes.scales + column,
          set.bytes.halves + column, set.bytes.half_norms + column};
}

// Scratch of both ways.
struct Scratch {
  BestLanes* best;  // [byte_block_rows]
  float* decoded;   // [decoded_rows or 1][dim]
  void* floats;     // of assign_nearest
};
Scratch scratch_of(uint32_t dim, void* memory) {
  char* bytes = aligned_start(memory);
  Scratch scratch;
  scratch.best = reinterpret_cast<BestLanes*>(bytes);
  scratch.decoded = reinterpret_cast<float*>(bytes + byte_block_rows(dim) * sizeof(BestLanes));
  scratch.floats = scratch.decoded + decoded_rows(dim) * dim;
  return scratch;
}

// The nearest list of one row, of those that came out best in their lane.
uint32_t choose(CodeSet const& set, AssignKernel const& kernel, BestLanes const& best, std::byte const* row,
                float* decoded, bool* is_decoded) {
  uint32_t lane = 0;
  for (uint32_t i = 1; i < best_lane_count; ++i) {
    if (best.key[i] < best.key[lane] || (best.key[i] == best.key[lane] && best.list[i] < best.list[lane])) lane = i;
  }
  uint32_t list = best.list[lane];
  float distance2 = 2.0f * best.key[lane] + head_of(row).norm2;
  float reach = deviations * std::sqrt((distance2 > 0.0f ? distance2 : 0.0f) / static_cast<float>(set.dim));
  float exact2 = -1.0f;  // of `list`
  for (uint32_t i = 0; i < best_lane_count; ++i) {
    uint32_t other = best.list[i];
    if (i == lane || !(best.key[i] <= best.key[lane] + reach * (set.errors[best.list[lane]] + set.errors[other]))) {
      continue;
    }
    if (!*is_decoded) quant::decode_refine(set.dim, row, decoded);
    *is_decoded = true;
    auto distance_to = [&](uint32_t candidate) {
      return kernel.l2_squared(set.dim, decoded, set.centroids + size_t{candidate} * set.dim);
    };
    if (exact2 < 0.0f) exact2 = distance_to(list);
    float other2 = distance_to(other);
    if (other2 < exact2 || (other2 == exact2 && other < list)) {
      exact2 = other2;
      list = other;
    }
  }
  return list;
}

void assign_bytes(CodeSet const& set, AssignKernel const& kernel, std::byte const* rows, size_t stride,
                  size_t row_count, uint32_t* lists, float* distances2, Scratch const& scratch) {
  for (size_t r = 0; r < row_count; ++r) {
    for (uint32_t lane = 0; lane < best_lane_count; ++lane) {
      scratch.best[r].key[lane] = std::numeric_limits<float>::infinity();
      scratch.best[r].list[lane] = 0;
    }
  }
  size_t panel_count = panel_count_of(set.list_count);
  size_t tile_count = (row_count + byte_tile_rows - 1) / byte_tile_rows;
  for (size_t p = 0; p < panel_count; ++p) {
    BytePanel panel = panel_of(set, p);
    for (size_t t = 0; t < tile_count; ++t) {
      uint8_t const* codes[byte_tile_rows];
      float scales[byte_tile_rows];
      BestLanes spare[byte_tile_rows];
      size_t first = t * byte_tile_rows;
      bool whole = first + byte_tile_rows <= row_count;
      for (size_t i = 0; i < byte_tile_rows; ++i) {
        // A last tile that is not full repeats its last row, and what comes of it is thrown away.
        std::byte const* row = rows + (first + i < row_count ? first + i : row_count - 1) * stride;
        codes[i] = reinterpret_cast<uint8_t const*>(row) + sizeof(quant::RefineRowDisk);
        scales[i] = head_of(row).scale;
        if (!whole) spare[i] = scratch.best[first + i < row_count ? first + i : row_count - 1];
      }
      kernel.best_bytes(set.dim, codes, scales, panel, static_cast<uint32_t>(p * panel_width),
                        whole ? scratch.best + first : spare);
      for (size_t i = 0; !whole && first + i < row_count; ++i) scratch.best[first + i] = spare[i];
    }
  }
  for (size_t r = 0; r < row_count; ++r) {
    bool is_decoded = false;
    lists[r] = choose(set, kernel, scratch.best[r], rows + r * stride, scratch.decoded, &is_decoded);
    if (distances2 == nullptr) continue;
    if (!is_decoded) quant::decode_refine(set.dim, rows + r * stride, scratch.decoded);
    distances2[r] = kernel.l2_squared(set.dim, scratch.decoded, set.centroids + size_t{lists[r]} * set.dim);
  }
}

}  // namespace

size_t code_set_size(uint32_t dim, uint32_t list_count) {
  if (assign_kernel().best_bytes == nullptr) return centroid_set_size(dim, list_count);
  return slack + panel_count_of(list_count) * panel_width * (size_t{dim} + 5 * sizeof(float));
}

CodeSet prepare_codes(uint32_t dim, float const* centroids, uint32_t list_count, void* memory) {
  STRATA_ASSERT(dim % 16 == 0 && dim > 0 && list_count > 0);
  CodeSet set;
  set.dim = dim;
  set.list_count = list_count;
  set.centroids = centroids;
  set.use_bytes = assign_kernel().best_bytes != nullptr;
  if (set.use_bytes) {
    prepare_bytes(set, memory);
  } else {
    set.floats = prepare_centroids(dim, centroids, list_count, memory);
  }
  return set;
}

size_t code_scratch_size(uint32_t dim, uint32_t list_count) {
  return slack + byte_block_rows(dim) * sizeof(BestLanes) + decoded_rows(dim) * dim * sizeof(float) +
         assign_scratch_size(dim, list_count);
}

void assign_codes(CodeSet const& set, std::byte const* rows, size_t stride, size_t row_count, uint32_t* lists,
                  float* distances2, void* scratch_memory) {
  AssignKernel const& kernel = assign_kernel();
  Scratch scratch = scratch_of(set.dim, scratch_memory);
  size_t block = set.use_bytes ? byte_block_rows(set.dim) : decoded_rows(set.dim);
  for (size_t begin = 0; begin < row_count; begin += block) {
    size_t count = row_count - begin < block ? row_count - begin : block;
    std::byte const* first = rows + begin * stride;
    float* distances = distances2 == nullptr ? nullptr : distances2 + begin;
    if (set.use_bytes) {
      assign_bytes(set, kernel, first, stride, count, lists + begin, distances, scratch);
      continue;
    }
    for (size_t r = 0; r < count; ++r) quant::decode_refine(set.dim, first + r * stride, scratch.decoded + r * set.dim);
    assign_nearest(set.floats, scratch.decoded, count, lists + begin, distances, scratch.floats);
  }
}

}  // namespace strata::cluster
