// A set of rows of a search's sources, for those that lie in two lists: open addressing, grown by doubling.
#pragma once
#include "core/base/random.hpp"
#include "store/array.hpp"

namespace strata::store {

// All zeros: empty. The memory is the pager's.
struct RowSet {
  uint64_t* slots;  // capacity of them; 0: free
  uint32_t capacity;
  uint32_t count;
};

namespace detail {

// Returns false when `key` was there already. Requires a free slot.
inline bool put_key(RowSet& set, uint64_t key) {
  uint32_t const mask = set.capacity - 1;
  uint32_t at = uint32_t(mix64(key)) & mask;
  for (; set.slots[at] != 0; at = (at + 1) & mask)
    if (set.slots[at] == key) return false;
  set.slots[at] = key;
  set.count++;
  return true;
}

}  // namespace detail

// Returns whether the row was not in the set.
template <Pager P>
bool add_row(P& pager, RowSet& set, uint32_t source, uint32_t row) {
  if (set.count * 2 >= set.capacity) {
    RowSet larger{};
    larger.capacity = set.capacity ? set.capacity * 2 : 1024;
    size_t const size = size_t(larger.capacity) * sizeof(uint64_t);
    larger.slots = static_cast<uint64_t*>(pager.allocate(size));
    std::memset(larger.slots, 0, size);
    for (uint32_t i = 0; i < set.capacity; i++)
      if (set.slots[i] != 0) detail::put_key(larger, set.slots[i]);
    if (set.slots) pager.release(set.slots);
    set = larger;
  }
  return detail::put_key(set, (uint64_t(source) + 1) << 32 | row);
}

}  // namespace strata::store
