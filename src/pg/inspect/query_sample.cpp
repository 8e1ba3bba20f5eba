#include "pg/inspect/query_sample.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/crc32c.hpp"
#include "pg/settings.hpp"

namespace strata::pg {
namespace {

constexpr uint32_t ring_magic = 0x51525453;  // "STRQ"
constexpr uint16_t ring_format_version = 1;
constexpr int sample_interval_ms = 100;  // of one session
constexpr size_t ring_size_max = size_t(4) << 20;
constexpr uint32_t slot_count_max = 256;

// The file: a head, then slots of sizeof(SlotHead) + value_size bytes.
struct RingHead {
  uint32_t magic;
  uint16_t format_version;
  uint16_t reserved;
  uint32_t value_size;  // VARSIZE of every query
  uint32_t slot_count;
  uint64_t written_count;  // queries ever written: the next one goes to slot written_count % slot_count
};
static_assert(sizeof(RingHead) == 24);

struct SlotHead {
  uint32_t checksum;  // of the value
  uint32_t value_size;
};
static_assert(sizeof(SlotHead) == 8);

uint32_t slot_count_of(size_t value_size) {
  size_t const fitting = ring_size_max / (sizeof(SlotHead) + value_size);
  return uint32_t(Min(fitting, size_t(slot_count_max)));
}

off_t slot_offset(RingHead const& head, uint64_t number) {
  return off_t(sizeof(RingHead) + (number % head.slot_count) * (sizeof(SlotHead) + head.value_size));
}

void path_of(char* path, Oid index) {
  snprintf(path, MAXPGPATH, "%s/strata_%u_%u.queries", PG_STAT_TMP_DIR, MyDatabaseId, index);
}

bool is_usable(RingHead const& head, size_t value_size) {
  return head.magic == ring_magic && head.format_version == ring_format_version && head.value_size == value_size &&
         head.slot_count == slot_count_of(value_size);
}

// Takes the rings of indexes of this database that are gone with them.
void remove_orphans() {
  DIR* const directory = AllocateDir(PG_STAT_TMP_DIR);
  if (!directory) return;
  while (struct dirent const* const entry = ReadDirExtended(directory, PG_STAT_TMP_DIR, DEBUG1)) {
    Oid database, index;
    int end = 0;
    if (sscanf(entry->d_name, "strata_%u_%u.queries%n", &database, &index, &end) != 2 || end == 0) continue;
    if (entry->d_name[end] || database != MyDatabaseId || SearchSysCacheExists1(RELOID, ObjectIdGetDatum(index)))
      continue;
    char path[MAXPGPATH];
    path_of(path, index);
    unlink(path);
  }
  FreeDir(directory);
}

void write_query(int file, struct varlena const* value) {
  size_t const size = VARSIZE(value);
  RingHead head;
  if (pg_pread(file, &head, sizeof head, 0) != ssize_t(sizeof head) || !is_usable(head, size)) {
    if (ftruncate(file, 0) != 0) return;
    head = {ring_magic, ring_format_version, 0, uint32_t(size), slot_count_of(size), 0};
    remove_orphans();
  }
  SlotHead const slot{crc32c(value, size), uint32_t(size)};
  off_t const at = slot_offset(head, head.written_count);
  if (pg_pwrite(file, value, size, at + off_t(sizeof slot)) != ssize_t(size)) return;
  if (pg_pwrite(file, &slot, sizeof slot, at) != ssize_t(sizeof slot)) return;
  head.written_count++;
  if (pg_pwrite(file, &head, sizeof head, 0) != ssize_t(sizeof head))
    ereport(DEBUG1, (errmsg_internal("could not write a sampled query")));
}

TimestampTz last_sample;

}  // namespace

void sample_query(Relation index, struct varlena const* value) {
  TimestampTz const now = GetCurrentTimestamp();
  if (last_sample && !TimestampDifferenceExceeds(last_sample, now, sample_interval_ms)) return;
  last_sample = now;
  if (RelationUsesLocalBuffers(index)) return;
  char path[MAXPGPATH];
  path_of(path, RelationGetRelid(index));
  int const file = OpenTransientFile(path, O_RDWR | O_CREAT | PG_BINARY);
  if (file < 0) return;
  write_query(file, value);
  CloseTransientFile(file);
}

uint32_t read_sampled_queries(Oid index, size_t value_size, struct varlena** values, uint32_t count_max) {
  char path[MAXPGPATH];
  path_of(path, index);
  int const file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
  if (file < 0) return 0;
  RingHead head;
  uint32_t count = 0;
  if (pg_pread(file, &head, sizeof head, 0) == ssize_t(sizeof head) && is_usable(head, value_size)) {
    uint64_t const kept = Min(head.written_count, uint64_t(head.slot_count));
    auto* value = static_cast<struct varlena*>(palloc(value_size));
    for (uint64_t back = 1; back <= kept && count < count_max; back++) {
      SlotHead slot;
      off_t const at = slot_offset(head, head.written_count - back);
      bool const whole = pg_pread(file, &slot, sizeof slot, at) == ssize_t(sizeof slot) &&
                         pg_pread(file, value, value_size, at + off_t(sizeof slot)) == ssize_t(value_size) &&
                         slot.value_size == value_size && slot.checksum == crc32c(value, value_size) &&
                         VARSIZE(value) == value_size;
      if (!whole) continue;
      values[count++] = value;
      value = static_cast<struct varlena*>(palloc(value_size));
    }
    pfree(value);
  }
  CloseTransientFile(file);
  return count;
}

}  // namespace strata::pg
