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

// Memory for one table, aligned as required.
class TableMemory {
 public:
  explicit TableMemory(uint32_t padded_dim) : bytes_(query_table_size(padded_dim) + 64) {}
  void* data() { return bytes_.data() + (64 - reinterpret_cast<uintptr_t>(bytes_.data()) % 64); }

 private:
  std::vector<char> bytes_;
};

uint8_t const* entries_of(QueryTable const* table) {
  return reinterpret_cast<uint8_t const*>(table + 1);
}

std::vector<std::byte> random_bytes(Random& random, size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = std::byte(random.next());
  return bytes;
}

// Random codes with plausible factors; err of some rows is +inf.
std::vector<std::byte> random_block(Random& random, ScanShape const& shape) {
  std::vector<std::byte> block = random_bytes(random, block_size(shape.padded_dim, shape.bits));
  std::byte* factors = block.data() + block.size() - block_factors_size;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    float const add = float(testing::gaussian(random));
    uint16_t const rescale = math::float_to_half(float(-random.unit() / std::sqrt(double(shape.padded_dim))));
    uint16_t const err = lane == 17 ? 0x7c00 : math::float_to_half(float(random.unit() * 0.1));
    std::memcpy(factors + lane * 4, &add, 4);
    std::memcpy(factors + 128 + lane * 2, &rescale, 2);
    std::memcpy(factors + 192 + lane * 2, &err, 2);
  }
  return block;
}

// The sums of the layout's definition.
std::vector<uint32_t> sums_by_definition(QueryTable const* table, std::byte const* block) {
  std::vector<uint32_t> sums(32);
  for (uint32_t plane = 0; plane < table->bits; ++plane) {
    for (uint32_t group = 0; group < table->plane_units * 4; ++group, block += 16) {
      for (uint32_t row = 0; row < 32; ++row) {
        uint32_t const nibble = uint32_t(block[row % 16]) >> (row / 16 * 4) & 15;
        sums[row] += (table->bits - plane) * entries_of(table)[group * 16 + nibble];
      }
    }
  }
  return sums;
}

std::vector<ScanShape> shapes() {
  std::vector<ScanShape> all;
  for (uint32_t bits : {1u, 2u}) {
    for (uint32_t n : {16u, 32u, 48u, 64u, 112u, 128u, 256u, 768u, 1552u, 4096u, 4112u, 8192u, 16000u}) {
      all.push_back({Metric::l2, bits, n});
    }
  }
  return all;
}

TEST(QueryTable, EntriesAreWithinHalfAStepAndSymmetric) {
  testing::at_every_level([] {
    Random random(1);
    for (ScanShape const& shape : shapes()) {
      std::vector<float> const w = testing::gaussian_vector(random, shape.padded_dim, 3);
      TableMemory memory(shape.padded_dim);
      QueryTable const* table = build_query_table(shape, w.data(), memory.data());
      double const unit = table->step * (shape.bits == 2 ? 2.0 : 1.0);
      double total = 0;
      int largest = 0;
      for (uint32_t m = 0; m < shape.padded_dim / 4; ++m) {
        uint8_t const* group = entries_of(table) + 16 * m;
        int const span = group[0] + group[15];
        total += span;
        for (uint32_t j = 0; j < 16; ++j) {
          double value = 0;
          for (uint32_t t = 0; t < 4; ++t) value += (j >> t & 1 ? 1 : -1) * double(w[4 * m + t]);
          EXPECT_NEAR((group[j] - span / 2.0) * unit, value, 0.5001 * unit);
          EXPECT_NEAR(group[j] + group[15 - j], span, 1);
          largest = std::max<int>(largest, group[j]);
        }
      }
      EXPECT_EQ(largest, 63);
      EXPECT_NEAR(table->bias, -total * unit * (shape.bits == 2 ? 0.75 : 0.5), 1e-6 * total * unit);
    }
  });
}

