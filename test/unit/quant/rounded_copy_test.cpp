#include "core/quant/rounded_copy.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/math/distance.hpp"
#include "core/math/half.hpp"
#include "unit/math/levels.hpp"

namespace strata::quant {
namespace {

using Vector = std::vector<float>;
constexpr double infinity = std::numeric_limits<double>::infinity();

// Encoded at an odd address, to see that none is required.
struct Copy {
  std::vector<std::byte> bytes;
  explicit Copy(Vector const& x) : bytes(1 + rounded_copy_size(uint32_t(x.size()))) {
    encode_rounded(uint32_t(x.size()), x.data(), data());
  }
  std::byte* data() { return bytes.data() + 1; }
  RoundedCopyDisk header() {
    RoundedCopyDisk header;
    std::memcpy(&header, data(), sizeof header);
    return header;
  }
  uint16_t element(size_t i) {
    uint16_t element;
    std::memcpy(&element, data() + sizeof(RoundedCopyDisk) + i * sizeof element, sizeof element);
    return element;
  }
  Vector decode(size_t dim, double* error) {
    Vector x(dim);
    EXPECT_TRUE(decode_rounded(uint32_t(dim), data(), x.data(), error).ok());
    return x;
  }
};

double norm(Vector const& v) {
  double sum = 0;
  for (float x : v) sum += double(x) * x;
  return std::sqrt(sum);
}

double distance(Vector const& a, Vector const& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) sum += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
  return std::sqrt(sum);
}

std::vector<Vector> difficult_vectors(uint32_t dim) {
  Random random(dim);
  std::vector<Vector> all;
  for (float value : {0.0f, 1.0f, -0.3f, 65504.0f, 65520.0f, 1e5f, 3e30f, FLT_MAX, 1e-8f, 1e-40f, FLT_MIN})
    all.push_back(Vector(dim, value));
  for (double scale : {1.0, 0.05, 1e-3, 1e-6, 1e-9, 1e-25, 1e-37, 1e4, 3e4, 1e7, 1e14, 1e17, 1e18, 1e19, 1e30})
    all.push_back(testing::gaussian_vector(random, dim, scale));
  Vector spike(dim), heavy(dim), uneven(dim), integers(dim), bytes(dim), edge(dim), huge(dim, 0.01f);
  spike[dim / 2] = 5;
  huge[0] = FLT_MAX;
  for (uint32_t i = 0; i < dim; i++) {
    heavy[i] = float(1 / (random.unit() + 1e-3));
    uneven[i] = i % 2 ? 1e-20f : 1e3f;
    integers[i] = float(int(random.below(65535)) - 32767);
    bytes[i] = float(random.below(256));
    edge[i] = 32767.5f + float(i % 3) / 512;  // just below the next power of two
  }
  for (Vector const& one : {spike, heavy, uneven, integers, bytes, edge, huge}) all.push_back(one);
  for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    all.push_back(Vector(dim, 1.5f));
    all.back()[dim - 1] = bad;
  }
  return all;
}

std::vector<uint32_t> const dims = {1, 2, 3, 15, 16, 17, 50, 128, 768, 1537, 16000};

TEST(RoundedCopy, ErrorBoundsTheLossAndLittleMore) {
  for (uint32_t dim : dims)
    for (Vector const& x : difficult_vectors(dim)) {
      Copy copy(x);
      ASSERT_TRUE(rounded_is_sound(copy.data()));
      double error;
      Vector const restored = copy.decode(dim, &error);
      for (float value : restored) ASSERT_TRUE(std::isfinite(value));
      double largest = 0;
      bool finite = true;
      for (float value : x) {
        finite = finite && std::isfinite(value);
        largest = std::max(largest, double(std::fabs(value)));
      }
      if (!finite || largest >= 0x1p60) {
        EXPECT_EQ(error, infinity);
        continue;
      }
      double const lost = distance(x, restored);
      ASSERT_GE(error, lost) << dim << " norm " << norm(x);
      EXPECT_LE(error, lost * (1 + 1e-6) + 1e-130) << dim << " norm " << norm(x);
      ASSERT_EQ(error == 0, lost == 0);
      EXPECT_LE(error, 0x1p-11 * norm(x) + 0x1p-100 * std::sqrt(dim)) << dim << " norm " << norm(x);
    }
}

