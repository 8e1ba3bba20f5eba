// The table behind frame.cpp, refine_code.cpp and the encoder of scan_code.cpp: one constant per instruction set,
// defined in codes_*.cpp. `n` is always a padded dimension (a positive multiple of 16). No inline functions here: this
// header is seen by translation units with different instruction sets.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::quant {

struct ListKeyRule;  // list_key.hpp

// Sums over the residual r = z - c of one row; sign(r_i) is -1 where r_i is 0, as its bit says.
struct SignSums {
  float norm2;          // ||r||^2
  float l1;             // <sign(r), r>
  float sign_centroid;  // <sign(r), c>
};

// The same for the two-bit code y_i = sign(r_i) (m_i + 1/2).
struct MagnitudeSums {
  float code_residual;  // <y, r>
  float code_centroid;  // <y, c>
  uint32_t large;       // number of m_i = 1
};

struct CodeKernels {
  // The rotation of frame.hpp in place and its inverse; `signs` holds rotation_rounds * words_per_round(n) words, a set
  // bit flips the sign of its coordinate. The same bits of output at every level.
  void (*rotate)(uint32_t n, uint64_t const* signs, float* z);
  void (*rotate_back)(uint32_t n, uint64_t const* signs, float* z);
  // z = z * factor - mean; factor is a power of two.
  void (*center)(uint32_t n, float factor, float const* mean, float* z);

  // c may be null. Bit i % 16 of bits[i / 16] = (r_i > 0).
  void (*encode_signs)(uint32_t n, float const* z, float const* c, uint16_t* bits, SignSums* sums);
  // m_i = (|r_i| >= threshold); the bit is m_i where r_i > 0 and its complement elsewhere.
  void (*encode_magnitudes)(uint32_t n, float const* z, float const* c, float threshold, uint16_t* bits,
                            MagnitudeSums* sums);

  float (*max_magnitude)(uint32_t n, float const* z);
  // codes[i] = round(factor z_i + 127.5), expected in 0..255; returns <code - 127.5, z>.
  float (*encode_bytes)(uint32_t n, float const* z, float factor, uint8_t* codes);
  // Sum of (2 code_i - 255)^2, exact.
  uint32_t (*byte_norm2)(uint32_t n, uint8_t const* codes);
  // ||z - scale (code - 127.5)||^2
  float (*byte_residual_norm2)(uint32_t n, float const* z, float scale, uint8_t const* codes);
  void (*decode_bytes)(uint32_t n, float scale, uint8_t const* codes, float* z);
  // <w, code> in at least 16 independent partial sums (evaluate_refine's slack relies on it).
  float (*dot_bytes)(uint32_t n, float const* w, uint8_t const* codes);

  // Largest sum of |w_i| over four consecutive dimensions; NaN and infinity give something not finite.
  float (*max_group)(uint32_t n, float const* w);
  // entries[16 m + j] = round(span_m / 2 + sum over t of (bit t of j ? u : -u)), u = w_{4m+t} * factor, where span_m is
  // round(2 sum |u|); returns the sum of the span_m. The same bytes at every level.
  uint32_t (*build_entries)(uint32_t n, float const* w, float factor, uint8_t* entries);

  // list_key() of each, within rounding; bases[count] become keys.
  void (*list_keys)(ListKeyRule const* rule, uint32_t count, std::byte const* residuals, float* bases);
};

constexpr uint32_t rotation_rounds = 4;

extern CodeKernels const code_kernels_scalar;
extern CodeKernels const code_kernels_avx2;
extern CodeKernels const code_kernels_avx512;
extern CodeKernels const code_kernels_neon;

}  // namespace strata::quant
