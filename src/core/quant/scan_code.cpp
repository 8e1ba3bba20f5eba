// Encoding rows into blocks.
#include "core/quant/scan_code.hpp"

#include <cmath>
#include <cstring>

#include "core/base/check.hpp"
#include "core/base/limits.hpp"
#include "core/math/half.hpp"
#include "core/quant/code_dispatch.hpp"

#include "core/base/core_only.hpp"

namespace strata::quant {

namespace {

constexpr uint16_t half_infinity = 0x7c00;

// Factor of the magnitude threshold of 2-bit codes: maximises the mean cosine between Gaussian coordinates and their
// code (algorithm of Gao et al., SIGMOD 2025, with one threshold for all rows).
constexpr float kappa = 1.006f;

// 1 - a^2 of a random direction, for 1 and 2 bits; see query_table_noise for the use of its half as a floor.
constexpr double typical_sine2[3] = {0, 0.3634, 0.1189};

// Below this the squares of a residual leave the normal floats and the code is not trusted.
constexpr float norm2_min = 1e-30f;

struct Factors {
  float add;
  uint16_t rescale;
  uint16_t err;
};

struct RowSums {
  float norm2;          // ||r||^2
  float l1;             // ||r||_1
  double code_norm2;    // ||y||^2
  float code_residual;  // <y, r>
  float code_centroid;  // <y, c>
};

// Formulas: scan_code.hpp. The rounding of `rescale` to half precision, delta, moves an estimate by at most
// |delta| ||y|| ||w - c||, because `add` is made with the rounded value; adding it to err keeps the bound valid for
// eps >= 1.
Factors factors_of(ScanShape const& shape, RowSums const& sums) {
  bool const product = shape.metric == Metric::inner_product;
  double const weight = product ? 1 : 2;
  if (!std::isfinite(sums.norm2) || !std::isfinite(sums.l1) || !std::isfinite(sums.code_centroid)) {
    return {0, 0, half_infinity};
  }
  float const norm_part = product ? 0 : sums.norm2;
  if (sums.norm2 < norm2_min) return {norm_part, 0, math::float_to_half_up(float(weight * 1.01) * sums.l1)};

  double const norm2 = sums.norm2, code_residual = sums.code_residual;
  double const cosine2 = std::fmin(code_residual * code_residual / (sums.code_norm2 * norm2), 1);
  double const sine2 = std::fmax(1 - cosine2, 0.5 * typical_sine2[shape.bits]);
  double const exact_rescale = -weight * norm2 / code_residual;
  uint16_t const rescale = math::float_to_half(float(exact_rescale));
  double const stored_rescale = math::half_to_float(rescale);
  double const delta = std::fabs(exact_rescale - stored_rescale);
  double const err =
      weight * std::sqrt(norm2 * sine2 / cosine2 / (shape.padded_dim - 1)) + delta * std::sqrt(sums.code_norm2);
  float const add = product ? 0 : float(norm2 - stored_rescale * sums.code_centroid);
  if (!std::isfinite(stored_rescale) || !std::isfinite(add)) return {0, 0, half_infinity};
  return {add, rescale, math::float_to_half_up(float(err))};
}

// The 16 bits of a unit, dimension by dimension, into the nibbles of one row; the block was zeroed.
void put_bits(uint16_t const* bits, uint32_t unit_count, std::byte* plane, uint32_t lane) {
  uint32_t const shift = lane / 16 * 4;
  std::byte* target = plane + lane % 16;
  for (uint32_t unit = 0; unit < unit_count; ++unit, target += unit_size) {
    for (uint32_t group = 0; group < 4; ++group) {
      target[group * 16] |= std::byte((bits[unit] >> (group * 4) & 15) << shift);
    }
  }
}

std::byte* factors_at(ScanShape const& shape, std::byte* block) {
  return block + block_unit_count(shape.padded_dim, shape.bits) * unit_size;
}

}  // namespace

float encode_scan_row(ScanShape const& shape, float const* z, float const* centroid, std::byte* block, uint32_t lane) {
  STRATA_ASSERT(lane < block_rows && (shape.bits == 1 || shape.bits == 2));
  STRATA_ASSERT(shape.padded_dim > 0 && shape.padded_dim <= padded_dim_max && shape.padded_dim % padding_unit == 0);
  CodeKernels const& kernels = code_kernels();
  uint32_t const plane_units = shape.padded_dim / 16;
  uint16_t bits[padded_dim_max / 16];

  SignSums signs;
  kernels.encode_signs(shape.padded_dim, z, centroid, bits, &signs);
  put_bits(bits, plane_units, block, lane);
  RowSums sums{signs.norm2, signs.l1, double(shape.padded_dim), signs.l1, signs.sign_centroid};
  if (shape.bits == 2) {
    float const threshold = std::sqrt(signs.norm2 / float(shape.padded_dim)) / kappa;
    MagnitudeSums magnitudes;
    kernels.encode_magnitudes(shape.padded_dim, z, centroid, threshold, bits, &magnitudes);
    put_bits(bits, plane_units, block + plane_units * unit_size, lane);
    sums.code_norm2 = 0.25 * shape.padded_dim + 2.0 * magnitudes.large;
    sums.code_residual = magnitudes.code_residual;
    sums.code_centroid = magnitudes.code_centroid;
  }

  Factors const factors = factors_of(shape, sums);
  std::byte* target = factors_at(shape, block);
  std::memcpy(target + lane * 4, &factors.add, 4);
  std::memcpy(target + 128 + lane * 2, &factors.rescale, 2);
  std::memcpy(target + 192 + lane * 2, &factors.err, 2);
  return signs.norm2;
}

void widen_scan_row(ScanShape const& shape, float error, std::byte* block, uint32_t lane) {
  STRATA_ASSERT(lane < block_rows && shape.padded_dim > 1);
  bool const product = shape.metric == Metric::inner_product;
  std::byte* target = factors_at(shape, block);
  float add;
  uint16_t err;
  std::memcpy(&add, target + lane * 4, 4);
  std::memcpy(&err, target + 192 + lane * 2, 2);
  double const spread = (product ? 1 : 2) * double(error) / std::sqrt(shape.padded_dim - 1.0);
  float const lowered = product ? add : float(add - double(error) * error);
  float const widened = float(std::hypot(double(math::half_to_float(err)), spread));
  bool const usable = std::isfinite(lowered) && std::isfinite(widened);
  if (usable) add = lowered;
  err = usable ? math::float_to_half_up(widened) : half_infinity;
  std::memcpy(target + lane * 4, &add, 4);
  std::memcpy(target + 192 + lane * 2, &err, 2);
}

void copy_scan_row(ScanShape const& shape, std::byte const* source, uint32_t source_lane, std::byte* target,
                   uint32_t target_lane) {
  STRATA_ASSERT(source_lane < block_rows && target_lane < block_rows);
  uint32_t const code_size = block_unit_count(shape.padded_dim, shape.bits) * unit_size;
  uint32_t const source_shift = source_lane / 16 * 4, target_shift = target_lane / 16 * 4;
  for (uint32_t i = 0; i < code_size; i += 16) {
    uint32_t const nibble = uint32_t(source[i + source_lane % 16]) >> source_shift & 15;
    target[i + target_lane % 16] |= std::byte(nibble << target_shift);
  }
  std::memcpy(target + code_size + target_lane * 4, source + code_size + source_lane * 4, 4);
  std::memcpy(target + code_size + 128 + target_lane * 2, source + code_size + 128 + source_lane * 2, 2);
  std::memcpy(target + code_size + 192 + target_lane * 2, source + code_size + 192 + source_lane * 2, 2);
}

}  // namespace strata::quant
