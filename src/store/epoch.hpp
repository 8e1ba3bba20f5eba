// Codebook epochs: immutable centroids in frame space, shared by all segments that name them.
//
// Centroids are stored in half precision and used as stored, by the encoder and by every query alike, so rounding them
// costs nothing but a slightly different codebook.
#pragma once
#include "core/math/half.hpp"
#include "store/object_writer.hpp"

namespace strata::store {

// An epoch opened for reading. Lives in pager memory.
struct EpochView {
  ManifestObject const* object;  // borrowed from the manifest
  ObjectHeaderDisk header;
  StreamDisk centroids;
  StreamDisk codes;
  StreamDisk residuals;
  StreamDisk model;  // byte_size 0 when the epoch has none
  uint32_t list_count;
  bool spills;                                                    // rows of its segments have a second list
  uint32_t centroid_size;                                         // bytes of a stored centroid
  std::byte const *kept_centroids, *kept_codes, *kept_residuals;  // whole streams, see keep_epoch; or null
};

template <Pager P>
Status open_epoch(P& pager, IndexShape const& shape, Manifest const& manifest, ObjectId id, EpochView** view) {
  ManifestObject const* object = manifest.find(id);
  if (!object || object->disk.kind != ObjectKind::epoch) return corrupt("manifest lacks an epoch", raw(id));
  auto* epoch = static_cast<EpochView*>(pager.allocate(sizeof(EpochView)));
  *epoch = EpochView{};
  *view = epoch;
  epoch->object = object;
  if (Status status = read_header(pager, *object, &epoch->header); !status.ok()) return status;
  StreamDisk const* centroids = find_stream(epoch->header, StreamKind::centroids);
  StreamDisk const* codes = find_stream(epoch->header, StreamKind::centroid_codes);
  StreamDisk const* residuals = find_stream(epoch->header, StreamKind::list_residuals);
  StreamDisk const* model = find_stream(epoch->header, StreamKind::stop_model);
  epoch->list_count = epoch->header.list_count;
  epoch->spills = epoch->header.spills != 0;
  epoch->centroid_size = shape.padded_dim * 2;
  uint64_t block_count = (uint64_t(epoch->list_count) + quant::block_rows - 1) / quant::block_rows;
  if (!centroids || !codes || !residuals || epoch->list_count == 0 || epoch->list_count > list_count_max ||
      (epoch->spills && epoch->list_count < 2) ||
      centroids->byte_size != uint64_t(epoch->list_count) * epoch->centroid_size ||
      residuals->byte_size != uint64_t(epoch->list_count) * 4 ||
      codes->byte_size != block_count * quant::block_size(shape.padded_dim, shape.scan.bits))
    return corrupt("epoch is malformed", raw(id));
  epoch->centroids = *centroids;
  epoch->codes = *codes;
  epoch->residuals = *residuals;
  if (model) epoch->model = *model;
  return {};
}

// Lets the pager keep what ranking reads, for a backend that searches again and again.
template <Pager P>
Status keep_epoch(P& pager, EpochView* epoch) {
  Status status = cached_stream(pager, *epoch->object, epoch->codes, &epoch->kept_codes);
  if (status.ok()) status = cached_stream(pager, *epoch->object, epoch->residuals, &epoch->kept_residuals);
  if (status.ok()) status = cached_stream(pager, *epoch->object, epoch->centroids, &epoch->kept_centroids);
  return status;
}

// centroid[0..padded_dim) of one list; `scratch` holds centroid_size bytes.
template <Pager P>
Status read_centroid(P& pager, IndexShape const& shape, EpochView const& epoch, uint32_t list, void* scratch,
                     float* centroid) {
  if (epoch.kept_centroids) {
    math::halves_to_floats(shape.padded_dim, epoch.kept_centroids + size_t(list) * epoch.centroid_size, centroid);
    return {};
  }
  Status status = read_stream(pager, *epoch.object, epoch.centroids, uint64_t(list) * epoch.centroid_size,
                              epoch.centroid_size, scratch);
  if (status.ok()) math::halves_to_floats(shape.padded_dim, scratch, centroid);
  return status;
}

// Asks for the cache lines of a kept centroid.
inline void prefetch_centroid(EpochView const& epoch, uint32_t list) {
  if (!epoch.kept_centroids) return;
  std::byte const* const centroid = epoch.kept_centroids + size_t(list) * epoch.centroid_size;
  for (uint32_t at = 0; at < epoch.centroid_size; at += 64) __builtin_prefetch(centroid + at);
}

// What training hands over. All in the units of `frame`.
struct EpochParts {
  ObjectId frame;
  uint32_t list_count;
  float const* centroids;  // float[list_count][padded_dim]
  float const*
      residuals;  // float[list_count]: mean squared residual of the training rows, mean over all where a list is empty
  float mean_residual2;
  uint64_t row_count;  // rows of the index at training
  void const* model;   // stop model, may be null
  uint32_t model_size;
  float list_skew = 0;  // policy::list_skew() of the training rows
  bool spills = false;  // rows get a second list; needs two lists at least
};

// Writes an epoch and makes it the codebook of new segments. Requires LockName::merge.
template <Pager P>
Status write_epoch(P& pager, IndexShape const& shape, EpochParts const& parts, ObjectId* id) {
  uint32_t padded = shape.padded_dim, block_bytes = quant::block_size(padded, shape.scan.bits);
  uint32_t block_count = (parts.list_count + quant::block_rows - 1) / quant::block_rows;
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  *header = ObjectHeaderDisk{};
  StreamPlan plans[4] = {
      {StreamKind::centroid_codes, format::no_column, block_bytes, format::scan_stream_bytes_per_page,
       uint64_t(block_count) * block_bytes},
      {StreamKind::centroids, format::no_column, padded * 2, format::page_body_size,
       uint64_t(parts.list_count) * padded * 2},
      {StreamKind::list_residuals, format::no_column, 4, format::page_body_size, uint64_t(parts.list_count) * 4},
      {StreamKind::stop_model, format::no_column, 0, format::page_body_size, parts.model_size}};
  uint32_t page_count = plan_streams(plans, parts.model_size ? 4 : 3, header).main;
  uint32_t rows = parts.row_count > UINT32_MAX ? UINT32_MAX : uint32_t(parts.row_count);
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  *manifest = Manifest{};
  ObjectId made = ObjectId::none;
  auto begin = [&](Manifest& work) -> EditResult {
    ManifestObject* object = add_object(pager, work, ObjectKind::epoch, ObjectState::building);
    allocate_extents(pager, work, page_count, &object->extents);
    object->disk.frame = raw(parts.frame);
    object->disk.row_count = rows;
    object->disk.list_count = parts.list_count;
    object->disk.hits = work.header.sealed_rows;
    made = object->id();
    return {{}, Edit::keep};
  };
  if (Status status = edit_manifest(pager, begin, manifest); !status.ok()) return status;
  header->id = raw(made);
  header->kind = ObjectKind::epoch;
  header->scan_bits = uint8_t(shape.scan.bits);
  header->row_count = rows;
  header->list_count = parts.list_count;
  header->frame = raw(parts.frame);
  header->mean_residual2 = parts.mean_residual2;
  header->list_skew = parts.list_skew;
  header->spills = parts.spills && parts.list_count > 1;
  ObjectWriter<P> writer(pager, *manifest->find(made), header);
  auto* block = static_cast<std::byte*>(pager.allocate(block_bytes));
  auto* halves = static_cast<uint16_t*>(pager.allocate(size_t(padded) * 2));
  auto* rounded = static_cast<float*>(pager.allocate(size_t(padded) * 4));
  std::memset(block, 0, block_bytes);
  for (uint32_t list = 0; list < parts.list_count; list++) {
    float const* centroid = parts.centroids + size_t(list) * padded;
    for (uint32_t i = 0; i < padded; i++) halves[i] = math::float_to_half(centroid[i]);
    math::halves_to_floats(padded, halves, rounded);
    writer.append(1, halves, size_t(padded) * 2);
    quant::encode_scan_row(shape.scan, rounded, nullptr, block, list % quant::block_rows);
    if (list % quant::block_rows == quant::block_rows - 1 || list + 1 == parts.list_count) {
      writer.append(0, block, block_bytes);
      std::memset(block, 0, block_bytes);
    }
  }
  writer.append(2, parts.residuals, size_t(parts.list_count) * 4);
  if (parts.model_size) writer.append(3, parts.model, parts.model_size);
  Status status = writer.finish();
  release_manifest(pager, manifest);
  if (status.ok())
    status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
      ManifestObject* object = work.find(made);
      if (!object) return {corrupt("epoch vanished while it was written", raw(made)), Edit::discard};
      object->disk.state = ObjectState::live;
      work.header.epoch = raw(made);
      return {{}, Edit::keep};
    });
  *id = made;
  pager.release(rounded);
  pager.release(halves);
  pager.release(block);
  pager.release(manifest);
  pager.release(header);
  return status;
}

// All centroids as floats, list_count * padded_dim, in pager memory.
template <Pager P>
Status load_centroids(P& pager, IndexShape const& shape, EpochView const& epoch, float** centroids) {
  *centroids = static_cast<float*>(pager.allocate(size_t(epoch.list_count) * shape.padded_dim * sizeof(float)));
  auto* scratch = pager.allocate(epoch.centroid_size);
  Status status;
  for (uint32_t list = 0; list < epoch.list_count && status.ok(); list++)
    status = read_centroid(pager, shape, epoch, list, scratch, *centroids + size_t(list) * shape.padded_dim);
  pager.release(scratch);
  return status;
}

}  // namespace strata::store