TEST(QueryTable, IsTheSameAtEveryLevel) {
  Random random(2);
  for (ScanShape const& shape : shapes()) {
    for (double scale : {1.0, 1e-20, 1e20}) {
      std::vector<float> const w = testing::gaussian_vector(random, shape.padded_dim, scale);
      testing::LevelGuard guard;
      math::set_simd_level(math::SimdLevel::scalar);
      TableMemory expected(shape.padded_dim);
      build_query_table(shape, w.data(), expected.data());
      testing::at_every_level([&] {
        TableMemory memory(shape.padded_dim);
        build_query_table(shape, w.data(), memory.data());
        EXPECT_EQ(std::memcmp(memory.data(), expected.data(), query_table_size(shape.padded_dim)), 0);
      });
    }
  }
}

TEST(ScanBounds, AreScaledAndSearchedAtEveryLevel) {
  Random random(5);
  float const infinite = std::numeric_limits<float>::infinity();
  std::vector<float> raw = testing::gaussian_vector(random, 32 * 33);
  raw[7] = infinite;
  raw[40] = -infinite;
  raw[99] = std::numeric_limits<float>::quiet_NaN();
  raw[100] = 3e38f;
  testing::LevelGuard guard;
  testing::at_every_level([&] {
    std::vector<float> bounds = raw;
    scale_bounds(bounds.data(), 33, 4.0f, 1.0f);
    for (size_t i = 0; i < raw.size(); ++i) {
      if (i == 7 || i == 100)
        EXPECT_EQ(bounds[i], std::numeric_limits<float>::max());
      else if (i == 40 || i == 99)
        EXPECT_EQ(bounds[i], -infinite);
      else
        EXPECT_NEAR(bounds[i], 4 * raw[i] + 1, 1e-5) << i;
    }
    for (uint32_t count : {0u, 1u, 31u, 32u, 33u, 1000u, 1056u})
      for (float cut : {-infinite, -6.0f, 0.5f, infinite}) {
        std::vector<uint32_t> expected, rows(count + 1, 77);
        for (uint32_t i = 0; i < count; ++i)
          if (bounds[i] < cut) expected.push_back(i);
        uint32_t const found = find_below(bounds.data(), count, cut, rows.data());
        EXPECT_EQ(rows[count], 77u);
        rows.resize(found);
        EXPECT_EQ(rows, expected);
      }
  });
}

TEST(QueryTable, NoiseIsTheSpreadOfItsRounding) {
  Random random(3);
  for (uint32_t bits : {1u, 2u}) {
    uint32_t const n = 256;
    ScanShape const shape{Metric::l2, bits, n};
    double sum2 = 0, expected2 = 0, sum = 0;
    for (int query = 0; query < 200; ++query) {
      std::vector<float> const w = testing::gaussian_vector(random, n);
      TableMemory memory(n);
      QueryTable const* table = build_query_table(shape, w.data(), memory.data());
      for (int block = 0; block < 1; ++block) {
        std::vector<std::byte> const codes = random_bytes(random, block_size(n, bits));
        std::vector<uint32_t> const sums = sums_by_definition(table, codes.data());
        for (uint32_t row = 0; row < 32; ++row) {
          double truth = 0;
          for (uint32_t plane = 0; plane < bits; ++plane) {
            for (uint32_t i = 0; i < n; ++i) {
              uint32_t const byte = uint32_t(codes[plane * n * 4 + i / 4 * 16 + row % 16]);
              truth += ((byte >> (row / 16 * 4 + i % 4) & 1) ? 1 : -1) * double(w[i]) / (plane + 1);
            }
          }
          double const error = double(sums[row]) * table->step + table->bias - truth;
          sum2 += error * error;
          sum += error;
        }
      }
      // As derived in scan_code.hpp's formulas: noise = error sqrt(D) / (||y|| sqrt(1 - a^2)).
      double const gain = bits == 1 ? 1 / std::sqrt(0.3634) : 1 / (std::sqrt(0.89) * std::sqrt(0.1189));
      expected2 += std::pow(query_table_noise(table) / gain, 2) / 200;
    }
    // A little below the uniform rounding it assumes: the extreme entries of a group are within a quarter of a unit.
    EXPECT_LT(std::sqrt(sum2 / 6400) / std::sqrt(expected2), 1.01);
    EXPECT_GT(std::sqrt(sum2 / 6400) / std::sqrt(expected2), 0.92);
    EXPECT_LT(std::fabs(sum / 6400), 4 * std::sqrt(sum2 / 6400) / 80);
  }
}

