#include "core/quant/scan_code.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/math/half.hpp"
#include "core/quant/query_table.hpp"
#include "unit/math/levels.hpp"

namespace strata::quant {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
using Block = std::vector<std::byte>;

struct Factors {
  float add;
  float rescale;
  float err;
};

Factors factors_of(ScanShape const& shape, std::byte const* block, uint32_t lane) {
  std::byte const* p = block + block_unit_count(shape.padded_dim, shape.bits) * unit_size;
  Factors factors;
  uint16_t rescale, err;
  std::memcpy(&factors.add, p + lane * 4, 4);
  std::memcpy(&rescale, p + 128 + lane * 2, 2);
  std::memcpy(&err, p + 192 + lane * 2, 2);
  factors.rescale = math::half_to_float(rescale);
  factors.err = math::half_to_float(err);
  return factors;
}

// y of the header's definition, from the bits of the block.
std::vector<double> code_of(ScanShape const& shape, std::byte const* block, uint32_t lane) {
  std::vector<double> y(shape.padded_dim);
  auto bit = [&](uint32_t plane, uint32_t i) {
    uint32_t const byte = plane * shape.padded_dim * 4 + i / 4 * 16 + lane % 16;
    return int(block[byte]) >> (lane / 16 * 4 + i % 4) & 1;
  };
  for (uint32_t i = 0; i < shape.padded_dim; ++i) {
    y[i] = shape.bits == 1 ? 2 * bit(0, i) - 1 : 2 * bit(0, i) + bit(1, i) - 1.5;
  }
  return y;
}

Block encoded_block(ScanShape const& shape, std::vector<std::vector<float>> const& rows, float const* centroid) {
  Block block(block_size(shape.padded_dim, shape.bits));
  for (uint32_t lane = 0; lane < rows.size(); ++lane) {
    encode_scan_row(shape, rows[lane].data(), centroid, block.data(), lane);
  }
  return block;
}

std::vector<std::vector<float>> gaussian_rows(Random& random, uint32_t count, uint32_t n, double scale) {
  std::vector<std::vector<float>> rows;
  for (uint32_t i = 0; i < count; ++i) rows.push_back(testing::gaussian_vector(random, n, scale));
  return rows;
}

std::vector<ScanShape> shapes() {
  std::vector<ScanShape> all;
  for (Metric metric : {Metric::l2, Metric::inner_product}) {
    for (uint32_t bits : {1u, 2u}) {
      for (uint32_t padded_dim : {16u, 32u, 48u, 128u, 240u, 768u}) all.push_back({metric, bits, padded_dim});
    }
  }
  return all;
}

// Every factor recomputed in double from the header's formulas.
void check_row(ScanShape const& shape, std::byte const* block, uint32_t lane, std::vector<float> const& z,
               std::vector<float> const& c) {
  uint32_t const n = shape.padded_dim;
  std::vector<double> const y = code_of(shape, block, lane);
  double norm2 = 0, code_norm2 = 0, code_residual = 0, code_centroid = 0;
  for (uint32_t i = 0; i < n; ++i) norm2 += std::pow(double(z[i] - c[i]), 2);
  double const threshold = std::sqrt(norm2 / n) / 1.006;
  for (uint32_t i = 0; i < n; ++i) {
    double const r = z[i] - c[i];
    ASSERT_EQ(y[i] > 0, r > 0);
    if (shape.bits == 2 && std::fabs(std::fabs(r) - threshold) > 1e-5 * threshold) {
      ASSERT_EQ(std::fabs(y[i]), std::fabs(r) > threshold ? 1.5 : 0.5);
    }
    code_norm2 += y[i] * y[i];
    code_residual += y[i] * r;
    code_centroid += y[i] * c[i];
  }
  double const s = norm2 / code_residual, weight = shape.metric == Metric::inner_product ? 1 : 2;
  double const cosine2 = code_residual * code_residual / code_norm2 / norm2;
  double const sine2 = std::max(1 - cosine2, shape.bits == 1 ? 0.1817 : 0.05945);
  double const err = weight * std::sqrt(norm2 * sine2 / cosine2 / (n - 1));
  Factors const factors = factors_of(shape, block, lane);
  EXPECT_NEAR(factors.rescale, -weight * s, weight * s * 0x1p-11 + 0x1p-24);
  EXPECT_GE(factors.err, err * (1 - 1e-5));
  EXPECT_LE(factors.err, err * 1.002 + weight * s * 0x1.02p-11 * std::sqrt(code_norm2) + 0x1p-24);
  if (shape.metric == Metric::inner_product) {
    EXPECT_EQ(factors.add, 0);
  } else {
    double const size = norm2 + std::fabs(factors.rescale) * std::sqrt(code_norm2) * 10;
    EXPECT_NEAR(factors.add, norm2 - factors.rescale * code_centroid, 1e-5 * size);
  }
}

TEST(ScanCode, BitsAndFactorsFollowTheFormulas) {
  testing::at_every_level([] {
    Random random(1);
    for (ScanShape const& shape : shapes()) {
      std::vector<float> const c = testing::gaussian_vector(random, shape.padded_dim, 0.05);
      std::vector<std::vector<float>> const rows = gaussian_rows(random, 32, shape.padded_dim, 0.06);
      Block const block = encoded_block(shape, rows, c.data());
      for (uint32_t lane = 0; lane < 32; ++lane) check_row(shape, block.data(), lane, rows[lane], c);
    }
  });
}

TEST(ScanCode, NoCentroidIsTheZeroCentroid) {
  testing::at_every_level([] {
    Random random(2);
    for (ScanShape const& shape : shapes()) {
      std::vector<float> const zero(shape.padded_dim);
      std::vector<std::vector<float>> const rows = gaussian_rows(random, 32, shape.padded_dim, 1);
      EXPECT_EQ(encoded_block(shape, rows, zero.data()), encoded_block(shape, rows, nullptr));
    }
  });
}

TEST(ScanCode, ReturnsTheSquaredResidualNorm) {
  testing::at_every_level([] {
    Random random(3);
    std::vector<float> const z = testing::gaussian_vector(random, 128), c = testing::gaussian_vector(random, 128);
    double norm2 = 0;
    for (int i = 0; i < 128; ++i) norm2 += std::pow(double(z[i]) - c[i], 2);
    ScanShape const shape{Metric::l2, 1, 128};
    Block block(block_size(128, 1));
    EXPECT_NEAR(encode_scan_row(shape, z.data(), c.data(), block.data(), 5), norm2, 1e-5 * norm2);
  });
}

TEST(ScanCode, RowsOfABlockAreIndependent) {
  Random random(4);
  for (ScanShape const& shape : shapes()) {
    std::vector<std::vector<float>> const rows = gaussian_rows(random, 32, shape.padded_dim, 1);
    Block const together = encoded_block(shape, rows, nullptr);
    Block copied(together.size());
    for (uint32_t lane = 0; lane < 32; ++lane) {
      Block alone(together.size());
      encode_scan_row(shape, rows[lane].data(), nullptr, alone.data(), lane);
      EXPECT_EQ(code_of(shape, alone.data(), lane), code_of(shape, together.data(), lane));
      uint32_t const other = (lane * 11 + 3) % 32;
      copy_scan_row(shape, together.data(), lane, copied.data(), other);
      EXPECT_EQ(code_of(shape, copied.data(), other), code_of(shape, together.data(), lane));
    }
    Block back(together.size());
    for (uint32_t lane = 0; lane < 32; ++lane) {
      copy_scan_row(shape, copied.data(), (lane * 11 + 3) % 32, back.data(), lane);
    }
    EXPECT_EQ(back, together);
  }
}

TEST(ScanCode, SignPlanesAreTheSameAtEveryLevel) {
  Random random(5);
  for (ScanShape const& shape : shapes()) {
    std::vector<std::vector<float>> rows = gaussian_rows(random, 32, shape.padded_dim, 1);
    for (uint32_t i = 0; i < shape.padded_dim; i += 3) rows[7][i] = i % 2 ? 0.0f : -0.0f;
    size_t const plane_size = shape.padded_dim * 4;
    testing::LevelGuard guard;
    math::set_simd_level(math::SimdLevel::scalar);
    Block const expected = encoded_block(shape, rows, nullptr);
    testing::at_every_level([&] {
      Block const block = encoded_block(shape, rows, nullptr);
      EXPECT_EQ(std::memcmp(block.data(), expected.data(), plane_size), 0);
    });
  }
}

// Whatever is encoded, factors are numbers, and whatever is scanned, bounds are.
TEST(ScanCode, DifficultRowsGiveNoNan) {
  testing::at_every_level([] {
    Random random(6);
    for (ScanShape const& shape : shapes()) {
      uint32_t const n = shape.padded_dim;
      std::vector<std::vector<float>> rows;
      rows.push_back(std::vector<float>(n));
      rows.push_back(std::vector<float>(n, 1));
      rows.push_back(std::vector<float>(n, -1e30f));
      for (double scale : {1e30, 3e38, 1e19, 1e10, 1e6, 1e5, 1e-3, 1e-7, 1e-12, 1e-16, 1e-20, 1e-30, 1e-40}) {
        rows.push_back(testing::gaussian_vector(random, n, scale));
      }
      std::vector<float> spike(n), nan(n, 1), mixed = testing::gaussian_vector(random, n, 1e-30);
      spike[n - 1] = 1;
      nan[3] = std::numeric_limits<float>::quiet_NaN();
      mixed[0] = 1e30f;
      rows.push_back(spike);
      rows.push_back(nan);
      rows.push_back(mixed);
      rows.push_back(std::vector<float>(n, infinity));
      std::vector<float> const c = testing::gaussian_vector(random, n, 0.1);
      rows.push_back(c);
      ASSERT_LE(rows.size(), 32u);
      for (float const* centroid : {c.data(), static_cast<float const*>(nullptr)}) {
        Block const block = encoded_block(shape, rows, centroid);
        for (uint32_t lane = 0; lane < rows.size(); ++lane) {
          Factors const factors = factors_of(shape, block.data(), lane);
          EXPECT_TRUE(std::isfinite(factors.add)) << lane;
          EXPECT_TRUE(std::isfinite(factors.rescale)) << lane;
          EXPECT_GE(factors.err, 0) << lane;
        }
        alignas(64) static char memory[64 + 768 * 4];
        for (double scale : {0.0, 1e-38, 1e-10, 1.0, 1e18, 1e30, 3e38}) {
          QueryTable const* table = build_query_table(shape, testing::gaussian_vector(random, n, scale).data(), memory);
          for (float base : {0.0f, 1.0f, infinity}) {
            for (float gain : {0.0f, 1.9f, infinity}) {
              float lower_bounds[32];
              EXPECT_EQ(scan_block(table, block.data(), {base, gain, infinity}, lower_bounds), 0xffffffffu);
              for (float bound : lower_bounds) EXPECT_FALSE(std::isnan(bound));
            }
          }
        }
      }
    }
  });
}

TEST(ScanCode, ZeroResidualsAndOverflowsHaveTheirOwnFactors) {
  for (ScanShape const& shape : shapes()) {
    std::vector<float> const c(shape.padded_dim, 0.25f);
    Block block(block_size(shape.padded_dim, shape.bits));
    EXPECT_EQ(encode_scan_row(shape, c.data(), c.data(), block.data(), 3), 0);
    Factors const same = factors_of(shape, block.data(), 3);
    EXPECT_EQ(same.add, 0);
    EXPECT_EQ(same.rescale, 0);
    EXPECT_EQ(same.err, 0);
    std::vector<float> const huge(shape.padded_dim, 1e30f);
    encode_scan_row(shape, huge.data(), c.data(), block.data(), 4);
    EXPECT_EQ(factors_of(shape, block.data(), 4).err, infinity);
  }
}

// For residuals so small that rescale loses its bits, the bound must hold at eps = 1 for any query, also the worst one,
// which lies in the direction of the residual.
TEST(ScanCode, BoundOfTinyResidualsHoldsForTheWorstQuery) {
  testing::at_every_level([] {
    Random random(7);
    for (ScanShape const& shape : shapes()) {
      uint32_t const n = shape.padded_dim;
      std::vector<float> const c(n);
      for (double scale : {1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-16, 1e-20, 1e-25, 1e-44}) {
        std::vector<float> const z = testing::gaussian_vector(random, n, scale);
        Block block(block_size(n, shape.bits));
        encode_scan_row(shape, z.data(), c.data(), block.data(), 9);
        double norm = 0;
        for (float x : z) norm += double(x) * x;
        norm = std::sqrt(norm);
        if (norm == 0) continue;
        std::vector<float> w(n);
        for (uint32_t i = 0; i < n; ++i) w[i] = float(z[i] / norm);
        std::vector<char> memory(query_table_size(n) + 64);
        void* aligned = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
        QueryTable const* table = build_query_table(shape, w.data(), aligned);
        float const gain = std::sqrt(1 + query_table_noise(table) * query_table_noise(table));
        bool const product = shape.metric == Metric::inner_product;
        float lower_bounds[32];
        scan_block(table, block.data(), {product ? 0.0f : 1.0f, gain, infinity}, lower_bounds);
        double const truth = product ? -norm : (1 - norm) * (1 - norm);
        EXPECT_LE(lower_bounds[9], truth + 2e-7) << n << " " << scale;
      }
    }
  });
}

}  // namespace
}  // namespace strata::quant
