#include "core/quant/refine_code.hpp"

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/math/half.hpp"
#include "core/quant/code_dispatch.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

namespace {

constexpr uint16_t half_infinity = 0x7c00;
constexpr float float_ulp = 0x1p-24f;  // largest relative error of one rounding

constexpr float source_rounding = 0x1p-19f;

// Magnitudes outside of this range are not scaled by least squares: sums of squares would leave the floats.
constexpr float magnitude_min = 0x1p-100f;
constexpr float magnitude_max = 0x1p50f;

uint8_t* codes_of(std::byte* row) {
  return reinterpret_cast<uint8_t*>(row) + sizeof(RefineRowDisk);
}
uint8_t const* codes_of(std::byte const* row) {
  return reinterpret_cast<uint8_t const*>(row) + sizeof(RefineRowDisk);
}

RefineRowDisk header_of(std::byte const* row) {
  RefineRowDisk header;
  std::memcpy(&header, row, sizeof header);
  return header;
}

float clamp_finite(double value) {
  return value < double(FLT_MAX) ? float(value) : FLT_MAX;
}

// The stored bound of a residual whose square was summed up in float. Its summands carry few roundings and are added in
// 16 partial sums (together below 4e-4), each difference carries the rounding of z^_i, and squares that underflow hide
// less than 2^-55.
uint16_t error_bound(float residual_norm2, float norm2) {
  return math::float_to_half_up(std::sqrt(residual_norm2) * 1.0004f + std::sqrt(norm2) * 0x1p-22f + 0x1p-55f);
}

// Rows without a usable scale: reconstructed as zero, all codes 128.
RefineRowDisk encode_flat(uint32_t padded_dim, float const* z, float error, uint8_t* codes) {
  float const half_sum = code_kernels().encode_bytes(padded_dim, z, 0, codes);
  RefineRowDisk header{};
  header.error = half_sum == half_sum ? math::float_to_half_up(error) : half_infinity;  // NaN shows in the sum
  std::memset(codes, 128, padded_dim);
  return header;
}

}  // namespace

void encode_refine(uint32_t padded_dim, float const* z, std::byte* row) {
  CodeKernels const& kernels = code_kernels();
  uint8_t* codes = codes_of(row);
  float const largest = kernels.max_magnitude(padded_dim, z);
  RefineRowDisk header{};
  if (!(largest >= magnitude_min)) {
    header = encode_flat(padded_dim, z, largest * (1.01f * std::sqrt(float(padded_dim))), codes);
  } else {
    float const code_z = kernels.encode_bytes(padded_dim, z, 127.999f / largest, codes);
    double const code_norm2 = 0.25 * kernels.byte_norm2(padded_dim, codes);
    if (!(largest <= FLT_MAX) || code_z != code_z) {
      header = encode_flat(padded_dim, z, std::numeric_limits<float>::infinity(), codes);
    } else if (largest > magnitude_max) {
      header.scale = largest * (1 / 127.5f);
      header.error = half_infinity;
      header.norm2 = clamp_finite(double(header.scale) * header.scale * code_norm2);
    } else {
      header.scale = float(code_z / code_norm2);
      header.norm2 = float(double(header.scale) * header.scale * code_norm2);
      header.error = error_bound(kernels.byte_residual_norm2(padded_dim, z, header.scale, codes), header.norm2);
    }
  }
  std::memcpy(row, &header, sizeof header);
}

void decode_refine(uint32_t padded_dim, std::byte const* row, float* z) {
  code_kernels().decode_bytes(padded_dim, header_of(row).scale, codes_of(row), z);
}

RefineQuery refine_query(Metric metric, uint32_t padded_dim, float const* w, float offset) {
  double sum = 0, norm2 = 0, l1 = 0;
  for (uint32_t i = 0; i < padded_dim; ++i) {
    double const x = w[i];
    sum += x;
    norm2 += x * x;
    l1 += std::fabs(x);
  }
  // Each of the partial sums of the dot product adds padded_dim / 16 terms at most; a few more roundings combine them.
  double const roundings = padded_dim / 16.0 + 16;
  return {metric,
          padded_dim,
          w,
          float(sum),
          float(norm2),
          float(std::sqrt(norm2)),
          float(255 * l1 * roundings * double(float_ulp) * 1.01),
          offset};
}

