#include "pg/stats/shared_counters.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace strata::pg {
namespace {

constexpr char const* directory = "pg_stat_tmp";  // emptied by no one, left out of base backups
constexpr uint32 slot_count = 4096;               // power of two
constexpr uint32 probe_count = 64;

// One cache line, so that sessions that count for different objects do not disturb each other.
struct Slot {
  pg_atomic_uint64 key;  // 0: free; set once
  pg_atomic_uint64 reserved;
  SharedCounters counters;
};
static_assert(sizeof(Slot) == 64);

Slot* slots = nullptr;  // the mapped file, or what this session counts for itself
bool is_mapped = false;

// Files of earlier lives of the server, and of earlier databases with this number.
void remove_old_files(char const* prefix, char const* current) {
  DIR* const dir = AllocateDir(directory);
  if (!dir) return;
  while (dirent const* const entry = ReadDirExtended(dir, directory, LOG)) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || strcmp(entry->d_name, current) == 0) continue;
    char path[MAXPGPATH];
    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    unlink(path);
  }
  FreeDir(dir);
}

Slot* map_file() {
  char prefix[64], name[128], path[MAXPGPATH];
  snprintf(prefix, sizeof prefix, "strata_%u_", MyDatabaseId);
  snprintf(name, sizeof name, "%s%lld.stat", prefix, static_cast<long long>(PgStartTime));
  snprintf(path, sizeof path, "%s/%s", directory, name);
  constexpr size_t size = slot_count * sizeof(Slot);
  int const file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return nullptr;
  struct stat status;
  bool const is_new = fstat(file, &status) == 0 && status.st_size == 0;
  // Real blocks: with a hole, a full disk would end the session at its first count.
  bool const has_room = posix_fallocate(file, 0, size) == 0;
  void* const memory = has_room ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (is_new) remove_old_files(prefix, name);
  return memory == MAP_FAILED ? nullptr : static_cast<Slot*>(memory);
}

void open_slots() {
  slots = map_file();
  is_mapped = slots != nullptr;
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