// Random codes, and the codes that take the largest entry of every group: the sums that come nearest to overflow.
TEST(ScanKernels, SumsAreExactAtEveryLevel) {
  Random random(4);
  for (ScanShape const& shape : shapes()) {
    // Equal magnitudes: every group's span is 63.
    std::vector<float> level(shape.padded_dim, 1.0f);
    for (float& x : level) x = random.next() & 1 ? 1.0f : -1.0f;
    for (std::vector<float> const& w : {testing::gaussian_vector(random, shape.padded_dim), level}) {
      TableMemory memory(shape.padded_dim);
      QueryTable const* table = build_query_table(shape, w.data(), memory.data());
      std::vector<std::byte> block = random_bytes(random, block_size(shape.padded_dim, shape.bits));
      for (uint32_t group = 0; group < shape.padded_dim / 4 * shape.bits; ++group) {
        uint8_t const* entries = entries_of(table) + group % (shape.padded_dim / 4) * 16;
        uint32_t best = 0;
        for (uint32_t j = 0; j < 16; ++j) best = entries[j] > entries[best] ? j : best;
        block[group * 16 + 5] = std::byte(best | best << 4);
      }
      std::vector<uint32_t> const expected = sums_by_definition(table, block.data());
      if (&w[0] == &level[0]) {
        EXPECT_EQ(expected[5], 63 * shape.padded_dim / 4 * (shape.bits == 2 ? 3 : 1));
      }
      testing::at_every_level([&] {
        std::vector<uint32_t> sums(32);
        scan_fragment(table, block.data(), 0, block_unit_count(shape.padded_dim, shape.bits), sums.data());
        EXPECT_EQ(sums, expected) << shape.padded_dim << " " << shape.bits;
      });
    }
  }
}

TEST(ScanKernels, FragmentsGiveTheSameBitsAsTheWholeBlock) {
  testing::at_every_level([] {
    Random random(5);
    for (ScanShape const& shape : shapes()) {
      std::vector<float> const w = testing::gaussian_vector(random, shape.padded_dim);
      TableMemory memory(shape.padded_dim);
      QueryTable const* table = build_query_table(shape, w.data(), memory.data());
      std::vector<std::byte> const block = random_block(random, shape);
      uint32_t const unit_count = block_unit_count(shape.padded_dim, shape.bits);
      ScanBounds const bounds{0.5f, 1.9f, 0.4f};
      float whole[32];
      uint32_t const survivors = scan_block(table, block.data(), bounds, whole);
      for (int cut = 0; cut < 5; ++cut) {
        uint32_t sums[32] = {};
        for (uint32_t first = 0; first < unit_count;) {
          uint32_t const count = 1 + uint32_t(random.below(unit_count - first));
          scan_fragment(table, block.data() + first * unit_size, first, count, sums);
          first += count;
        }
        float parts[32];
        std::byte const* factors = block.data() + unit_count * unit_size;
        EXPECT_EQ(finish_block(table, sums, factors, bounds, parts), survivors);
        EXPECT_EQ(std::memcmp(parts, whole, sizeof whole), 0);
        EXPECT_EQ(finish_block(table, sums, factors, bounds, nullptr), survivors);
      }
    }
  });
}

