// A growable array of trivial items in the pager's memory. Trivially destructible: it may be jumped over.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace strata::store {

template <class T>
struct Array {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
  T* items = nullptr;
  uint32_t count = 0;
  uint32_t capacity = 0;

  T& operator[](uint32_t i) { return items[i]; }
  T const& operator[](uint32_t i) const { return items[i]; }
  T* begin() { return items; }
  T* end() { return items + count; }
  T const* begin() const { return items; }
  T const* end() const { return items + count; }

  template <class P>
  void reserve(P& pager, uint32_t wanted) {
    if (wanted <= capacity) return;
    uint32_t grown = capacity < 8 ? 8 : capacity * 2;
    if (grown < wanted) grown = wanted;
    T* fresh = static_cast<T*>(pager.allocate(size_t(grown) * sizeof(T)));
    if (count) std::memcpy(static_cast<void*>(fresh), items, size_t(count) * sizeof(T));
    if (items) pager.release(items);
    items = fresh;
    capacity = grown;
  }
  template <class P>
  T& push(P& pager, T const& value) {
    reserve(pager, count + 1);
    items[count] = value;
    return items[count++];
  }
  void remove(uint32_t at) {
    std::memmove(static_cast<void*>(items + at), items + at + 1, size_t(count - at - 1) * sizeof(T));
    count--;
  }
  template <class P>
  void insert(P& pager, uint32_t at, T const& value) {
    reserve(pager, count + 1);
    std::memmove(static_cast<void*>(items + at + 1), items + at, size_t(count - at) * sizeof(T));
    items[at] = value;
    count++;
  }
};

}  // namespace strata::store
