#include "macro/spinners.hpp"

#include <pthread.h>
#include <sched.h>

#include <future>

#include "macro/failure.hpp"

namespace strata::bench {
namespace {

bool become_idle_work(int processor) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  sched_param const none{};
  return pthread_setaffinity_np(pthread_self(), sizeof only, &only) == 0 &&
         pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) == 0;
}

}  // namespace

Spinners::Spinners() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) throw Failure("cannot tell which processors there are");
  bool good = true;
  for (int processor = 0; processor < CPU_SETSIZE; processor++) {
    if (!CPU_ISSET(processor, &usable)) continue;
    std::promise<bool> ready;
    std::future<bool> is_ready = ready.get_future();
    threads_.emplace_back([this, processor, &ready] {
      bool const is_idle_work = become_idle_work(processor);
      ready.set_value(is_idle_work);
      while (is_idle_work && !done_.load(std::memory_order_relaxed)) {
      }
    });
    good = is_ready.get() && good;
  }
  if (good) return;
  stop();
  throw Failure("cannot keep processors awake: threads of the lowest priority (SCHED_IDLE) are refused");
}

Spinners::~Spinners() {
  stop();
}

void Spinners::stop() {
  done_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace strata::bench
