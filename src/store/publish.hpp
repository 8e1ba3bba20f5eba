// The last steps of CREATE INDEX and import: what a bulk load made becomes part of the index.
#pragma once
#include "store/train.hpp"

namespace strata::store {

// A segment written by SegmentWriter becomes readable. Requires LockName::merge.
template <Pager P>
Status publish_segment(P& pager, ObjectId id) {
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    ManifestObject* object = manifest.find(id);
    if (!object || object->disk.state != ObjectState::building)
      return {corrupt("segment vanished while it was written", raw(id)), Edit::discard};
    object->disk.state = ObjectState::live;
    manifest.header.sealed_rows += object->disk.row_count;
    manifest.header.sealed_bytes += uint64_t(object->disk.page_count) * (format::page_content_size + 24);
    return {{}, Edit::keep};
  });
}

// The frame of an index that gets its first rows from a bulk load. `rows`: a sample of them, float[count][padded_dim],
// in the frame of an index without rows (load_frame with none); it may be thinned in place. Does nothing when it is
// empty or the index has a frame.
template <Pager P>
Status make_first_frame(P& pager, IndexShape const& shape, float* rows, uint32_t count) {
  count = detail::drop_outliers(pager, shape.padded_dim, rows, count);
  if (count == 0) return {};
  auto* mean = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  detail::FrameShift shift = detail::frame_shift(pager, cluster::float_rows(shape.padded_dim, rows, count), mean);
  float unit = quant::unit_of(shift.rms);
  for (uint32_t i = 0; i < shape.padded_dim; i++) mean[i] /= unit;
  Status status = edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    if (manifest.header.frame) return {{}, Edit::discard};
    ObjectId id;
    Status added = add_frame(pager, shape, manifest, mean, unit, &id);
    return {added, added.ok() ? Edit::keep : Edit::discard};
  });
  pager.release(mean);
  return status;
}

}  // namespace strata::store
