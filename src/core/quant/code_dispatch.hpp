// Private to the dispatchers of this room: the code kernels of the level in use.
#pragma once
#include "core/math/dispatch.hpp"
#include "core/quant/code_kernels.hpp"

namespace strata::quant {

constexpr CodeKernels const* code_kernel_tables[math::simd_level_count] = {
    &code_kernels_scalar,
#if defined(__x86_64__)
    &code_kernels_avx2,
    &code_kernels_avx512,
    nullptr,
#elif defined(__aarch64__)
    nullptr,
    nullptr,
    &code_kernels_neon,
#else
    nullptr,
    nullptr,
    nullptr,
#endif
};

inline CodeKernels const& code_kernels() {
  return math::table_in_use(code_kernel_tables);
}

}  // namespace strata::quant
