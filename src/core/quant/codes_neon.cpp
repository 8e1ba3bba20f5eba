#if defined(__aarch64__)
#include "core/math/lanes_neon.hpp"

#include "core/quant/codes_body.hpp"
#include "core/quant/keys_body.hpp"
#include "core/quant/rotation_body.hpp"
#include "core/quant/table_body.hpp"

namespace strata::quant {

constexpr CodeKernels code_kernels_neon = {
    rotate_signed, rotate_back_signed,  center_on,    encode_signs, encode_magnitudes, max_magnitude, encode_bytes,
    byte_norm2,    byte_residual_norm2, decode_bytes, dot_bytes,    max_group,         build_entries, list_keys_of,
};

}  // namespace strata::quant
#endif

#include "core/base/core_only.hpp"
