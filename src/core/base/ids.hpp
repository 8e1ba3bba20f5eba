// Strong names for the integers that cross rooms.
#pragma once
#include <compare>
#include <cstdint>

namespace strata {

enum class BlockNo : uint32_t { none = 0xFFFFFFFF };  // a page of the index relation
enum class ObjectId : uint32_t { none = 0 };          // a segment, epoch or frame; never reused within an index

constexpr uint32_t raw(BlockNo block) {
  return static_cast<uint32_t>(block);
}
constexpr uint32_t raw(ObjectId id) {
  return static_cast<uint32_t>(id);
}

// A heap row version: block << 16 | offset, the order of the heap.
struct Tid {
  uint64_t key = 0;
  constexpr uint32_t block() const { return static_cast<uint32_t>(key >> 16); }
  constexpr uint16_t offset() const { return static_cast<uint16_t>(key); }
  static constexpr Tid of(uint32_t block, uint16_t offset) { return {uint64_t(block) << 16 | offset}; }
  friend constexpr auto operator<=>(Tid const&, Tid const&) = default;
};

}  // namespace strata
