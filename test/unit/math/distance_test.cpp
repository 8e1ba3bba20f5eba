#include "core/math/distance.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/math/half.hpp"
#include "unit/math/levels.hpp"

namespace strata::math {
namespace {

// Sums in double, and the sum of magnitudes that bounds the rounding.
struct Exact {
  double l2 = 0, ip = 0, l1 = 0, aa = 0, bb = 0, ip_size = 0;
};

Exact exact(std::vector<float> const& a, std::vector<float> const& b) {
  Exact e;
  for (size_t i = 0; i < a.size(); ++i) {
    double const x = a[i], y = b[i];
    e.l2 += (x - y) * (x - y);
    e.ip += x * y;
    e.l1 += std::fabs(x - y);
    e.aa += x * x;
    e.bb += y * y;
    e.ip_size += std::fabs(x * y);
  }
  return e;
}

// Rounding of at least 4 partial sums: dim / 4 additions and a few more roundings, 2^-24 each.
double bound(size_t dim, double size) {
  return (double(dim) / 4 + 8) * 0x1p-24 * size + 1e-37;
}

// A copy of the bytes at an odd address, in a block that ends with them, so that a sanitizer sees reads beyond the end.
class Unaligned {
 public:
  Unaligned(void const* bytes, size_t size) : bytes_(size + 1) {
    if (size > 0) std::memcpy(bytes_.data() + 1, bytes, size);
  }
  void const* data() const { return bytes_.data() + 1; }

