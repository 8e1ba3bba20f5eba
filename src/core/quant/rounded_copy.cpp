#include "core/quant/rounded_copy.hpp"

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/math/distance.hpp"
#include "core/math/half.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

namespace {

constexpr int16_t exponent_min = -100;  // from here on all multiples of the smallest half are normal floats
constexpr int16_t exponent_max = 46;
constexpr double magnitude_end = 0x1p60;
constexpr double largest_integer = 32767;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr float float_infinity = std::numeric_limits<float>::infinity();

constexpr uint32_t block = 16;  // elements; loops of constant length become vectors

// To the nearest integer, ties to even, for magnitudes below 2^51.
double round_to_integer(double value) {
  constexpr double shift = 0x1.8p52;
  return (value + shift) - shift;
}

// The smallest float not below `value`, for value >= 0.
float round_up(double value) {
  float const nearest = float(value);
  return double(nearest) < value ? std::nextafter(nearest, float_infinity) : nearest;
}
float round_down(double value) {
  float const nearest = float(value);
  return double(nearest) > value ? std::nextafter(nearest, -float_infinity) : nearest;
}

double max_magnitude(uint32_t dim, float const* x) {
  double largest = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    double const magnitude = std::fabs(double(x[i]));
    if (!(magnitude <= largest)) largest = magnitude;
    if (magnitude != magnitude) return magnitude;
  }
  return largest;
}

void put_element(std::byte* elements, uint32_t i, uint16_t element) {
  std::memcpy(elements + size_t(i) * sizeof element, &element, sizeof element);
}

// Both encoders: of x, times `factor`; return the sum of the squared differences. Squares do not leave the doubles: x
// is a multiple of 2^-149 and factor at least 2^-46. Elements of a row whose loss comes to `loss_end` are not all
// written.
double encode_integers(uint32_t dim, float const* x, double factor, std::byte* elements) {
  double loss = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    double const value = x[i] * factor;
    double rounded = round_to_integer(value);
    if (rounded > largest_integer) rounded = largest_integer;
    if (rounded < -largest_integer) rounded = -largest_integer;
    put_element(elements, i, uint16_t(int16_t(rounded)));
    loss += (value - rounded) * (value - rounded);
  }
  return loss;
}

double loss_in_halves(uint32_t dim, float const* x, double factor, double loss_end) {
  double loss = 0;
  for (uint32_t i = 0; i < dim && loss < loss_end; ++i) {
    double const value = x[i] * factor, rounded = math::half_to_float(math::float_to_half(float(value)));
    loss += (value - rounded) * (value - rounded);
  }
  return loss;
}

void encode_halves(uint32_t dim, float const* x, double factor, std::byte* elements) {
  for (uint32_t i = 0; i < dim; ++i) put_element(elements, i, math::float_to_half(float(x[i] * factor)));
}

RoundedCopyDisk header_of(std::byte const* copy) {
  RoundedCopyDisk header;
  std::memcpy(&header, copy, sizeof header);
  return header;
}

bool is_sound(RoundedCopyDisk const& header) {
  return header.exponent >= exponent_min && header.exponent <= exponent_max &&
         uint16_t(header.kind) <= uint16_t(RoundedKind::integers) && header.error >= 0;
}

void scale_floats(uint32_t dim, float scale, float* x) {
  uint32_t i = 0;
  for (; dim - i >= block; i += block)
    for (uint32_t j = 0; j < block; ++j) x[i + j] *= scale;
  for (; i < dim; ++i) x[i] *= scale;
}

}  // namespace

void encode_rounded(uint32_t dim, float const* x, std::byte* copy) {
  RoundedCopyDisk header{};
  std::byte* const elements = copy + sizeof header;
  double const largest = max_magnitude(dim, x);
  if (!(largest < magnitude_end)) {
    header.error = float_infinity;
    std::memset(elements, 0, size_t(dim) * sizeof(uint16_t));
    std::memcpy(copy, &header, sizeof header);
    return;
  }
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);  // largest in [2^(exponent - 1), 2^exponent)
  exponent -= 15;
  header.exponent = exponent < exponent_min ? exponent_min : int16_t(exponent);
  double const factor = std::ldexp(1.0, -header.exponent);
  header.kind = RoundedKind::integers;
  double loss = encode_integers(dim, x, factor, elements);
  if (loss > 0) {
    double const other = loss_in_halves(dim, x, factor, loss);
    if (other < loss) {
      header.kind = RoundedKind::halves;
      encode_halves(dim, x, factor, elements);
      loss = other;
    }
  }
  // dim sums in double precision are good to 2^-38.
  header.error = round_up(std::sqrt(loss) * (1 + 0x1p-36));
  std::memcpy(copy, &header, sizeof header);
}

