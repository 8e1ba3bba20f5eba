// Assignment of rows to 1,024 centroids, once and twice, and a whole training. Reports GFlop/s (two operations a
// product) beside ns per row; the peak of a core is 64 a cycle with two 512-bit FMA units, 32 with one or with AVX2.
#include "core/cluster/assign.hpp"
#include "core/cluster/kmeans.hpp"
#include "levels.hpp"

namespace strata::bench {
namespace {

constexpr uint32_t list_count = 1024;

struct Setup {
  explicit Setup(uint32_t dim, size_t rows)
      : row_count(rows),
        centroids(size_t{list_count} * dim, -1, 1),
        rows(rows * dim, -1, 1),
        panels(cluster::centroid_set_size(dim, list_count)),
        scratch(cluster::assign_scratch_size(dim, list_count)),
        lists(rows),
        seconds(rows),
        distances2(rows),
        set(cluster::prepare_centroids(dim, centroids.data(), list_count, panels.data())) {}
  size_t row_count;
  Floats const centroids, rows;
  Buffer const panels, scratch;
  std::vector<uint32_t> lists, seconds;
  std::vector<float> distances2;
  cluster::CentroidSet set;
};

void flops(benchmark::State& state, double per_row) {
  state.counters["GFlop/s"] = per_row / state.counters["ns/row"];
}

void assign_nearest(benchmark::State& state) {
  Level const level(state);
  uint32_t const dim = uint32_t(state.range(1));
  Setup s(dim, 4096);
  {
    Meter const meter(state, double(s.row_count), 4.0 * dim);
    for (auto _ : state) {
      cluster::assign_nearest(s.set, s.rows.data(), s.row_count, s.lists.data(), s.distances2.data(), s.scratch.data());
      benchmark::ClobberMemory();
    }
  }
  flops(state, 2.0 * dim * list_count);
}

void assign_two(benchmark::State& state) {
  Level const level(state);
  uint32_t const dim = uint32_t(state.range(1));
  Setup s(dim, 4096);
  {
    Meter const meter(state, double(s.row_count), 4.0 * dim);
    for (auto _ : state) {
      cluster::assign_two(s.set, s.rows.data(), s.row_count, cluster::soar_lambda, s.lists.data(), nullptr,
                          s.seconds.data(), nullptr, s.scratch.data());
      benchmark::ClobberMemory();
    }
  }
  flops(state, 4.0 * dim * list_count);
}

// 100,000 rows, ten steps; the time of an iteration is that of the whole training.
void train(benchmark::State& state) {
  Level const level(state);
  uint32_t const dim = uint32_t(state.range(1));
  constexpr size_t row_count = 100000;
  Floats const rows(row_count * dim, -1, 1);
  std::vector<float> centroids(size_t{list_count} * dim);
  Meter const meter(state, double(row_count), 4.0 * dim);
  for (auto _ : state) {
    cluster::TrainResult result;
    Status const status = cluster::train_centroids(cluster::float_rows(dim, rows.data(), row_count),
                                                   {.list_count = list_count}, centroids.data(), result);
    if (!status.ok()) state.SkipWithError(status.message);
  }
}

void dims(benchmark::internal::Benchmark* b) {
  every_level(b, {128, 768}, {});
}
void dim_128(benchmark::internal::Benchmark* b) {
  every_level(b, {128}, {});
}

BENCHMARK(assign_nearest)->Apply(dims);
BENCHMARK(assign_two)->Apply(dims);
BENCHMARK(train)->Apply(dim_128)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace strata::bench
