#include "core/math/simd.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/math/dispatch.hpp"

#include "core/base/core_only.hpp"

namespace strata::math {

namespace {

#if defined(__x86_64__)
// Not every compiler's run-time support knows this one by name. Its registers are those of AVX.
bool has_f16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}
#endif

bool machine_runs(SimdLevel level) {
#if defined(__x86_64__)
  // The compiler's run-time support reads CPUID and XCR0, so a register file that the kernel does not save counts as
  // absent.
  __builtin_cpu_init();
  bool const avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt") && has_f16c();
  if (level == SimdLevel::avx2) return avx2;
  if (level == SimdLevel::avx512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vpopcntdq");
  }
#elif defined(__aarch64__)
  if (level == SimdLevel::neon) return true;  // part of the baseline of the architecture
#endif
  return level == SimdLevel::scalar;
}

}  // namespace

SimdLevel simd_level_best() {
  if (machine_runs(SimdLevel::neon)) return SimdLevel::neon;
  if (machine_runs(SimdLevel::avx512)) return SimdLevel::avx512;
  if (machine_runs(SimdLevel::avx2)) return SimdLevel::avx2;
  return SimdLevel::scalar;
}

// Code that runs before this initialiser sees zero, which is the scalar level.
SimdLevel simd_level_in_use = simd_level_best();

SimdLevel simd_level() {
  return simd_level_in_use;
}

bool set_simd_level(SimdLevel level) {
  if (!machine_runs(level)) return false;
  simd_level_in_use = level;
  return true;
}

char const* simd_level_name(SimdLevel level) {
  switch (level) {
    case SimdLevel::scalar:
      return "scalar";
    case SimdLevel::avx2:
      return "avx2";
    case SimdLevel::avx512:
      return "avx512";
    case SimdLevel::neon:
      return "neon";
  }
  return "unknown";
}

}  // namespace strata::math
