// A bar on standard error that is drawn at most ten times a second, and only on a terminal.
#pragma once
#include <chrono>
#include <cstdint>

namespace strata::client {

class Progress {
 public:
  // `total` of 0: not known.
  Progress(bool enabled, uint64_t total, uint64_t already);
  ~Progress() { clear(); }
  void show(uint64_t rows);
  void clear();

 private:
  bool enabled_;
  bool drawn_ = false;
  uint64_t total_, already_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace strata::client
