// Run-time choice of the instruction set. One table of kernels per level, each in a translation unit of its own; the
// table in use is chosen once, when the library is loaded, from CPUID and XCR0, and can be lowered for tests.
#pragma once
#include <cstdint>

namespace strata::math {

enum class SimdLevel : uint8_t { scalar = 0, avx2 = 1, avx512 = 2, neon = 3 };

// The best level that this machine can run.
SimdLevel simd_level_best();
// The level in use.
SimdLevel simd_level();
// Returns false and changes nothing when the machine cannot run `level`. Not thread-safe: startup, settings, tests.
bool set_simd_level(SimdLevel level);
char const* simd_level_name(SimdLevel level);

}  // namespace strata::math
