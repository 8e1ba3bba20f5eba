// Bloom filters of 12 bits a key, in the second level of cache, in the third and in memory, and the bitmap helpers.
#include "core/sets/bitmap.hpp"
#include "core/sets/bloom.hpp"
#include "levels.hpp"

namespace strata::bench {
namespace {

constexpr uint32_t batch = 4096;

// Argument: keys in the filter.
struct Filter {
  explicit Filter(uint64_t keys)
      : key_count(keys),
        block_count(sets::bloom_block_count(keys)),
        bytes(size_t{block_count} * sets::bloom_block_size) {
    for (uint64_t key = 0; key < key_count; ++key) sets::bloom_add(bytes.data(), block_count, key);
  }
  uint64_t key_count;
  uint32_t block_count;
  std::vector<unsigned char> bytes;
};

void bloom_add(benchmark::State& state) {
  Filter filter(uint64_t(state.range(0)));
  uint64_t key = filter.key_count;
  Meter const meter(state, batch, sets::bloom_block_size);
  for (auto _ : state) {
    for (uint32_t i = 0; i < batch; ++i) sets::bloom_add(filter.bytes.data(), filter.block_count, ++key);
    benchmark::ClobberMemory();
  }
}

void bloom_miss(benchmark::State& state) {
  Filter filter(uint64_t(state.range(0)));
  uint64_t key = filter.key_count;
  Meter const meter(state, batch, sets::bloom_block_size);
  for (auto _ : state) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch; ++i) {
      count += sets::bloom_may_contain(filter.bytes.data(), filter.block_count, ++key);
    }
    benchmark::DoNotOptimize(count);
  }
}

void bloom_hit(benchmark::State& state) {
  Filter filter(uint64_t(state.range(0)));
  uint64_t key = 0;
  Meter const meter(state, batch, sets::bloom_block_size);
  for (auto _ : state) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch; ++i) {
      key = (key + 7919) % filter.key_count;
      count += sets::bloom_may_contain(filter.bytes.data(), filter.block_count, key);
    }
    benchmark::DoNotOptimize(count);
  }
}

void bitmap_count(benchmark::State& state) {
  constexpr size_t bit_count = 1000000;
  Buffer const bits(sets::bitmap_size(bit_count));
  Meter const meter(state, bit_count, 0.125);
  for (auto _ : state) benchmark::DoNotOptimize(sets::bitmap_count(bits.data(), 0, bit_count));
}

// One bit in a hundred is set.
void bitmap_walk(benchmark::State& state) {
  constexpr size_t bit_count = 1000000;
  std::vector<unsigned char> bits(sets::bitmap_size(bit_count));
  Random random(1);
  for (size_t i = 0; i < bit_count / 100; ++i) sets::bitmap_set(bits.data(), random.below(bit_count));
  Meter const meter(state, bit_count, 0.125);
  for (auto _ : state) {
    size_t sum = 0;
    sets::bitmap_for_each_set(bits.data(), 0, bit_count, [&](size_t i) { sum += i; });
    benchmark::DoNotOptimize(sum);
  }
}

void bitmap_test(benchmark::State& state) {
  constexpr size_t bit_count = 1000000;
  Buffer const bits(sets::bitmap_size(bit_count));
  Random random(2);
  std::vector<uint32_t> indexes(batch);
  for (uint32_t& i : indexes) i = uint32_t(random.below(bit_count));
  Meter const meter(state, batch, 1);
  for (auto _ : state) {
    uint32_t count = 0;
    for (uint32_t i : indexes) count += sets::bitmap_test(bits.data(), i);
    benchmark::DoNotOptimize(count);
  }
}

BENCHMARK(bloom_add)->Arg(100000)->Arg(1000000)->Arg(50000000);
BENCHMARK(bloom_miss)->Arg(100000)->Arg(1000000)->Arg(50000000);
BENCHMARK(bloom_hit)->Arg(100000)->Arg(1000000)->Arg(50000000);
BENCHMARK(bitmap_count);
BENCHMARK(bitmap_walk);
BENCHMARK(bitmap_test);

}  // namespace
}  // namespace strata::bench
