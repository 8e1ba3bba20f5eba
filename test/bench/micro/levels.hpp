// Micro benchmarks run every kernel at every instruction set level of the machine, and print ns per row and GB/s of
// what the kernel reads.
#pragma once
#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/math/simd.hpp"

namespace strata::bench {

// Memory aligned to a page, filled with random bytes.
class Buffer {
 public:
  explicit Buffer(size_t size) : size_((size + 4095) / 4096 * 4096), bytes_(std::aligned_alloc(4096, size_)) {
    Random random(size);
    for (size_t i = 0; i < size_ / 8; ++i) static_cast<uint64_t*>(bytes_)[i] = random.next();
  }
  ~Buffer() { std::free(bytes_); }
  Buffer(Buffer const&) = delete;
  Buffer& operator=(Buffer const&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(bytes_); }

 private:
  size_t size_;
  void* bytes_;
};

// Floats aligned to a cache line, as a caller should keep its queries.
class Floats {
 public:
  Floats(size_t count, double low, double high) : buffer_(count * sizeof(float)) {
    Random random(count);
    for (size_t i = 0; i < count; ++i) data()[i] = float(low + (high - low) * random.unit());
  }
  float* data() const { return reinterpret_cast<float*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

// Sets the level of the first argument for the time of one benchmark.
class Level {
 public:
  explicit Level(benchmark::State& state) : saved_(math::simd_level()) {
    math::set_simd_level(math::SimdLevel(state.range(0)));
    state.SetLabel(math::simd_level_name(math::simd_level()));
  }
  ~Level() { math::set_simd_level(saved_); }

 private:
  math::SimdLevel saved_;
};

// Made just before the loop of a benchmark; reports what the thread's CPU time was when it goes.
class Meter {
 public:
  Meter(benchmark::State& state, double rows_per_iteration, double bytes_per_row)
      : state_(state), rows_(rows_per_iteration), bytes_(bytes_per_row), start_ns_(cpu_ns()) {}
  ~Meter() {
    double const ns_per_row = (cpu_ns() - start_ns_) / (rows_ * double(state_.iterations()));
    state_.counters["ns/row"] = ns_per_row;
    state_.counters["GB/s"] = bytes_ / ns_per_row;
  }

 private:
  static double cpu_ns() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
  }

  benchmark::State& state_;
  double rows_, bytes_, start_ns_;
};

// Arguments: level, dimensions[, KiB of data to run over].
inline void every_level(benchmark::internal::Benchmark* b, std::vector<int64_t> const& dims,
                        std::vector<int64_t> const& sizes) {
  math::SimdLevel const saved = math::simd_level();
  b->ArgNames(sizes.empty() ? std::vector<std::string>{"level", "D"} : std::vector<std::string>{"level", "D", "KiB"});
  for (int level = 0; level < 4; ++level) {
    if (!math::set_simd_level(math::SimdLevel(level))) continue;
    for (int64_t dim : dims) {
      if (sizes.empty()) b->Args({level, dim});
      for (int64_t size : sizes) b->Args({level, dim, size});
    }
  }
  math::set_simd_level(saved);
}

}  // namespace strata::bench
