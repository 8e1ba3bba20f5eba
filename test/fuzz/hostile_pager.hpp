// The simulated pager with the bounds that an honest reader of a small file keeps: memory in proportion to the file, an
// end, no growth of the file out of all proportion. What the server would answer with an error of its own, a disk that
// is full, is the exception Refused here.
#pragma once
#include "sim/sim_pager.hpp"
#include "store/pager.hpp"

namespace strata::fuzz {

struct Refused {};

class HostilePager : public sim::SimPager {
 public:
  static constexpr size_t allocation_max = size_t{64} << 20;
  static constexpr uint64_t read_count_max = 3000000;
  static constexpr uint32_t growth_max = 4096;  // blocks

  void* allocate(size_t size) {
    if (size > allocation_max) sim::fail("a small index made its reader ask for a huge piece of memory");
    return SimPager::allocate(size);
  }
  void extend_to(uint32_t count) {
    uint32_t const known = count & format::cold_bit ? uint32_t(cold_pages.size()) : block_count();
    if ((count & ~format::cold_bit) > known + growth_max) throw Refused{};
    SimPager::extend_to(count);
  }
  // As in the server: a companion that is shorter than the manifest says is an error.
  void use_companion(uint32_t name, uint32_t block_count) {
    if (block_count > cold_pages.size()) throw Refused{};
    SimPager::use_companion(name, block_count);
  }
  template <class Fn>
  auto read_unlocked(BlockNo block, Fn&& fn) {
    return read(block, fn);
  }
  template <class Fn>
  auto read(BlockNo block, Fn&& fn) {
    if (++read_count_ > read_count_max) sim::fail("reading a small index does not end");
    return SimPager::read(block, fn);
  }

 private:
  uint64_t read_count_ = 0;
};

static_assert(store::Pager<HostilePager>);

}  // namespace strata::fuzz
