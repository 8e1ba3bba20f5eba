// Expected failures of core and store, as values. Trivially destructible, so that it may be alive across a jump.
#pragma once
#include <cstdint>
#include <type_traits>

namespace strata {

enum class Code : uint8_t {
  ok = 0,
  corrupt = 1,        // bytes on a page break an invariant: ERRCODE_INDEX_CORRUPTED
  invalid = 2,        // the caller's input breaks a documented rule: ERRCODE_DATA_EXCEPTION
  limit = 3,          // a limit of limits.hpp: ERRCODE_PROGRAM_LIMIT_EXCEEDED
  out_of_memory = 4,  // ERRCODE_OUT_OF_MEMORY
  interrupted = 5,    // the caller's stop callback said stop; the caller raises its own error
  recycled = 6,       // a page belongs to another owner than expected: 40001 on a standby, else corrupt
};

// `message` points to a string literal; `detail` is a number that helps to find the place (a block, a row), or 0.
struct Status {
  Code code = Code::ok;
  char const* message = nullptr;
  uint64_t detail = 0;
  constexpr bool ok() const { return code == Code::ok; }
};
static_assert(std::is_trivially_destructible_v<Status>);

constexpr Status corrupt(char const* message, uint64_t detail = 0) {
  return {Code::corrupt, message, detail};
}
constexpr Status invalid(char const* message, uint64_t detail = 0) {
  return {Code::invalid, message, detail};
}

}  // namespace strata
