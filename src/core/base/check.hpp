// STRATA_ASSERT: our own bugs; active unless NDEBUG. Never used on bytes that come from disk or from a user: those are
// validated and answered with a Status.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace strata {
[[noreturn]] inline void assert_failed(char const* expression, char const* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}
}  // namespace strata

#ifdef NDEBUG
#define STRATA_ASSERT(expression) ((void)0)
#else
#define STRATA_ASSERT(expression) ((expression) ? (void)0 : ::strata::assert_failed(#expression, __FILE__, __LINE__))
#endif