 private:
  std::vector<char> bytes_;
};

std::vector<uint16_t> narrow(std::vector<float>& values) {
  std::vector<uint16_t> halves;
  for (float& x : values) {
    halves.push_back(float_to_half(x));
    x = half_to_float(halves.back());
  }
  return halves;
}

void check_singles(std::vector<float> const& a, std::vector<float> const& b) {
  uint32_t const dim = uint32_t(a.size());
  Exact const e = exact(a, b);
  Unaligned const pa(a.data(), dim * 4), pb(b.data(), dim * 4);
  EXPECT_NEAR(l2_squared(dim, pa.data(), pb.data()), e.l2, bound(dim, e.l2)) << dim;
  EXPECT_NEAR(inner_product(dim, pa.data(), pb.data()), e.ip, bound(dim, e.ip_size)) << dim;
  EXPECT_NEAR(l1(dim, pa.data(), pb.data()), e.l1, bound(dim, e.l1)) << dim;
  CosineParts const parts = cosine_parts(dim, pa.data(), pb.data());
  EXPECT_NEAR(parts.inner_product, e.ip, bound(dim, e.ip_size)) << dim;
  EXPECT_NEAR(parts.norm2_a, e.aa, bound(dim, e.aa)) << dim;
  EXPECT_NEAR(parts.norm2_b, e.bb, bound(dim, e.bb)) << dim;
}

void check_halves(std::vector<float> a, std::vector<float> b) {
  uint32_t const dim = uint32_t(a.size());
  std::vector<uint16_t> const ha = narrow(a), hb = narrow(b);
  Exact const e = exact(a, b);
  Unaligned const pa(ha.data(), dim * 2), pb(hb.data(), dim * 2);
  EXPECT_NEAR(l2_squared_half(dim, pa.data(), pb.data()), e.l2, bound(dim, e.l2)) << dim;
  EXPECT_NEAR(inner_product_half(dim, pa.data(), pb.data()), e.ip, bound(dim, e.ip_size)) << dim;
  EXPECT_NEAR(l1_half(dim, pa.data(), pb.data()), e.l1, bound(dim, e.l1)) << dim;
  CosineParts const parts = cosine_parts_half(dim, pa.data(), pb.data());
  EXPECT_NEAR(parts.inner_product, e.ip, bound(dim, e.ip_size)) << dim;
  EXPECT_NEAR(parts.norm2_a, e.aa, bound(dim, e.aa)) << dim;
  EXPECT_NEAR(parts.norm2_b, e.bb, bound(dim, e.bb)) << dim;
}

TEST(Distance, MatchesDoubleArithmeticAtEveryDimension) {
  testing::at_every_level([] {
    Random random(1);
    std::vector<uint32_t> dims;
    for (uint32_t dim = 0; dim <= 150; ++dim) dims.push_back(dim);
    for (uint32_t dim : {255u, 384u, 767u, 768u, 1536u, 15999u, 16000u}) dims.push_back(dim);
    for (uint32_t dim : dims) {
      check_singles(testing::gaussian_vector(random, dim), testing::gaussian_vector(random, dim));
      check_halves(testing::gaussian_vector(random, dim), testing::gaussian_vector(random, dim));
    }
  });
}

TEST(Distance, AdversarialValues) {
  testing::at_every_level([] {
    Random random(2);
    for (uint32_t dim : {1u, 3u, 17u, 100u, 1000u}) {
      std::vector<float> const a = testing::gaussian_vector(random, dim);
      check_singles(a, a);
      check_singles(std::vector<float>(dim), a);
      check_singles(testing::gaussian_vector(random, dim, 1e-17), testing::gaussian_vector(random, dim, 1e17));
      std::vector<float> shifted = a;
      for (float& x : shifted) x += 1000;
      check_singles(a, shifted);
      check_halves(a, shifted);
      std::vector<float> subnormal = testing::gaussian_vector(random, dim, 1e-6);
      check_halves(a, subnormal);
    }
  });
}

TEST(Distance, OverflowAndNanShow) {
  float const infinity = std::numeric_limits<float>::infinity();
  testing::at_every_level([&] {
    for (uint32_t dim : {1u, 5u, 16u, 33u, 200u}) {
      std::vector<float> const big(dim, 3e38f), small(dim, -3e38f), ones(dim, 1);
      EXPECT_EQ(l2_squared(dim, big.data(), small.data()), infinity);
      EXPECT_EQ(inner_product(dim, big.data(), big.data()), infinity);
      std::vector<float> nan(dim, 1);
      nan[dim - 1] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(l2_squared(dim, nan.data(), ones.data())));
      EXPECT_TRUE(std::isnan(inner_product(dim, nan.data(), ones.data())));
      EXPECT_TRUE(std::isnan(l1(dim, nan.data(), ones.data())));
    }
  });
}

TEST(Distance, BitCountsAreExactAtEveryLength) {
  testing::at_every_level([] {
    Random random(3);
    for (size_t size = 0; size < 300; ++size) {
      std::vector<unsigned char> a(size), b(size);
      uint64_t different = 0, both = 0, any = 0;
      for (size_t i = 0; i < size; ++i) {
        a[i] = size % 3 == 0 ? 0xff : uint8_t(random.next());
        b[i] = uint8_t(random.next());
        different += uint64_t(std::popcount(uint8_t(a[i] ^ b[i])));
        both += uint64_t(std::popcount(uint8_t(a[i] & b[i])));
        any += uint64_t(std::popcount(uint8_t(a[i] | b[i])));
      }
      Unaligned const pa(a.data(), size), pb(b.data(), size);
      EXPECT_EQ(hamming(size, pa.data(), pb.data()), different);
      JaccardParts const parts = jaccard_parts(size, pa.data(), pb.data());
      EXPECT_EQ(parts.both, both);
      EXPECT_EQ(parts.any, any);
    }
  });
}

TEST(Distance, MixedOperandsAreAsIfWidenedFirst) {
  testing::at_every_level([] {
    for (uint32_t dim : {0u, 1u, 7u, 16u, 33u, 64u, 784u, 1001u}) {
      std::vector<float> a, b;
      for (uint32_t i = 0; i < dim; ++i) {
        a.push_back(float(std::sin(i * 0.7)) * 3);
        b.push_back(float(std::cos(i * 1.3)) * 2);
      }
      std::vector<uint16_t> const halves = narrow(b);
      Unaligned const x(a.data(), dim * sizeof(float)), y(b.data(), dim * sizeof(float));
      Unaligned const h(halves.data(), dim * sizeof(uint16_t));
      EXPECT_EQ(l2_squared_mixed(dim, x.data(), h.data()), l2_squared(dim, x.data(), y.data()));
      EXPECT_EQ(inner_product_mixed(dim, x.data(), h.data()), inner_product(dim, x.data(), y.data()));
    }
  });
}

}  // namespace
}  // namespace strata::math
