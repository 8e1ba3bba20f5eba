#include "soak/population.hpp"

#include <cstring>

#include "macro/failure.hpp"

namespace strata::bench {

void Population::put(int64_t id, float const* row, double place) {
  std::lock_guard guard(lock_);
  auto const [entry, is_new] = slots_.try_emplace(id, rows_.rows());
  if (is_new) {
    if (rows_.rows() == rows_.capacity()) rows_.reserve(rows_.rows() + rows_.rows() / 8 + 1024);
    rows_.resize(rows_.rows() + 1);
    ids_.push_back(id);
    places_.push_back(place);
  }
  std::memcpy(rows_.row(entry->second), row, rows_.dim() * sizeof(float));
  places_[entry->second] = place;
}

void Population::remove(int64_t id) {
  std::lock_guard guard(lock_);
  auto const entry = slots_.find(id);
  if (entry == slots_.end()) throw Failure("row ", id, " was removed twice");
  uint64_t const slot = entry->second, last = rows_.rows() - 1;
  slots_.erase(entry);
  if (slot != last) {
    std::memcpy(rows_.row(slot), rows_.row(last), rows_.dim() * sizeof(float));
    ids_[slot] = ids_[last];
    places_[slot] = places_[last];
    slots_[ids_[slot]] = slot;
  }
  ids_.pop_back();
  places_.pop_back();
  rows_.resize(last);
}

uint64_t Population::count() const {
  std::lock_guard guard(lock_);
  return rows_.rows();
}

int64_t Population::slot_of(int64_t id) const {
  auto const entry = slots_.find(id);
  return entry == slots_.end() ? -1 : int64_t(entry->second);
}

void Gate::enter() {
  std::unique_lock guard(lock_);
  changed_.wait(guard, [&] { return !closed_; });
  ++inside_;
}

void Gate::leave() {
  std::lock_guard guard(lock_);
  --inside_;
  changed_.notify_all();
}

void Gate::close() {
  std::unique_lock guard(lock_);
  closed_ = true;
  changed_.wait(guard, [&] { return inside_ == 0; });
}

void Gate::open() {
  std::lock_guard guard(lock_);
  closed_ = false;
  changed_.notify_all();
}

}  // namespace strata::bench
