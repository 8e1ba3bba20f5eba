#include "core/cluster/assign_codes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/random.hpp"
#include "core/quant/refine_code.hpp"
#include "unit/math/levels.hpp"

namespace strata::cluster {
namespace {

using testing::at_every_level;

float gaussian(Random& random) {
  double sum = 0.0;
  for (int i = 0; i < 12; ++i) sum += random.unit();
  return static_cast<float>(sum - 6.0);
}

struct Data {
  uint32_t dim;
  std::vector<float> centroids;
  std::vector<std::byte> codes;  // refine rows, `stride` bytes apart
  size_t stride, row_count;
};

// Rows around centroids that overlap: half of all rows are nearly as close to a second centroid.
Data overlapping(uint32_t dim, uint32_t list_count, size_t row_count, size_t gap) {
  Random random(dim + list_count);
  Data data{dim, std::vector<float>(size_t{list_count} * dim), {}, quant::refine_row_size(dim) + gap, row_count};
  for (float& c : data.centroids) c = gaussian(random);
  data.codes.resize(row_count * data.stride);
  std::vector<float> row(dim);
  for (size_t i = 0; i < row_count; ++i) {
    for (uint32_t d = 0; d < dim; ++d) row[d] = data.centroids[i % list_count * dim + d] + 2 * gaussian(random);
    quant::encode_refine(dim, row.data(), &data.codes[i * data.stride]);
  }
  return data;
}

double distance2(uint32_t dim, float const* a, float const* b) {
  double sum = 0.0;
  for (uint32_t d = 0; d < dim; ++d) sum += (double{a[d]} - b[d]) * (double{a[d]} - b[d]);
  return sum;
}

struct Outcome {
  size_t other_count;  // rows whose list is not the nearest
  double excess_max;   // relative, of their squared distances
};

Outcome compare(Data const& data, uint32_t list_count) {
  std::vector<char> memory(code_set_size(data.dim, list_count)), scratch(code_scratch_size(data.dim, list_count));
  CodeSet set = prepare_codes(data.dim, data.centroids.data(), list_count, memory.data());
  std::vector<uint32_t> lists(data.row_count, UINT32_MAX);
  std::vector<float> distances2(data.row_count);
  assign_codes(set, data.codes.data(), data.stride, data.row_count, lists.data(), distances2.data(), scratch.data());
  std::vector<float> row(data.dim);
  Outcome outcome{0, 0.0};
  for (size_t i = 0; i < data.row_count; ++i) {
    quant::decode_refine(data.dim, &data.codes[i * data.stride], row.data());
    double best = HUGE_VAL;
    uint32_t nearest = 0;
    for (uint32_t list = 0; list < list_count; ++list) {
      double candidate = distance2(data.dim, row.data(), &data.centroids[size_t{list} * data.dim]);
      if (candidate < best) {
        best = candidate;
        nearest = list;
      }
    }
    EXPECT_LT(lists[i], list_count);
    double reached = distance2(data.dim, row.data(), &data.centroids[size_t{lists[i]} * data.dim]);
    EXPECT_NEAR(distances2[i], reached, 1e-5 * reached);
    outcome.other_count += lists[i] != nearest;
    outcome.excess_max = std::fmax(outcome.excess_max, reached / best - 1);
  }
  return outcome;
}

TEST(AssignCodes, FindsTheNearestButForRounding) {
  struct Case {
    uint32_t dim, list_count;
    size_t row_count, gap;
  };
  for (Case c : {Case{16, 1, 9, 0}, Case{16, 31, 50, 0}, Case{48, 33, 8, 4}, Case{128, 300, 1500, 24},
                 Case{784, 70, 203, 20}, Case{2048, 40, 100, 0}}) {
    SCOPED_TRACE(c.dim);
    Data data = overlapping(c.dim, c.list_count, c.row_count, c.gap);
    at_every_level([&] {
      Outcome outcome = compare(data, c.list_count);
      EXPECT_LE(outcome.other_count, c.row_count / 200 + 1);
      EXPECT_LT(outcome.excess_max, 0.01);
    });
  }
}

TEST(AssignCodes, EqualCentroidsAndZeroRows) {
  constexpr uint32_t dim = 32, list_count = 40;
  std::vector<float> centroids(size_t{list_count} * dim, 0.0f);
  for (uint32_t list = 20; list < list_count; ++list) centroids[list * dim] = 3.0f;
  std::vector<float> zero(dim, 0.0f), far(dim, 0.0f);
  far[0] = 3.0f;
  std::vector<std::byte> codes(2 * quant::refine_row_size(dim));
  quant::encode_refine(dim, zero.data(), codes.data());
  quant::encode_refine(dim, far.data(), codes.data() + quant::refine_row_size(dim));
  at_every_level([&] {
    std::vector<char> memory(code_set_size(dim, list_count)), scratch(code_scratch_size(dim, list_count));
    CodeSet set = prepare_codes(dim, centroids.data(), list_count, memory.data());
    uint32_t lists[2];
    assign_codes(set, codes.data(), quant::refine_row_size(dim), 2, lists, nullptr, scratch.data());
    EXPECT_EQ(lists[0], 0U) << "the lowest of equal ones";
    EXPECT_EQ(lists[1], 20U);
    assign_codes(set, codes.data(), quant::refine_row_size(dim), 0, nullptr, nullptr, scratch.data());
  });
}

}  // namespace
}  // namespace strata::cluster