TEST(RoundedCopy, ElementsAreWhatTheHeaderSays) {
  for (uint32_t dim : {3u, 50u, 768u})
    for (Vector const& x : difficult_vectors(dim)) {
      Copy copy(x);
      RoundedCopyDisk const header = copy.header();
      double error;
      Vector const restored = copy.decode(dim, &error);
      for (uint32_t i = 0; i < dim; i++) {
        double const element = header.kind == RoundedKind::integers ? double(int16_t(copy.element(i)))
                                                                    : math::half_to_float(copy.element(i));
        ASSERT_EQ(double(restored[i]), std::ldexp(element, header.exponent));
      }
      EXPECT_EQ(error, double(std::ldexp(double(header.error), header.exponent)));
    }
}

TEST(RoundedCopy, KeepsHalvesAndIntegersAsTheyAre) {
  Random random(5);
  for (uint32_t dim : {1u, 50u, 784u}) {
    Vector halves(dim), scaled(dim), bytes(dim), integers(dim);
    for (uint32_t i = 0; i < dim; i++) {
      halves[i] = math::half_to_float(math::float_to_half(float(testing::gaussian(random))));
      scaled[i] = halves[i] * 0x1p40f;
      bytes[i] = float(random.below(256));
      integers[i] = float(int(random.below(65535)) - 32767);
    }
    for (Vector const& x : {halves, scaled, bytes, integers, Vector(dim), Vector(dim, -0.0f)}) {
      double error;
      EXPECT_EQ(Copy(x).decode(dim, &error), x);
      EXPECT_EQ(error, 0);
    }
  }
}

TEST(RoundedCopy, TakesTheKindThatLosesLess) {
  Random random(6);
  Vector x = testing::gaussian_vector(random, 768);
  Copy ordinary(x);
  EXPECT_EQ(ordinary.header().kind, RoundedKind::integers);
  double error;
  ordinary.decode(768, &error);
  EXPECT_LT(error, 6e-5 * norm(x));
  for (size_t i = 1; i < 768; i++) x[i] /= 1000;
  x[0] = 100;
  Copy spiked(x);
  EXPECT_EQ(spiked.header().kind, RoundedKind::halves);
}

TEST(RoundedCopy, HeaderIsValidated) {
  Copy const good(Vector(20, 0.1f));
  auto is_sound = [&](RoundedCopyDisk header) {
    Copy copy = good;
    std::memcpy(copy.data(), &header, sizeof header);
    Vector x(20);
    double error;
    bool const decodes = decode_rounded(20, copy.data(), x.data(), &error).ok();
    EXPECT_EQ(rounded_is_sound(copy.data()), decodes);
    return decodes;
  };
  RoundedCopyDisk const header = Copy(good).header();
  EXPECT_TRUE(is_sound(header));
  for (int exponent : {-32768, -101, 47, 32767}) EXPECT_FALSE(is_sound({int16_t(exponent), header.kind, header.error}));
  EXPECT_FALSE(is_sound({header.exponent, RoundedKind(2), header.error}));
  EXPECT_FALSE(is_sound({header.exponent, header.kind, -1.0f}));
  EXPECT_FALSE(is_sound({header.exponent, header.kind, std::numeric_limits<float>::quiet_NaN()}));
  EXPECT_TRUE(is_sound({header.exponent, header.kind, std::numeric_limits<float>::infinity()}));
}

// As the rows of a table are ordered, and in double precision.
double computed_score(Metric metric, Vector const& a, Vector const& b) {
  uint32_t const dim = uint32_t(a.size());
  if (metric == Metric::l2) return math::l2_squared(dim, a.data(), b.data());
  if (metric == Metric::inner_product) return -double(math::inner_product(dim, a.data(), b.data()));
  math::CosineParts const parts = math::cosine_parts(dim, a.data(), b.data());
  double const cosine = double(parts.inner_product) / std::sqrt(double(parts.norm2_a) * double(parts.norm2_b));
  return 2 * (1 - (cosine > 1 ? 1 : cosine < -1 ? -1 : cosine));
}
double true_score(Metric metric, Vector const& a, Vector const& b) {
  if (metric == Metric::l2) return distance(a, b) * distance(a, b);
  long double product = 0;
  for (size_t i = 0; i < a.size(); i++) product += (long double)(a[i]) * b[i];
  if (metric == Metric::inner_product) return double(-product);
  return double(2 * (1 - product / ((long double)(norm(a)) * norm(b))));
}

