// Rotation, second-stage codes and plain distances.
//
// Floors to compare with (one core, in cache; AVX2): rotation 170 ns at D = 128, 430 at 384, 810 to 1,100 at 768;
// single precision L2 7.8 ns at 128, 38 at 768; half precision 8.3, 34; single precision query times 8-bit
// codes 7.1, 31.
#include "core/math/distance.hpp"
#include "core/quant/frame.hpp"
#include "core/quant/refine_code.hpp"
#include "levels.hpp"

namespace strata::bench {
namespace {

void rotate_row(benchmark::State& state) {
  Level const level(state);
  uint32_t const dim = uint32_t(state.range(1));
  Floats const x(dim, -1, 1);
  Floats const z(quant::padded_dim_of(dim), 0, 0);
  Meter const meter(state, 1, 4.0 * dim);
  for (auto _ : state) {
    quant::rotate(1, dim, x.data(), z.data());
    benchmark::ClobberMemory();
  }
}

void encode_refine_row(benchmark::State& state) {
  Level const level(state);
  uint32_t const n = uint32_t(state.range(1));
  Floats const z(n, -1, 1);
  Buffer const row(quant::refine_row_size(n));
  Meter const meter(state, 1, 4.0 * n);
  for (auto _ : state) {
    quant::encode_refine(n, z.data(), row.data());
    benchmark::ClobberMemory();
  }
}

// Rows one after another, over data of the given size.
void evaluate_refine_rows(benchmark::State& state) {
  Level const level(state);
  uint32_t const n = uint32_t(state.range(1));
  size_t const size = quant::refine_row_size(n);
  size_t const row_count = size_t(state.range(2)) * 1024 / size;
  Buffer const rows(row_count * size);
  Floats const z(n, -1, 1), w(n, -1, 1);
  for (size_t i = 0; i < row_count; ++i) quant::encode_refine(n, z.data(), rows.data() + i * size);
  quant::RefineQuery const query = quant::refine_query(Metric::l2, n, w.data());
  Meter const meter(state, double(row_count), double(size));
  for (auto _ : state) {
    for (size_t i = 0; i < row_count; ++i) {
      benchmark::DoNotOptimize(quant::evaluate_refine(query, rows.data() + i * size));
    }
  }
}

// Survivors lie scattered: rows in random order over data beyond the caches, each prefetched eight rows ahead.
void evaluate_refine_scattered(benchmark::State& state) {
  Level const level(state);
  uint32_t const n = uint32_t(state.range(1));
  size_t const size = quant::refine_row_size(n);
  size_t const row_count = size_t(state.range(2)) * 1024 / size;
  Buffer const rows(row_count * size);
  Floats const z(n, -1, 1), w(n, -1, 1);
  for (size_t i = 0; i < row_count; ++i) quant::encode_refine(n, z.data(), rows.data() + i * size);
  quant::RefineQuery const query = quant::refine_query(Metric::l2, n, w.data());
  constexpr size_t batch = 256, ahead = 8;
  Random random(1);
  size_t order[batch + ahead];
  Meter const meter(state, double(batch), double(size));
  for (auto _ : state) {
    for (size_t& row : order) row = random.below(row_count);
    for (size_t i = 0; i < ahead; ++i) quant::prefetch_refine_row(n, rows.data() + order[i] * size);
    for (size_t i = 0; i < batch; ++i) {
      quant::prefetch_refine_row(n, rows.data() + order[i + ahead] * size);
      benchmark::DoNotOptimize(quant::evaluate_refine(query, rows.data() + order[i] * size));
    }
  }
}

template <float (*distance)(uint32_t, void const*, void const*), size_t element_size>
void distance_rows(benchmark::State& state) {
  Level const level(state);
  uint32_t const dim = uint32_t(state.range(1));
  size_t const size = dim * element_size, row_count = size_t(state.range(2)) * 1024 / size;
  Buffer const query(size), rows(row_count * size);
  // The same values everywhere: random bytes would be NaN and denormal numbers.
  for (size_t i = 0; i < row_count * size / 2; ++i) reinterpret_cast<uint16_t*>(rows.data())[i] = 0x3c00;
  for (size_t i = 0; i < size / 2; ++i) reinterpret_cast<uint16_t*>(query.data())[i] = 0x3d00;
  Meter const meter(state, double(row_count), double(size));
  for (auto _ : state) {
    for (size_t i = 0; i < row_count; ++i) {
      benchmark::DoNotOptimize(distance(dim, query.data(), rows.data() + i * size));
    }
  }
}

void l2_single(benchmark::State& state) {
  distance_rows<math::l2_squared, 4>(state);
}
void l2_half(benchmark::State& state) {
  distance_rows<math::l2_squared_half, 2>(state);
}
void inner_product_single(benchmark::State& state) {
  distance_rows<math::inner_product, 4>(state);
}

BENCHMARK(rotate_row)->Apply([](auto* b) { every_level(b, {128, 384, 768, 960, 1536, 3072}, {}); });
BENCHMARK(encode_refine_row)->Apply([](auto* b) { every_level(b, {128, 384, 768, 1536}, {}); });
BENCHMARK(evaluate_refine_rows)->Apply([](auto* b) { every_level(b, {128, 768}, {512, 256 * 1024}); });
BENCHMARK(evaluate_refine_scattered)->Apply([](auto* b) { every_level(b, {128, 768}, {256 * 1024}); });
BENCHMARK(l2_single)->Apply([](auto* b) { every_level(b, {128, 768}, {512, 256 * 1024}); });
BENCHMARK(l2_half)->Apply([](auto* b) { every_level(b, {128, 768}, {512, 256 * 1024}); });
BENCHMARK(inner_product_single)->Apply([](auto* b) { every_level(b, {128, 768}, {512}); });

}  // namespace
}  // namespace strata::bench
