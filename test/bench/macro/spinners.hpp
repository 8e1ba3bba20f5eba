// Processors that never sleep. On an idle machine, above all a virtual one, each message between client and server
// first wakes a processor up, which takes longer than a short search.
#pragma once
#include <atomic>
#include <thread>
#include <vector>

namespace strata::bench {

// From construction to destruction a thread spins on every processor that this process may use, at a priority
// (SCHED_IDLE) at which all other work goes before it. Throws Failure where there is no such priority.
class Spinners {
 public:
  Spinners();
  ~Spinners();
  Spinners(Spinners const&) = delete;
  Spinners& operator=(Spinners const&) = delete;

 private:
  void stop();

  std::atomic<bool> done_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace strata::bench
