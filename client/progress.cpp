#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace strata::client {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

Progress::Progress(bool enabled, uint64_t total, uint64_t already)
    : enabled_(enabled && isatty(STDERR_FILENO) == 1), total_(total), already_(already), start_(Clock::now()) {}

void Progress::show(uint64_t rows) {
  if (!enabled_) return;
  Clock::time_point const now = Clock::now();
  if (drawn_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  double const seconds = std::max(Seconds(now - start_).count(), 1e-3);
  double const speed = static_cast<double>(rows - std::min(rows, already_)) / seconds;
  auto const count = static_cast<unsigned long long>(rows);
  if (total_ == 0) {
    std::fprintf(stderr, "\r\033[K%llu rows, %.0f rows/s", count, speed);
    return;
  }
  constexpr int width = 40;
  double const share = std::min(1.0, static_cast<double>(rows) / static_cast<double>(total_));
  std::string bar(static_cast<size_t>(share * width), '#');
  bar.resize(width, ' ');
  double const left = speed > 0 ? static_cast<double>(total_ - std::min(rows, total_)) / speed : 0;
  std::fprintf(stderr, "\r\033[K[%s] %3.0f %%, %llu rows, %.0f rows/s, %.0f s left", bar.c_str(), 100 * share, count,
               speed, left);
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

}  // namespace strata::client