TEST(ScanKernels, LowerBoundsFollowTheFormula) {
  testing::at_every_level([] {
    Random random(6);
    for (ScanShape const& shape : shapes()) {
      std::vector<float> const w = testing::gaussian_vector(random, shape.padded_dim);
      TableMemory memory(shape.padded_dim);
      QueryTable const* table = build_query_table(shape, w.data(), memory.data());
      // At an odd address, since none is required.
      std::vector<std::byte> block = random_block(random, shape);
      block.insert(block.begin(), std::byte{0});
      ScanBounds const bounds{0.7f, 1.2f, 0.1f};
      float lower_bounds[32];
      uint32_t const survivors = scan_block(table, block.data() + 1, bounds, lower_bounds);
      std::vector<uint32_t> const sums = sums_by_definition(table, block.data() + 1);
      std::byte const* factors = block.data() + block.size() - block_factors_size;
      for (uint32_t row = 0; row < 32; ++row) {
        float add;
        uint16_t rescale, err;
        std::memcpy(&add, factors + row * 4, 4);
        std::memcpy(&rescale, factors + 128 + row * 2, 2);
        std::memcpy(&err, factors + 192 + row * 2, 2);
        double const product = double(sums[row]) * table->step + table->bias;
        double const bound =
            0.7f + double(add) + math::half_to_float(rescale) * product - 1.2f * double(math::half_to_float(err));
        if (row == 17) {
          EXPECT_EQ(lower_bounds[row], -infinity);
        } else {
          double const size = std::fabs(table->bias) * std::fabs(math::half_to_float(rescale)) + std::fabs(add) + 1;
          EXPECT_NEAR(lower_bounds[row], bound, 5e-7 * size);
        }
        EXPECT_EQ(survivors >> row & 1, lower_bounds[row] < bounds.threshold);
      }
      EXPECT_EQ(scan_block(table, block.data() + 1, bounds, nullptr), survivors);
    }
  });
}

TEST(ScanKernels, RunsOfBlocksReportTheSurvivorsOfEach) {
  testing::at_every_level([] {
    Random random(7);
    for (ScanShape const& shape : {ScanShape{Metric::l2, 1, 48}, ScanShape{Metric::l2, 2, 128}}) {
      std::vector<float> const w = testing::gaussian_vector(random, shape.padded_dim);
      TableMemory memory(shape.padded_dim);
      QueryTable const* table = build_query_table(shape, w.data(), memory.data());
      uint32_t const block_count = 9;
      std::vector<std::byte> blocks;
      for (uint32_t b = 0; b < block_count; ++b) {
        std::vector<std::byte> const block = random_block(random, shape);
        blocks.insert(blocks.end(), block.begin(), block.end());
      }
      for (float threshold : {infinity, 0.5f, -0.5f, -infinity}) {
        ScanBounds const bounds{0.1f, 1.5f, threshold};
        std::vector<uint32_t> rows(block_count * 32), expected_rows;
        std::vector<float> found(block_count * 32), expected;
        for (uint32_t b = 0; b < block_count; ++b) {
          float lower_bounds[32];
          size_t const size = block_size(shape.padded_dim, shape.bits);
          uint32_t const survivors = scan_block(table, blocks.data() + b * size, bounds, lower_bounds);
          for (uint32_t lane = 0; lane < 32; ++lane) {
            if (!(survivors >> lane & 1)) continue;
            expected_rows.push_back(1000 + b * 32 + lane);
            expected.push_back(lower_bounds[lane]);
          }
        }
        uint32_t const count = scan_blocks(table, blocks.data(), block_count, 1000, bounds, rows.data(), found.data());
        rows.resize(count);
        found.resize(count);
        EXPECT_EQ(rows, expected_rows);
        EXPECT_EQ(found, expected);
        if (threshold == infinity) {
          EXPECT_EQ(count, block_count * 32);
        }
        if (threshold == -infinity) {
          EXPECT_EQ(count, 0u);
        }
      }
    }
  });
}

}  // namespace
}  // namespace strata::quant
