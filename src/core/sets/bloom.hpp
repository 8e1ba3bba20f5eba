// Split-block bloom filter: blocks of 32 bytes, one block a key, eight bits a key, so that a test costs one cache line
// and one page access. Block and bit choice are those of Apache Parquet ("Parquet Bloom Filter", parquet-format): block
// = (high 32 bits * block_count) >> 32, bit of word i = (low 32 bits * salt_i) >> 27. After Putze, Sanders and Singler,
// "Cache-, Hash- and Space-Efficient Bloom Filters", WEA 2007.
//
// A key is any 64-bit value. It is mixed here before use, so TIDs, sequence numbers and weak hashes serve as they are;
// the mixing is part of the on-disk format. A filter starts as zero bytes; adding a key twice is harmless; keys cannot
// be removed. Blocks need no alignment. There are no false negatives, whatever the fill, as long as block_count stays
// the same.
//
// A filter is built and read block by block: `bloom_block_of` says which block (and so which page) a key belongs to,
// `bloom_add_to_block` and `bloom_test_block` work on that block alone.
#pragma once
#include <cstddef>
#include <cstdint>

namespace strata::sets {

constexpr size_t bloom_block_size = 32;      // bytes
constexpr uint32_t bloom_bits_per_key = 12;  // default: 0.55 % false positives; 8 gives 3.3 %, 16 gives 0.13 %
constexpr uint32_t bloom_block_count_max = uint32_t{1} << 27;  // 4 GB

// Blocks for `key_count` keys at `bits_per_key` (1..64) bits each: at least 1, at most bloom_block_count_max.
uint32_t bloom_block_count(uint64_t key_count, uint32_t bits_per_key = bloom_bits_per_key);

// The block of `key`, in [0, block_count). Requires block_count > 0.
uint32_t bloom_block_of(uint32_t block_count, uint64_t key);

// `block` points to the 32 bytes of the key's block.
void bloom_add_to_block(void* block, uint64_t key);
bool bloom_test_block(void const* block, uint64_t key);

// The same on a whole filter of block_count * bloom_block_size bytes.
void bloom_add(void* blocks, uint32_t block_count, uint64_t key);
bool bloom_may_contain(void const* blocks, uint32_t block_count, uint64_t key);

// The probability that a key that was never added tests positive, from the bits that are set. Of one block: the product
// of its words' fills. Of a filter: the mean over its blocks, which a caller that reads page by page can form on its
// own.
double bloom_block_false_positive_rate(void const* block);
double bloom_false_positive_rate(void const* blocks, uint32_t block_count);

// The same foretold from the number of distinct keys: a block's load is Poisson with mean key_count / block_count, and
// a word that took i keys passes with probability 1 - (31/32)^i.
double bloom_expected_false_positive_rate(uint64_t key_count, uint32_t block_count);

}  // namespace strata::sets
