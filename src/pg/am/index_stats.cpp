#include "pg/am/index_stats.hpp"

#include "store/search_rank.hpp"

namespace strata::pg {

IndexStats stats_of(store::Manifest const& manifest) {
  using store::ObjectKind;
  using store::ObjectState;
  IndexStats stats{};
  store::IndexShape const shape = store::shape_of(manifest.meta);
  stats.generation = manifest.meta.generation;
  stats.block_size = quant::block_size(shape.padded_dim, shape.scan.bits);
  stats.refine_size = shape.refine_size;
  stats.growing_size_per_row = shape.growing.entry_size;
  for (store::ManifestObject const& object : manifest.objects) {
    format::ObjectDisk const& disk = object.disk;
    if (disk.state == ObjectState::retired || disk.state == ObjectState::frozen) stats.waiting_count++;
    if (disk.state == ObjectState::retired) stats.newest_retired_xid = Max(stats.newest_retired_xid, disk.retired_xid);
    if (disk.state != ObjectState::live && disk.state != ObjectState::frozen) continue;
    switch (disk.kind) {
      case ObjectKind::growing:
        stats.growing_rows += uint64_t(disk.page_count) / shape.growing.group_page_count * shape.growing.capacity;
        stats.growing_size += uint64_t(disk.page_count) * BLCKSZ;
        if (stats.growing_since == 0 || disk.created_at < stats.growing_since) stats.growing_since = disk.created_at;
        break;
      case ObjectKind::segment:
        stats.segment_count++;
        (disk.list_count > 0 ? stats.listed_rows : stats.flat_rows) += disk.row_count;
        break;
      case ObjectKind::epoch:
        stats.list_count += disk.list_count;
        break;
      case ObjectKind::frame:
      case ObjectKind::calibration:
      case ObjectKind::none:
        break;
    }
  }
  return stats;
}

namespace {

// Planning is no place to find out about damage, nor about pages that were reused since the manifest was read: what
// cannot be read is not known.

void load_codebook(PgPager& pager, store::Manifest const& manifest, IndexStats* stats) {
  store::ManifestObject const* const epoch = manifest.find(ObjectId(manifest.header.epoch));
  auto* const header = static_cast<store::ObjectHeaderDisk*>(pager.allocate(sizeof(store::ObjectHeaderDisk)));
  stats->spills = epoch && store::read_header(pager, *epoch, header).ok() && header->spills != 0;
  pager.release(header);
}

void load_model(PgPager& pager, store::Manifest const& manifest, IndexStats* stats) {
  for (store::ManifestObject const& object : manifest.objects) {
    format::ObjectDisk const& disk = object.disk;
    if (disk.kind != store::ObjectKind::calibration || disk.state != store::ObjectState::live ||
        disk.epoch != manifest.header.epoch)
      continue;
    stats->has_model = store::detail::read_stop_model(pager, object, &stats->model).ok();
  }
}

}  // namespace

IndexStats index_stats(Relation index) {
  PgPager pager(index, nullptr);
  store::MetaDisk meta;
  report(store::read_meta(pager, &meta));
  auto* const cached = static_cast<IndexStats*>(index->rd_amcache);
  if (cached && cached->generation == meta.generation) return *cached;
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  IndexStats stats = stats_of(manifest);
  load_codebook(pager, manifest, &stats);
  load_model(pager, manifest, &stats);
  store::release_manifest(pager, &manifest);
  if (!index->rd_amcache) index->rd_amcache = MemoryContextAlloc(index->rd_indexcxt, sizeof stats);
  *static_cast<IndexStats*>(index->rd_amcache) = stats;
  return stats;
}

}  // namespace strata::pg
