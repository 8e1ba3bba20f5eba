#include "macro/spinners.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>

namespace strata::bench {
namespace {

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_utime.tv_sec) + double(usage.ru_utime.tv_usec) / 1e6;
}

TEST(Spinners, SpinAndStop) {
  double const before = processor_seconds();
  {
    Spinners spinners;
    auto const give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (processor_seconds() < before + 0.05 && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_GE(processor_seconds(), before + 0.05);
  }
  double const after = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LT(processor_seconds(), after + 0.04);
}

}  // namespace
}  // namespace strata::bench
