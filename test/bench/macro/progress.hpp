// Lines on standard error that tell what is being done; results go to standard output.
#pragma once
#include <chrono>
#include <iostream>

#include "macro/failure.hpp"
#include "macro/results.hpp"

namespace strata::bench {

template <class... Parts>
void progress(Parts const&... parts) {
  std::cerr << "# " << concat(parts...) << std::endl;
}

void progress_point(std::string const& engine, SearchPoint const& point);

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace strata::bench
