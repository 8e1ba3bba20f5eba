#include "pg/page/object_cache.hpp"

#include "pg/compat.hpp"
#include "pg/settings.hpp"

namespace strata::pg {
namespace {

struct EntryKey {
  Oid relation;
  Oid file_tablespace;
  Oid file_database;
  Oid file_number;
  uint64_t object;
};
static_assert(sizeof(EntryKey) == 24);

struct Entry {
  EntryKey key;
  void* bytes;
  size_t size;
  uint64_t life;
};

constexpr size_t replaced_size_max = 1 << 20;

MemoryContext cache_context = nullptr;
HTAB* entries = nullptr;
size_t cached_size = 0;
size_t replaced_size = 0;  // of them, by others of their name
bool clear_at_end = false;
// Entries of an earlier life are not found any more: an invalidation came since, which may mean that a file was emptied
// and built anew under its name, as by TRUNCATE in the transaction that created it. Whoever found them uses them on.
uint64_t life = 0;

EntryKey key_of(Relation index, uint64_t key) {
  FileName const file = file_of(index);
  return {RelationGetRelid(index), file.tablespace, file.database, file.number, key};
}

void clear() {
  MemoryContext const context = cache_context;
  cache_context = nullptr;
  entries = nullptr;
  cached_size = replaced_size = 0;
  clear_at_end = false;
  if (context) MemoryContextDelete(context);
}

void open_cache() {
  cache_context = AllocSetContextCreate(TopMemoryContext, "strata object cache", ALLOCSET_DEFAULT_SIZES);
  HASHCTL control;
  memset(&control, 0, sizeof control);
  control.keysize = sizeof(EntryKey);
  control.entrysize = sizeof(Entry);
  control.hcxt = cache_context;
  entries = hash_create("strata object cache", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void at_transaction_end(XactEvent event, void*) {
  bool const ends = event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_COMMIT ||
                    event == XACT_EVENT_PARALLEL_ABORT || event == XACT_EVENT_PREPARE;
  if (ends && clear_at_end) clear();
}

void at_invalidation(Datum, Oid relation) {
  if (!entries) return;
  bool touched = relation == InvalidOid;
  if (!touched) {
    HASH_SEQ_STATUS all;
    hash_seq_init(&all, entries);
    while (auto* entry = static_cast<Entry*>(hash_seq_search(&all)))
      touched = touched || (entry->key.relation == relation && entry->life == life);
  }
  if (!touched) return;
  life++;
  clear_at_end = true;
}

}  // namespace

void const* find_object_bytes(Relation index, uint64_t key) {
  if (!entries) return nullptr;
  EntryKey const name = key_of(index, key);
  auto const* entry = static_cast<Entry*>(hash_search(entries, &name, HASH_FIND, nullptr));
  return entry && entry->life == life ? entry->bytes : nullptr;
}

bool can_keep_object_bytes(size_t size) {
  size_t const limit = size_t(settings.cache_size) * 1024;
  if (cached_size + size <= limit) return true;
  clear_at_end = clear_at_end || (cached_size > 0 && size <= limit);
  return false;
}

void const* keep_object_bytes(Relation index, uint64_t key, void const* bytes, size_t size) {
  if (!can_keep_object_bytes(size)) return nullptr;
  if (!entries) open_cache();
  char* const raw = static_cast<char*>(MemoryContextAllocHuge(cache_context, size + 64));
  void* const kept = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(raw) + 63) / 64 * 64);
  memcpy(kept, bytes, size);
  EntryKey const name = key_of(index, key);
  bool found;
  auto* entry = static_cast<Entry*>(hash_search(entries, &name, HASH_ENTER, &found));
  if (found) replaced_size += entry->size;
  if (replaced_size > replaced_size_max) clear_at_end = true;
  entry->bytes = kept;
  entry->size = size;
  entry->life = life;
  cached_size += size;
  return kept;
}

void register_object_cache() {
  RegisterXactCallback(at_transaction_end, nullptr);
  CacheRegisterRelcacheCallback(at_invalidation, Datum(0));
}

}  // namespace strata::pg