constexpr Metric metrics[] = {Metric::l2, Metric::inner_product, Metric::cosine};

ScoreRange range_of(Metric metric, Vector const& query, Vector const& x) {
  uint32_t const dim = uint32_t(x.size());
  double error;
  Vector const restored = Copy(x).decode(dim, &error);
  return score_range(copy_query(metric, dim, query.data()), restored.data(), computed_score(metric, restored, query),
                     error);
}

void expect_in_range(Metric metric, Vector const& query, Vector const& x) {
  ScoreRange const range = range_of(metric, query, x);
  ASSERT_LE(range.least, range.most);
  double const computed = computed_score(metric, x, query), exact = true_score(metric, x, query);
  bool const known = range.most < std::numeric_limits<float>::infinity();
  if (known) {
    ASSERT_TRUE(std::isfinite(computed));
  }
  if (!std::isfinite(computed)) return;
  ASSERT_LE(range.least, computed) << int(metric) << " dim " << x.size() << " exact " << exact;
  ASSERT_GE(range.most, computed) << int(metric) << " dim " << x.size() << " exact " << exact;
  ASSERT_LE(range.least, exact) << int(metric) << " dim " << x.size() << " computed " << computed;
  ASSERT_GE(range.most, exact) << int(metric) << " dim " << x.size() << " computed " << computed;
}

TEST(RoundedCopy, RangeHoldsTheScore) {
  testing::at_every_level([] {
    for (uint32_t dim : dims) {
      std::vector<Vector> const all = difficult_vectors(dim);
      Random random(dim + 1);
      for (size_t i = 0; i < all.size(); i++) {
        Vector near = all[i], same = all[i], far = all[i];
        for (float& value : near) value *= float(1 + 1e-4 * testing::gaussian(random));
        for (float& value : far) value = -value;
        for (Metric metric : metrics) {
          for (Vector const& query : {near, same, far, all[(i * 7 + 3) % all.size()], all[12]})
            expect_in_range(metric, query, all[i]);
        }
      }
    }
  });
}

// The loss of every element in the direction of the query, or against it: the triangle inequality is an equality.
TEST(RoundedCopy, RangeHoldsWhenTheLossPointsAtTheQuery) {
  testing::at_every_level([] {
    Random random(9);
    for (uint32_t dim : {16u, 100u, 768u, 4000u})
      for (int round = 0; round < 20; round++) {
        double error;
        Vector const base = Copy(testing::gaussian_vector(random, dim)).decode(dim, &error);
        double const step = std::ldexp(1.0, Copy(base).header().exponent);
        Vector towards = base, away = base, query = base;
        double const reach = std::pow(10.0, round % 5 - 4);
        for (uint32_t i = 0; i < dim; i++) {
          double const sign = random.below(2) ? 1 : -1;
          query[i] = float(base[i] + sign * reach);
          towards[i] = float(base[i] + sign * 0.499 * step);
          away[i] = float(base[i] - sign * 0.499 * step);
        }
        for (Metric metric : metrics) {
          expect_in_range(metric, query, towards);
          expect_in_range(metric, query, away);
        }
      }
  });
}

// The ranges must not only hold but be worth something: against a hundredth of the refine codes' error.
TEST(RoundedCopy, RangesOfOrdinaryRowsAreNarrow) {
  Random random(10);
  Vector const query = testing::gaussian_vector(random, 768);
  double const length = norm(query);
  for (int i = 0; i < 20; i++) {
    Vector x = testing::gaussian_vector(random, 768);
    for (size_t j = 0; j < x.size(); j++) x[j] = float(0.6 * x[j] + 0.8 * query[j]);
    ScoreRange const l2 = range_of(Metric::l2, query, x), product = range_of(Metric::inner_product, query, x),
                     cosine = range_of(Metric::cosine, query, x);
    EXPECT_LT(double(l2.most) - l2.least, 3e-4 * length * length);
    EXPECT_LT(double(product.most) - product.least, 2e-4 * length * length);
    EXPECT_LT(double(cosine.most) - cosine.least, 3e-4);
  }
}

}  // namespace
}  // namespace strata::quant
