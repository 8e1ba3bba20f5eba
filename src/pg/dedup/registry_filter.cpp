#include "pg/dedup/registry_filter.hpp"

#include "core/sets/bloom.hpp"
#include "pg/compat.hpp"

namespace strata::pg {
namespace {

constexpr uint32 looks_min = 1024;
constexpr uint64 rows_per_look = 8;  // reading a row costs about an eighth of looking one up
constexpr uint64 rows_per_page = 145;
constexpr uint64 keys_min = 65536;
constexpr uint64 keys_max = uint64{1} << 24;
constexpr uint32 failures_min = 16;
constexpr uint32 denials_per_failure = 8;

struct RegistryFilter {
  Oid registry;
  uint32 looks;  // since there was no filter
  void* blocks;  // in TopMemoryContext; null: there is none
  bool is_ready;
  uint32 block_count;
  uint64 key_count, key_count_max;
  uint32 denials, failures;
};
RegistryFilter filter;

// The hash is a random number already.
uint64 key_of(pg_uuid_t const* hash) {
  uint64 key;
  memcpy(&key, hash, sizeof key);
  return key;
}

void forget_filter(Oid registry) {
  void* const blocks = filter.blocks;
  filter = RegistryFilter{};
  filter.registry = registry;
  if (blocks) pfree(blocks);
}

void make_filter(Registry const& registry) {
  uint64 const rows = uint64(RelationGetNumberOfBlocks(registry.table)) * rows_per_page;
  if (uint64(filter.looks) * rows_per_look < rows || 2 * rows > keys_max) return;
  filter.key_count_max = Max(2 * rows, keys_min);
  filter.block_count = sets::bloom_block_count(filter.key_count_max);
  filter.blocks = MemoryContextAllocZero(TopMemoryContext, Size(filter.block_count) * sets::bloom_block_size);
  TableScanDesc const scan = begin_table_scan(registry.table, GetActiveSnapshot());
  while (table_scan_getnextslot(scan, ForwardScanDirection, registry.slot)) {
    CHECK_FOR_INTERRUPTS();
    bool is_null;
    Datum const hash = slot_getattr(registry.slot, 1, &is_null);
    if (is_null) continue;
    sets::bloom_add(filter.blocks, filter.block_count, key_of(DatumGetUUIDP(hash)));
    filter.key_count++;
  }
  table_endscan(scan);
  ExecClearTuple(registry.slot);
  filter.is_ready = true;
}

}  // namespace

bool filter_denies(Registry const& registry, pg_uuid_t const* hash) {
  Oid const oid = RelationGetRelid(registry.table);
  // An error may have ended the making of one.
  if (filter.registry != oid || (filter.blocks && !filter.is_ready)) forget_filter(oid);
  if (!filter.is_ready) {
    filter.looks++;
    if (filter.looks % looks_min == 0) make_filter(registry);
    if (!filter.is_ready) return false;
  }
  if (sets::bloom_may_contain(filter.blocks, filter.block_count, key_of(hash))) return false;
  filter.denials++;
  return true;
}

void add_to_filter(Registry const& registry, pg_uuid_t const* hash) {
  if (!filter.is_ready || filter.registry != RelationGetRelid(registry.table)) return;
  sets::bloom_add(filter.blocks, filter.block_count, key_of(hash));
  if (++filter.key_count <= filter.key_count_max) return;
  // Too small now: a larger one is due soon.
  uint32 const looks = uint32(filter.key_count / rows_per_look);
  forget_filter(filter.registry);
  filter.looks = looks;
}

void note_filter_failure() {
  filter.failures++;
  if (filter.failures >= failures_min && filter.failures > filter.denials / denials_per_failure)
    forget_filter(filter.registry);
}

}  // namespace strata::pg
