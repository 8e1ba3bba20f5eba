#include "pg/stats/shared_counters.hpp"

#include "pg/stats/shared_file.hpp"

namespace strata::pg {
namespace {

constexpr uint32 slot_count = 4096;  // power of two
constexpr uint32 probe_count = 64;

// One cache line, so that sessions that count for different objects do not disturb each other.
struct Slot {
  pg_atomic_uint64 key;  // 0: free; set once
  pg_atomic_uint64 reserved;
  SharedCounters counters;
};
static_assert(sizeof(Slot) == 64);

Slot* slots = nullptr;  // the mapped file, or what this session counts for itself

void open_slots() {
  char name[64];
  snprintf(name, sizeof name, "%lld", static_cast<long long>(PgStartTime));
  slots = static_cast<Slot*>(map_shared_file("", name, slot_count * sizeof(Slot)));
  if (!slots) slots = static_cast<Slot*>(MemoryContextAllocZero(TopMemoryContext, slot_count * sizeof(Slot)));
}

}  // namespace

SharedCounters* shared_counters(CounterKind kind, Oid object) {
  static SharedCounters overflow;
  if (!slots) open_slots();
  uint64 const key = uint64(kind) << 32 | object;
  uint32 const home = hash_bytes_uint32(object + uint32(kind));
  for (uint32 i = 0; i < probe_count; ++i) {
    Slot* const slot = &slots[(home + i) & (slot_count - 1)];
    uint64 found = pg_atomic_read_u64(&slot->key);
    if (found == 0 && pg_atomic_compare_exchange_u64(&slot->key, &found, key)) return &slot->counters;
    if (found == key) return &slot->counters;
  }
  return &overflow;
}

}  // namespace strata::pg
