#include "pg/stats/access_counters.hpp"

#include "pg/compat.hpp"
#include "pg/stats/shared_file.hpp"

namespace strata::pg {

struct AccessSlot {
  pg_atomic_uint64 key;  // OID of the index (32 bits), number of its file; 0: free
  pg_atomic_uint64 taken_at;
  pg_atomic_uint64 halved_at;
  pg_atomic_uint32 shift;
  pg_atomic_uint32 is_widening;
  pg_atomic_uint64 asked_at;
  uint64 reserved[3];
  pg_atomic_uint32 ranges[access_range_count];
  struct Segment {
    pg_atomic_uint32 id;  // 0: free
    pg_atomic_uint32 count;
  } segments[access_segments_max];
};
static_assert(sizeof(AccessSlot) == 2048);

namespace {

constexpr char const* layout_name = "1";
constexpr uint32 slot_count = 512;
constexpr uint32 slot_probe_count = 16;
constexpr uint32 segment_probe_count = 8;

AccessSlot* slots = nullptr;

uint64 key_of(Relation index) {
  return uint64(RelationGetRelid(index)) << 32 | file_of(index).number;
}

void open_slots() {
  constexpr size_t size = slot_count * sizeof(AccessSlot);
  slots = static_cast<AccessSlot*>(map_shared_file("access_", layout_name, size));
  if (!slots) slots = static_cast<AccessSlot*>(MemoryContextAllocZero(TopMemoryContext, size));
}

void clear_counts(AccessSlot* slot) {
  for (pg_atomic_uint32& range : slot->ranges) pg_atomic_write_u32(&range, 0);
  pg_atomic_write_u32(&slot->shift, 0);
  for (AccessSlot::Segment& segment : slot->segments) {
    pg_atomic_write_u32(&segment.id, 0);
    pg_atomic_write_u32(&segment.count, 0);
  }
}

AccessSlot* claim(AccessSlot* slot, uint64 found, uint64 key) {
  if (!pg_atomic_compare_exchange_u64(&slot->key, &found, key)) return found == key ? slot : nullptr;
  clear_counts(slot);
  pg_atomic_write_u64(&slot->taken_at, uint64(GetCurrentTimestamp()));
  pg_atomic_write_u64(&slot->halved_at, uint64(GetCurrentTimestamp()));
  pg_atomic_write_u64(&slot->asked_at, 0);
  return slot;
}

AccessSlot::Segment* segment_of(AccessSlot* slot, ObjectId id, bool make) {
  for (uint32 i = 0; i < segment_probe_count; i++) {
    AccessSlot::Segment* const segment = &slot->segments[(raw(id) + i) % access_segments_max];
    uint32 found = pg_atomic_read_u32(&segment->id);
    if (found == raw(id)) return segment;
    if (found == 0 && make && (pg_atomic_compare_exchange_u32(&segment->id, &found, raw(id)) || found == raw(id)))
      return segment;
  }
  return nullptr;
}

// Ranges of twice as many blocks.
void widen(AccessSlot* slot, uint32 shift) {
  uint32 idle = 0;
  if (!pg_atomic_compare_exchange_u32(&slot->is_widening, &idle, 1)) return;
  if (pg_atomic_read_u32(&slot->shift) == shift) {
    for (uint32 i = 0; i < access_range_count; i++) {
      uint32 const first = 2 * i < access_range_count ? pg_atomic_read_u32(&slot->ranges[2 * i]) : 0;
      uint32 const second = 2 * i < access_range_count ? pg_atomic_read_u32(&slot->ranges[2 * i + 1]) : 0;
      pg_atomic_write_u32(&slot->ranges[i], first + second);
    }
    pg_atomic_write_u32(&slot->shift, shift + 1);
  }
  pg_atomic_write_u32(&slot->is_widening, 0);
}

bool is_turn(pg_atomic_uint64* last_at, TimestampTz now, int64 interval_us) {
  uint64 last = pg_atomic_read_u64(last_at);
  return now - TimestampTz(last) >= interval_us && pg_atomic_compare_exchange_u64(last_at, &last, uint64(now));
}

}  // namespace

AccessSlot* access_slot(Relation index, bool make) {
  if (!slots) open_slots();
  uint64 const key = key_of(index);
  uint32 const home = hash_bytes_uint32(RelationGetRelid(index));
  AccessSlot* oldest = nullptr;
  for (uint32 i = 0; i < slot_probe_count; i++) {
    AccessSlot* const slot = &slots[(home + i) % slot_count];
    uint64 const found = pg_atomic_read_u64(&slot->key);
    if (found == key) return slot;
    // An earlier file of the same index has nothing to say any more.
    bool const free = found == 0 || found >> 32 == key >> 32;
    if (free) return make ? claim(slot, found, key) : nullptr;
    if (!oldest || pg_atomic_read_u64(&slot->taken_at) < pg_atomic_read_u64(&oldest->taken_at)) oldest = slot;
  }
  return make ? claim(oldest, pg_atomic_read_u64(&oldest->key), key) : nullptr;
}

void count_hit(AccessSlot* slot, ObjectId segment) {
  AccessSlot::Segment* const counted = segment_of(slot, segment, true);
  if (counted) pg_atomic_fetch_add_u32(&counted->count, 1);
}

void count_block(AccessSlot* slot, BlockNumber block) {
  uint32 shift = pg_atomic_read_u32(&slot->shift);
  for (; shift < 32 && block >> shift >= access_range_count; shift = pg_atomic_read_u32(&slot->shift)) {
    widen(slot, shift);
    if (pg_atomic_read_u32(&slot->shift) == shift) return;
  }
  if (shift < 32) pg_atomic_fetch_add_u32(&slot->ranges[block >> shift], 1);
}

uint32 pending_hits(AccessSlot* slot, ObjectId segment) {
  AccessSlot::Segment* const counted = slot ? segment_of(slot, segment, false) : nullptr;
  return counted ? pg_atomic_read_u32(&counted->count) : 0;
}

AccessRanges read_ranges(AccessSlot* slot) {
  AccessRanges ranges{};
  ranges.shift = pg_atomic_read_u32(&slot->shift);
  for (uint32 i = 0; i < access_range_count; i++) ranges.samples[i] = pg_atomic_read_u32(&slot->ranges[i]);
  return ranges;
}

bool take_turn(AccessSlot* slot, TimestampTz now, int64 interval_us) {
  return is_turn(&slot->taken_at, now, interval_us);
}

bool ask_turn(AccessSlot* slot, TimestampTz now, int64 interval_us) {
  if (now - TimestampTz(pg_atomic_read_u64(&slot->taken_at)) < interval_us) return false;
  return is_turn(&slot->asked_at, now, interval_us);
}

uint32 take_hits(AccessSlot* slot, TimestampTz now, store::HitCount* counts) {
  uint32 taken = 0;
  for (AccessSlot::Segment& segment : slot->segments) {
    uint32 const id = pg_atomic_read_u32(&segment.id);
    if (id == 0) continue;
    uint32 const count = pg_atomic_exchange_u32(&segment.count, 0);
    if (count > 0)
      counts[taken++] = {ObjectId(id), count};
    else
      pg_atomic_write_u32(&segment.id, 0);
  }
  constexpr int64 half_life_us = int64(policy::hit_half_life_days * USECS_PER_DAY);
  uint64 halved_at = pg_atomic_read_u64(&slot->halved_at);
  if (now - TimestampTz(halved_at) >= half_life_us &&
      pg_atomic_compare_exchange_u64(&slot->halved_at, &halved_at, uint64(now)))
    for (pg_atomic_uint32& range : slot->ranges) pg_atomic_write_u32(&range, pg_atomic_read_u32(&range) / 2);
  return taken;
}

void clear_access(AccessSlot* slot) {
  clear_counts(slot);
}

}  // namespace strata::pg
