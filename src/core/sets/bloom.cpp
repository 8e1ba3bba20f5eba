#include "core/sets/bloom.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/base/check.hpp"
#include "core/base/random.hpp"

#include "core/base/core_only.hpp"

namespace strata::sets {
namespace {

constexpr int word_count = 8;
constexpr uint32_t salts[word_count] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                        0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};
static_assert(word_count * sizeof(uint32_t) == bloom_block_size);

// The increment keeps key 0 off mix64's fixed point.
inline uint64_t mix_key(uint64_t key) {
  return mix64(key + 0x9e3779b97f4a7c15ULL);
}

inline uint32_t block_of_hash(uint32_t block_count, uint64_t hash) {
  return static_cast<uint32_t>(((hash >> 32) * block_count) >> 32);
}

inline uint32_t bit_of(uint32_t low, int word) {
  return uint32_t{1} << ((low * salts[word]) >> 27);
}

void add_hash(void* block, uint64_t hash) {
  uint32_t words[word_count];
  std::memcpy(words, block, sizeof words);
  for (int i = 0; i < word_count; ++i) words[i] |= bit_of(static_cast<uint32_t>(hash), i);
  std::memcpy(block, words, sizeof words);
}

bool test_hash(void const* block, uint64_t hash) {
  uint32_t words[word_count];
  std::memcpy(words, block, sizeof words);
  uint32_t missing = 0;  // no branch a word: eight multiplications run side by side
  for (int i = 0; i < word_count; ++i) missing |= ~words[i] & bit_of(static_cast<uint32_t>(hash), i);
  return missing == 0;
}

}  // namespace

uint32_t bloom_block_count(uint64_t key_count, uint32_t bits_per_key) {
  STRATA_ASSERT(bits_per_key >= 1 && bits_per_key <= 64);
  constexpr uint64_t block_bits = bloom_block_size * 8;
  if (key_count >= uint64_t{bloom_block_count_max} * block_bits / bits_per_key) return bloom_block_count_max;
  uint64_t count = (key_count * bits_per_key + block_bits - 1) / block_bits;
  return count == 0 ? 1 : static_cast<uint32_t>(count);
}

uint32_t bloom_block_of(uint32_t block_count, uint64_t key) {
  return block_of_hash(block_count, mix_key(key));
}

void bloom_add_to_block(void* block, uint64_t key) {
  add_hash(block, mix_key(key));
}

bool bloom_test_block(void const* block, uint64_t key) {
  return test_hash(block, mix_key(key));
}

void bloom_add(void* blocks, uint32_t block_count, uint64_t key) {
  uint64_t hash = mix_key(key);
  add_hash(static_cast<char*>(blocks) + size_t{block_of_hash(block_count, hash)} * bloom_block_size, hash);
}

bool bloom_may_contain(void const* blocks, uint32_t block_count, uint64_t key) {
  uint64_t hash = mix_key(key);
  return test_hash(static_cast<char const*>(blocks) + size_t{block_of_hash(block_count, hash)} * bloom_block_size,
                   hash);
}

double bloom_block_false_positive_rate(void const* block) {
  uint32_t words[word_count];
  std::memcpy(words, block, sizeof words);
  double rate = 1.0;
  for (uint32_t word : words) rate *= std::popcount(word) / 32.0;
  return rate;
}

double bloom_false_positive_rate(void const* blocks, uint32_t block_count) {
  double sum = 0.0;
  for (uint32_t i = 0; i < block_count; ++i) {
    sum += bloom_block_false_positive_rate(static_cast<char const*>(blocks) + size_t{i} * bloom_block_size);
  }
  return block_count == 0 ? 1.0 : sum / block_count;
}

double bloom_expected_false_positive_rate(uint64_t key_count, uint32_t block_count) {
  if (key_count == 0) return 0.0;
  if (block_count == 0) return 1.0;
  double mean = static_cast<double>(key_count) / block_count;
  if (mean > 2000.0) return 1.0;  // every bit is set
  double reach = 12.0 * std::sqrt(mean) + 30.0;
  double sum = 0.0;
  for (double i = std::fmax(1.0, std::floor(mean - reach)); i <= mean + reach; i += 1.0) {
    double weight = std::exp(i * std::log(mean) - mean - std::lgamma(i + 1.0));
    sum += weight * std::pow(1.0 - std::pow(31.0 / 32.0, i), double{word_count});
  }
  return std::fmin(sum, 1.0);
}

}  // namespace strata::sets
