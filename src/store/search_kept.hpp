// What a search reads of an index before it looks at rows, kept by the pager from one search to the next. All of it is
// immutable: objects by their id, the manifest by its generation. What can change is read each time: the generation,
// and how many rows of a segment are deleted.
#pragma once
#include <cmath>

#include "core/math/distance.hpp"
#include "store/search_state.hpp"

namespace strata::store::detail {

// Names beside those of cached_stream(), which never have these kinds together with these columns.
inline uint64_t facts_key(ObjectId id) {
  return uint64_t(raw(id)) << 32 | uint64_t(format::tid_column) << 16 | uint16_t(StreamKind::none);
}
inline uint64_t model_key(ObjectId id) {
  return uint64_t(raw(id)) << 32 | uint64_t(format::tid_column) << 16 | uint16_t(StreamKind::stop_model);
}
inline uint64_t frame_key(ObjectId id) {
  return uint64_t(raw(id)) << 32 | uint64_t(format::tid_column) << 16 | uint16_t(StreamKind::mean);
}
constexpr uint64_t manifest_key = 0;  // no object has the id 0; the newest generation replaces the others

// A copy of `manifest`, without its free pages, in one piece that the pager keeps; null when there is no room for it.
template <Pager P>
Manifest const* keep_manifest(P& pager, Manifest const& manifest) {
  constexpr size_t size_max = 1 << 16;
  size_t const objects_size = manifest.objects.count * sizeof(ManifestObject);
  size_t size = sizeof(Manifest) + objects_size;
  for (ManifestObject const& object : manifest.objects) size += object.extents.count * sizeof(ExtentDisk);
  if (size > size_max || !pager.can_keep(size)) return nullptr;
  auto* const bytes = static_cast<std::byte*>(pager.allocate(size));
  std::memcpy(bytes, &manifest, sizeof manifest);
  if (objects_size) std::memcpy(bytes + sizeof(Manifest), manifest.objects.items, objects_size);
  size_t at = sizeof(Manifest) + objects_size;
  for (ManifestObject const& object : manifest.objects) {
    size_t const part = object.extents.count * sizeof(ExtentDisk);
    if (part) std::memcpy(bytes + at, object.extents.items, part);
    at += part;
  }
  auto* const kept = static_cast<std::byte*>(const_cast<void*>(pager.keep_cached(manifest_key, bytes, size)));
  pager.release(bytes);
  if (!kept) return nullptr;
  auto* const copy = reinterpret_cast<Manifest*>(kept);
  copy->free = {};
  copy->objects.items = reinterpret_cast<ManifestObject*>(kept + sizeof(Manifest));
  at = sizeof(Manifest) + objects_size;
  for (ManifestObject& object : copy->objects) {
    object.extents.items = reinterpret_cast<ExtentDisk*>(kept + at);
    at += object.extents.count * sizeof(ExtentDisk);
  }
  return copy;
}

// search.manifest = the manifest in force: a kept one, or one of the search's own.
template <Pager P>
Status open_manifest(P& pager, Search& search) {
  MetaDisk meta;
  if (Status status = read_meta(pager, &meta); !status.ok()) return status;
  auto const* kept = static_cast<Manifest const*>(pager.find_cached(manifest_key));
  if (kept && kept->meta.generation == meta.generation && kept->meta.seed == meta.seed) {
    pager.use_companion(kept->header.companion, companion_reach(*kept));
    search.manifest = kept;
    return {};
  }
  search.own_manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  if (Status status = load_manifest(pager, search.own_manifest); !status.ok()) return status;
  kept = keep_manifest(pager, *search.own_manifest);
  search.manifest = kept ? kept : search.own_manifest;
  return {};
}

struct alignas(64) KeptFrame {
  float unit;
  float mean_norm;
};

// The frame `id`, and the norm of its mean. *is_kept: the mean is the pager's.
template <Pager P>
Status open_frame(P& pager, Search const& search, ObjectId id, quant::Frame* frame, float* mean_norm, bool* is_kept) {
  IndexShape const& shape = search.shape;
  auto const* kept = static_cast<KeptFrame const*>(id == ObjectId::none ? nullptr : pager.find_cached(frame_key(id)));
  *is_kept = kept != nullptr;
  if (kept) {
    *frame = {shape.seed, shape.dim, shape.padded_dim, kept->unit, reinterpret_cast<float const*>(kept + 1)};
    *mean_norm = kept->mean_norm;
    return {};
  }
  if (Status status = load_frame(pager, shape, *search.manifest, id, frame); !status.ok()) return status;
  *mean_norm = std::sqrt(math::inner_product(shape.padded_dim, frame->mean, frame->mean));
  size_t const mean_size = size_t(shape.padded_dim) * sizeof(float), size = sizeof(KeptFrame) + mean_size;
  if (id == ObjectId::none || !pager.can_keep(size)) return {};
  auto* const bytes = static_cast<std::byte*>(pager.allocate(size));
  KeptFrame const head{frame->unit, *mean_norm};
  std::memcpy(bytes, &head, sizeof head);
  std::memcpy(bytes + sizeof head, frame->mean, mean_size);
  pager.keep_cached(frame_key(id), bytes, size);
  pager.release(bytes);
  return {};
}

// What of the header of a segment a search needs that has no filter.
template <Pager P>
Status open_segment(P& pager, Search const& search, ManifestObject const& object, ObjectHeaderDisk* header,
                    SegmentFacts* facts, uint32_t* deleted_count) {
  uint64_t const key = facts_key(object.id());
  auto const* kept = static_cast<SegmentFacts const*>(search.filter ? nullptr : pager.find_cached(key));
  if (kept) {
    *facts = *kept;
    return pager.read(block_of(object, 0), [&](format::PageView page) {
      Status status = format::check_page(page, format::PageKind::object_header, object.id(), 0);
      if (status.ok())
        std::memcpy(deleted_count, page.body() + offsetof(ObjectHeaderDisk, deleted_count), sizeof *deleted_count);
      return status;
    });
  }
  if (Status status = read_segment_header(pager, search.shape, object, header); !status.ok()) return status;
  *deleted_count = header->deleted_count;
  *facts = {};
  facts->row_count = header->row_count;
  facts->ranked_count = header->ranked_count;
  facts->zero_count = header->zero_count;
  facts->list_count = header->list_count;
  auto take = [header](StreamKind kind, StreamDisk* stream) {
    StreamDisk const* found = find_stream(*header, kind);
    if (found) *stream = *found;
    return found != nullptr;
  };
  bool whole = take(StreamKind::ids, &facts->ids) && take(StreamKind::hashes, &facts->hashes) &&
               take(StreamKind::delete_bitmap, &facts->bitmap) && take(StreamKind::scan_codes, &facts->scan) &&
               take(StreamKind::refine_codes, &facts->refine);
  if (object.disk.epoch) whole = whole && take(StreamKind::directory, &facts->directory);
  if (!whole) return corrupt("segment lacks a stream", object.disk.id);
  if (take(StreamKind::spill_codes, &facts->spill_codes)) {  // the others come with it, see read_segment_header()
    take(StreamKind::spill_rows, &facts->spill_rows);
    take(StreamKind::spill_directory, &facts->spill_directory);
  }
  if (pager.can_keep(sizeof *facts)) pager.keep_cached(key, facts, sizeof *facts);
  return {};
}

// An epoch with what ranking reads of it.
template <Pager P>
Status open_kept_epoch(P& pager, Search const& search, ObjectId id, EpochView** view) {
  auto const* kept = static_cast<EpochView const*>(pager.find_cached(facts_key(id)));
  if (!kept) {
    if (Status status = open_epoch(pager, search.shape, *search.manifest, id, view); !status.ok()) return status;
    if (Status status = keep_epoch(pager, *view); !status.ok()) return status;
    bool const whole = (*view)->kept_centroids && (*view)->kept_codes && (*view)->kept_residuals;
    if (whole && pager.can_keep(sizeof **view)) pager.keep_cached(facts_key(id), *view, sizeof **view);
    return {};
  }
  *view = static_cast<EpochView*>(pager.allocate(sizeof(EpochView)));
  **view = *kept;
  (*view)->object = search.manifest->find(id);
  return (*view)->object ? Status{} : corrupt("manifest lacks an epoch", raw(id));
}

}  // namespace strata::store::detail
