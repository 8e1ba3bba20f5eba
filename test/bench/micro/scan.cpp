// First-stage codes: building the table of a query, and the scan of blocks with factors, bound, comparison and
// survivors, over data that fit the second level of cache and data that do not fit any.
//
// Floors to compare with (one core at about 3 GHz with three or four 256-bit ports; look-ups alone reach 35 to 46 GB/s,
// memory 25 to 29 GB/s), ns per row in cache with AVX2 / AVX-512, then from memory: 24 bytes a row at D = 128 in 1 bit
// 0.66 / 0.52, 1.08; 384 1.37 / 1.20, 2.1; 768 2.37 / 2.24, 3.9; 960 2.9 / 2.8, 4.9; 1536 4.5 / 4.4, 7.6.
#include <algorithm>
#include <cstring>

#include "core/math/half.hpp"
#include "core/quant/scan_code.hpp"
#include "levels.hpp"

namespace strata::bench {
namespace {

using namespace quant;

void build_table(benchmark::State& state) {
  Level const level(state);
  uint32_t const n = uint32_t(state.range(1));
  Floats const w(n, -1, 1);
  Buffer const table(query_table_size(n));
  Meter const meter(state, 1, 4.0 * n);
  for (auto _ : state) {
    benchmark::DoNotOptimize(build_query_table({Metric::l2, scan_bits_of(n), n}, w.data(), table.data()));
    benchmark::ClobberMemory();
  }
}

void scan_bits(benchmark::State& state, uint32_t bits) {
  Level const level(state);
  uint32_t const n = uint32_t(state.range(1));
  ScanShape const shape{Metric::l2, bits, n};
  size_t const size = block_size(n, bits);
  uint32_t const block_count = uint32_t(size_t(state.range(2)) * 1024 / size);
  Buffer const blocks(block_count * size);
  Random random(1);
  for (uint32_t b = 0; b < block_count; ++b) {
    std::byte* factors = blocks.data() + (b + 1) * size - block_factors_size;
    for (uint32_t lane = 0; lane < block_rows; ++lane) {
      float const add = float(random.unit());
      uint16_t const rescale = math::float_to_half(-0.01f), err = math::float_to_half(0.02f);
      std::memcpy(factors + lane * 4, &add, 4);
      std::memcpy(factors + 128 + lane * 2, &rescale, 2);
      std::memcpy(factors + 192 + lane * 2, &err, 2);
    }
  }
  Buffer const memory(query_table_size(n));
  QueryTable const* table = build_query_table(shape, Floats(n, -1, 1).data(), memory.data());
  std::vector<uint32_t> rows(block_count * block_rows);
  std::vector<float> bounds(rows.size());
  // A threshold that about one row in a hundred passes.
  ScanBounds limits{1, 1.9f, __builtin_inff()};
  uint32_t const all = scan_blocks(table, blocks.data(), block_count, 0, limits, rows.data(), bounds.data());
  std::vector<float> sorted(bounds.begin(), bounds.begin() + all);
  std::nth_element(sorted.begin(), sorted.begin() + all / 100, sorted.end());
  limits.threshold = sorted[all / 100];
  Meter const meter(state, double(block_count) * block_rows, double(size) / block_rows);
  for (auto _ : state) {
    benchmark::DoNotOptimize(scan_blocks(table, blocks.data(), block_count, 0, limits, rows.data(), bounds.data()));
  }
}

void scan_1_bit(benchmark::State& state) {
  scan_bits(state, 1);
}
void scan_2_bits(benchmark::State& state) {
  scan_bits(state, 2);
}

void encode_row(benchmark::State& state) {
  Level const level(state);
  uint32_t const n = uint32_t(state.range(1));
  ScanShape const shape{Metric::l2, scan_bits_of(n), n};
  Floats const z(n, -1, 1), c(n, -0.5, 0.5);
  Buffer const block(block_size(n, shape.bits));
  uint32_t lane = 0;
  Meter const meter(state, 1, 8.0 * n);
  for (auto _ : state) {
    benchmark::DoNotOptimize(encode_scan_row(shape, z.data(), c.data(), block.data(), lane));
    lane = (lane + 1) % block_rows;
  }
}

BENCHMARK(build_table)->Apply([](auto* b) { every_level(b, {128, 384, 768, 1536}, {}); });
BENCHMARK(scan_1_bit)->Apply([](auto* b) { every_level(b, {128, 384, 768, 960, 1536}, {512, 256 * 1024}); });
BENCHMARK(scan_2_bits)->Apply([](auto* b) { every_level(b, {64, 128, 256}, {512, 256 * 1024}); });
BENCHMARK(encode_row)->Apply([](auto* b) { every_level(b, {128, 384, 768, 1536}, {}); });

}  // namespace
}  // namespace strata::bench