namespace {

// What estimates of a row are made of.
struct RowTerms {
  float product;  // <z^, w>, as computed
  float norm2;    // ||z^||^2
  float slack;    // bounds the rounding of `product`
  float error;    // bounds ||z - z^||
  uint16_t error_half;

  bool is_bounded() const { return error_half < half_infinity; }
};

inline RowTerms terms_of(RefineQuery const& query, std::byte const* row) {
  RefineRowDisk const header = header_of(row);
  float const dot = code_kernels().dot_bytes(query.padded_dim, query.w, codes_of(row));
  return {header.scale * (dot - 127.5f * query.sum), header.norm2, header.scale * query.rounding,
          math::half_to_float(header.error), header.error};
}

RefineEstimate estimate_of(RefineQuery const& query, RowTerms const& row) {
  float const length = std::sqrt(row.norm2) + query.offset;
  RefineEstimate estimate;
  if (query.metric == Metric::inner_product) {
    estimate.score = -row.product;
    float const reach = query.norm * row.error;
    estimate.lower_bound = estimate.score - reach - (row.slack + 8 * float_ulp * (std::fabs(row.product) + reach));
    if (!row.is_bounded() || !(estimate.lower_bound > -std::numeric_limits<float>::infinity())) {
      estimate.lower_bound = -std::numeric_limits<float>::infinity();
    }
    estimate.upper_bound = estimate.score + reach + row.slack + source_rounding * query.norm * length + FLT_MIN;
  } else {
    float const norms = query.norm2 + row.norm2;
    estimate.score = norms - 2 * row.product;
    if (!(estimate.score > 0)) estimate.score = 0;
    float const rounding = 2 * row.slack + 8 * float_ulp * (norms + 2 * std::fabs(row.product));
    float const least = estimate.score - rounding;
    float const distance = least > 0 ? std::sqrt(least) * (1 - 8 * float_ulp) - row.error : 0;
    estimate.lower_bound = row.is_bounded() && distance > 0 ? distance * distance * (1 - 8 * float_ulp) : 0;
    float const most = estimate.score + rounding;
    float const farthest = std::sqrt(most) + row.error + source_rounding * (query.norm + length);
    estimate.upper_bound = farthest * farthest * (1 + 8 * float_ulp) + FLT_MIN;  // for a square that underflows
  }
  if (!row.is_bounded() || !(estimate.upper_bound <= FLT_MAX))
    estimate.upper_bound = std::numeric_limits<float>::infinity();
  if (!(estimate.score <= FLT_MAX)) estimate.score = FLT_MAX;
  return estimate;
}

// As the lower bound of estimate_of(), squared instead of its root taken. What this leaves in doubt is evaluated.
bool lies_beyond(RefineQuery const& query, RowTerms const& row, float reach) {
  if (query.metric == Metric::inner_product) {
    float const error = query.norm * row.error;
    return -row.product - error - (row.slack + 8 * float_ulp * (std::fabs(row.product) + error)) >= reach;
  }
  if (!(reach >= 0 && row.norm2 <= FLT_MAX)) return false;
  float const norms = query.norm2 + row.norm2, score = norms - 2 * row.product;
  float const least = score - (2 * row.slack + 8 * float_ulp * (norms + 2 * std::fabs(row.product)));
  float const distance = std::sqrt(reach) + row.error;
  return least * (1 - 32 * float_ulp) >= distance * distance && least <= FLT_MAX;
}

}  // namespace

RefineEstimate evaluate_refine(RefineQuery const& query, std::byte const* row) {
  return estimate_of(query, terms_of(query, row));
}

bool evaluate_refine_within(RefineQuery const& query, std::byte const* row, float reach, RefineEstimate* estimate) {
  RowTerms const terms = terms_of(query, row);
  if (terms.is_bounded() && lies_beyond(query, terms, reach)) return false;
  *estimate = estimate_of(query, terms);
  return true;
}

}  // namespace strata::quant
