// What the table holds, kept beside it, so that exact neighbours cost the server nothing.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "macro/matrix.hpp"

namespace strata::bench {

// Live rows in slots 0 to count() - 1; a removed row's slot goes to the last one. Any thread may change it; rows() and
// what follows from it only while the writers' gate is closed.
class Population {
 public:
  Population(uint64_t capacity, uint32_t dim) : rows_(0, dim) { rows_.reserve(capacity); }

  void put(int64_t id, float const* row, double place);  // a new row, or the new content of one
  void remove(int64_t id);
  uint64_t count() const;

  Matrix const& rows() const { return rows_; }
  double place(uint64_t slot) const { return places_[slot]; }  // of the distribution it was drawn from
  int64_t slot_of(int64_t id) const;                           // -1: no such row

 private:
  mutable std::mutex lock_;
  Matrix rows_;
  std::vector<int64_t> ids_;
  std::vector<double> places_;
  std::unordered_map<int64_t, uint64_t> slots_;
};

// Writers pass it for each transaction; a check of recall closes it, so that table and Population agree meanwhile.
class Gate {
 public:
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate) { gate_.enter(); }
    ~Pass() { gate_.leave(); }
    Pass(Pass const&) = delete;
    Pass& operator=(Pass const&) = delete;

   private:
    Gate& gate_;
  };
  class Closed {
   public:
    explicit Closed(Gate& gate) : gate_(gate) { gate_.close(); }
    ~Closed() { gate_.open(); }
    Closed(Closed const&) = delete;
    Closed& operator=(Closed const&) = delete;

   private:
    Gate& gate_;
  };

 private:
  void enter();
  void leave();
  void close();
  void open();

  std::mutex lock_;
  std::condition_variable changed_;
  uint32_t inside_ = 0;
  bool closed_ = false;
};

}  // namespace strata::bench
