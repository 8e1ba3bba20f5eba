// The outermost part of a program of the benchmark.
#pragma once
#include <cstdio>
#include <cstring>
#include <exception>

namespace strata::bench {

// Whether one of the arguments asks for help.
inline bool asks_for_help(int count, char** arguments) {
  for (int i = 1; i < count; ++i)
    if (std::strcmp(arguments[i], "--help") == 0 || std::strcmp(arguments[i], "-h") == 0) return true;
  return false;
}

// The exit status of the program `name`: that of run(), or 1 after an error, which is printed.
template <class Run>
int run_program(char const* name, Run&& run) {
  try {
    return run();
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return 1;
  }
}

}  // namespace strata::bench
