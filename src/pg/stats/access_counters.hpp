// Which segments, and which parts of the table, searches find their rows in: counted in memory that all sessions of a
// database share (shared_file.hpp), and from time to time added to the manifest of the index (take_hits). Hints, not
// data: an increment may be lost when two things meet, and so may what was counted since it was last added.
#pragma once
#include "pg/postgres.hpp"
#include "store/access.hpp"

namespace strata::pg {

constexpr uint32 access_segments_max = 216;  // of an index, counted at a time
constexpr uint32 access_range_count = 64;

// The heap in ranges of 2^shift blocks.
struct AccessRanges {
  uint32 shift;
  uint32 samples[access_range_count];
};

struct AccessSlot;  // of one index

// The slot of an index; with `make` it is made when there is none, at the cost of the one that rested longest. Null
// when there is none.
AccessSlot* access_slot(Relation index, bool make);

// A search returned rows of this segment. Raises nothing.
void count_hit(AccessSlot* slot, ObjectId segment);
// A search returned a row that lies on this heap block.
void count_block(AccessSlot* slot, BlockNumber block);

// Hits counted since they were last taken.
uint32 pending_hits(AccessSlot* slot, ObjectId segment);
AccessRanges read_ranges(AccessSlot* slot);

// Whether the counts were last taken at least `interval_us` before `now`; true for one caller only, who then takes
// them.
bool take_turn(AccessSlot* slot, TimestampTz now, int64 interval_us);
// The same for who asks that somebody take them.
bool ask_turn(AccessSlot* slot, TimestampTz now, int64 interval_us);
// Moves the counts into counts[access_segments_max] and returns how many there are; segments without any are forgotten.
// Samples of ranges lose half of their weight in policy::hit_half_life_days.
uint32 take_hits(AccessSlot* slot, TimestampTz now, store::HitCount* counts);
void clear_access(AccessSlot* slot);

}  // namespace strata::pg
