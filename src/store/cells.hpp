// CELLS: lists of the codebooks, as places that two near vectors are sure to share.
//
// The cells of x at radius r are the centroids c with d(x, c) <= d(x, nearest centroid) + 2 r. If d(x, y) <= r, then
// the centroid c nearest to y is a cell of both: d(x, c) <= d(y, c) + r <= d(y, a) + r <= d(x, a) + 2 r, where a is
// nearest to x. So whoever locks the cells of his vector before he looks for near rows meets everyone who stores one.
//
// Codebooks come and go while transactions last. The cells of all codebooks that the manifest still knows are taken,
// retired ones too: one that a transaction in progress used is not reclaimed before that transaction ends.
#pragma once
#include <cmath>

#include "core/math/distance.hpp"
#include "store/array.hpp"
#include "store/epoch.hpp"

namespace strata::store {

struct Cell {
  ObjectId epoch;
  uint32_t list;
};

// Appends the cells of a vector (float[dim], of unit length under cosine) in the order of epochs and lists, none when
// the index has no codebook yet. `radius` is a distance of vectors as they are indexed. Takes no locks on entry or
// exit. An epoch that is reclaimed meanwhile is left out: nobody in progress knows it.
template <Pager P>
Status find_cells(P& pager, float const* vector, double radius, Array<Cell>* cells) {
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  *manifest = Manifest{};
  if (Status status = load_manifest(pager, manifest); !status.ok()) return status;
  IndexShape const shape = shape_of(manifest->meta);
  auto* z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  auto* centroid = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  Array<float> distances{};
  auto of_epoch = [&](ManifestObject const& object) -> Status {
    EpochView* epoch;
    if (Status status = open_epoch(pager, shape, *manifest, object.id(), &epoch); !status.ok()) return status;
    if (Status status = keep_epoch(pager, epoch); !status.ok()) return status;
    quant::Frame frame;
    Status status = load_frame(pager, shape, *manifest, ObjectId(epoch->header.frame), &frame);
    if (!status.ok()) return status;
    quant::to_frame(frame, vector, z);
    distances.count = 0;
    distances.reserve(pager, epoch->list_count);
    auto* scratch = pager.allocate(epoch->centroid_size);
    double nearest = HUGE_VAL;
    for (uint32_t list = 0; list < epoch->list_count && status.ok(); list++) {
      status = read_centroid(pager, shape, *epoch, list, scratch, centroid);
      float const distance = std::sqrt(math::l2_squared(shape.padded_dim, z, centroid));
      distances.push(pager, distance);
      nearest = distance < nearest ? distance : nearest;
    }
    pager.release(scratch);
    // Distances are of single precision: a little more costs nothing but a lock now and then.
    constexpr double rounding = 1e-4;
    double const reach = (nearest + 2 * radius / frame.unit) * (1 + rounding) + rounding;
    for (uint32_t list = 0; list < distances.count && status.ok(); list++)
      if (double(distances[list]) <= reach) cells->push(pager, {object.id(), list});
    return status;
  };
  Status status;
  for (ManifestObject const& object : manifest->objects) {
    if (object.disk.kind != ObjectKind::epoch || object.disk.state == ObjectState::building) continue;
    status = of_epoch(object);
    if (status.code == Code::recycled) status = {};
    if (!status.ok()) break;
  }
  pager.release(centroid);
  pager.release(z);
  release_manifest(pager, manifest);
  pager.release(manifest);
  return status;
}

}  // namespace strata::store