bool rounded_is_sound(std::byte const* copy) {
  return is_sound(header_of(copy));
}

Status decode_rounded(uint32_t dim, std::byte const* copy, float* x, double* error) {
  RoundedCopyDisk const header = header_of(copy);
  if (!is_sound(header)) return corrupt("copy of a vector has an impossible header");
  float const scale = std::ldexp(1.0f, header.exponent);
  if (header.kind == RoundedKind::integers) {
    math::shorts_to_floats(dim, copy + sizeof header, scale, x);
  } else {
    math::halves_to_floats(dim, copy + sizeof header, x);
    scale_floats(dim, scale, x);
  }
  *error = double(header.error) * double(scale);
  return {};
}

namespace {

// What underflow hides from a sum of products, and more.
constexpr double tiny = FLT_MIN;

// Norms whose squares neither overflow nor lose bits to underflow.
bool is_ordinary(float norm2) {
  return norm2 > 0x1p-80f && norm2 < 0x1p80f;
}

// Not below the norm whose square was summed up as `norm2`.
double norm_above(float norm2, double rounding) {
  return std::sqrt(double(norm2) * (1 + 2 * rounding) + tiny);
}

// From here on sums may leave the floats on their way.
constexpr double score_end = 0x1p120;

struct Range {
  double least, most;
};
constexpr Range unknown{-infinity, infinity};

// Squared distances, `score` of them known to within `slack`, of points that lie within `error` of each other.
Range range_of_squares(double score, double slack, double error) {
  double const below = score - slack;
  double const nearest = (below > 0 ? std::sqrt(below) : 0) - error, farthest = std::sqrt(score + slack) + error;
  return {nearest > 0 ? nearest * nearest : 0, farthest * farthest};
}

Range range_of_l2(CopyQuery const& query, double score, double error) {
  Range const range = range_of_squares(score, 2 * query.rounding * score + tiny, error);
  return {range.least * (1 - query.rounding) - tiny, range.most * (1 + query.rounding) + tiny};
}

Range range_of_product(CopyQuery const& query, float const* x, double score, double error) {
  double const norm = norm_above(math::inner_product(query.dim, x, x), query.rounding);
  if (!(query.norm * (norm + error) < score_end)) return unknown;
  double const slack = query.norm * (error + query.rounding * (2 * norm + error)) + tiny;
  return {score - slack, score + slack};
}

Range range_of_cosine(CopyQuery const& query, float const* x, double score, double error) {
  float const norm2 = math::inner_product(query.dim, x, x);
  if (!is_ordinary(norm2) || !is_ordinary(query.norm2)) return unknown;
  double const norm = std::sqrt(double(norm2) * (1 - 2 * query.rounding));
  if (!(error < norm / 2)) return unknown;
  // The cosine is one sum over the root of the product of two others, so it is off by two roundings, and twice the
  // distance by four (and their squares).
  double const slack = 4.1 * query.rounding;
  Range const range = range_of_squares(score, slack, 2 * error / (2 * norm - error));
  return {range.least - slack, range.most + slack};
}

}  // namespace

CopyQuery copy_query(Metric metric, uint32_t dim, void const* query) {
  double const sums = metric == Metric::cosine ? dim / 8.0 : dim / 16.0;
  double const rounding = (sums + 16) * 0x1.02p-24;
  float const norm2 = math::inner_product(dim, query, query);
  return {metric, dim, norm2, norm_above(norm2, rounding), rounding};
}

ScoreRange score_range(CopyQuery const& query, float const* x, double score, double error) {
  Range range = unknown;
  if (!(error < infinity) || !std::isfinite(score)) return {-float_infinity, float_infinity};
  switch (query.metric) {
    case Metric::l2:
      range = range_of_l2(query, score, error);
      break;
    case Metric::inner_product:
      range = range_of_product(query, x, score, error);
      break;
    case Metric::cosine:
      range = range_of_cosine(query, x, score, error);
      break;
  }
  // Roundings of the lines above, and scores that leave the floats.
  double const slack = 0x1p-48 * (std::fabs(range.least) + std::fabs(range.most));
  double const least = range.least - slack, most = range.most + slack;
  if (!(std::fabs(least) < score_end) || !(std::fabs(most) < score_end)) return {-float_infinity, float_infinity};
  return {round_down(least), round_up(most)};
}

}  // namespace strata::quant
