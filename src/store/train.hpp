// Training a codebook epoch from the codes of the index itself; the heap is not touched.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.hpp"
#include "core/cluster/assign.hpp"
#include "core/cluster/kmeans.hpp"
#include "core/policy/codebook_policy.hpp"
#include "store/row_source.hpp"

namespace strata::store {

struct TrainPlan {
  uint32_t list_count;      // lists wanted
  uint32_t sample_count;    // training rows wanted, about 64 a list
  size_t memory_max_bytes;  // of sample, centroids and the training itself
};

struct TrainResult {
  ObjectId epoch;  // none when there were too few rows
  uint32_t list_count;
  uint32_t sample_count;
  bool new_frame;
};

// A sample of rows in frame space: float[count][padded_dim] in pager memory.
struct Sample {
  float* rows;
  uint32_t count;
};

namespace detail {

// Up to `wanted` ranked rows, drawn evenly over all readable objects: each object gives its share, at random rows of
// it.
template <Pager P>
Status draw_sample(P& pager, IndexShape const& shape, Manifest const& manifest, ObjectId frame, uint32_t wanted,
                   uint64_t seed, Sample* sample) {
  *sample = Sample{};
  uint32_t padded = shape.padded_dim;
  uint64_t total = 0;
  auto readable = [](ManifestObject const& object) {
    bool live = object.disk.state == ObjectState::live || object.disk.state == ObjectState::frozen;
    return live && (object.disk.kind == ObjectKind::segment || object.disk.kind == ObjectKind::growing);
  };
  auto rows_of = [&](ManifestObject const& object, uint64_t* rows) -> Status {
    *rows = object.disk.ranked_count;
    return object.disk.kind == ObjectKind::growing ? count_growing_rows(pager, shape, object, rows) : Status{};
  };
  for (auto const& object : manifest.objects) {
    uint64_t rows = 0;
    if (!readable(object)) continue;
    if (Status status = rows_of(object, &rows); !status.ok()) return status;
    total += rows;
  }
  if (total == 0) return {};
  bool const holds_out = total >= policy::flat_row_count_max;  // fewer rows are never calibrated
  if (wanted > total) wanted = uint32_t(total);
  sample->rows = static_cast<float*>(pager.allocate(size_t(wanted) * padded * sizeof(float)));
  quant::Frame target;
  if (Status status = load_frame(pager, shape, manifest, frame, &target); !status.ok()) return status;
  Random random(seed);
  for (auto const& object : manifest.objects) {
    uint64_t rows = 0;
    if (!readable(object)) continue;
    if (Status status = rows_of(object, &rows); !status.ok()) return status;
    RowSource source;
    if (rows == 0) continue;
    if (Status status = open_source(pager, shape, manifest, object, frame, &source); !status.ok()) return status;
    // Selection sampling in row order (Knuth, TAOCP 2, 3.4.2, algorithm S): sequential reads, and but for the rows that
    // never train an exact share.
    uint64_t share = uint64_t(std::llround(double(wanted) * double(rows) / double(total))), left = rows;
    if (share > wanted - sample->count) share = wanted - sample->count;
    for (uint32_t row = 0; row < rows && share > 0; row++, left--) {
      if (random.below(holds_out ? policy::trainable_row_count(left) : left) >= share) continue;
      RowView view;
      if (Status status = fetch_row(pager, shape, source, row, &view); !status.ok()) return status;
      if (holds_out && policy::is_held_out(view.tid)) continue;
      share--;
      if (view.flags || sets::bitmap_test(source.deleted, row)) continue;
      reconstruct(pager, shape, source, target, view, sample->rows + size_t(sample->count) * padded);
      sample->count++;
      if ((sample->count & 0xFF) == 0) {
        pager.note_phase(Phase::sample, sample->count, wanted);
        pager.check_interrupts();
      }
    }
    close_source(pager, &source);
  }
  pager.release(const_cast<float*>(target.mean));
  return {};
}

// Takes rows out of the sample that are not finite, or a million times longer than most: they would give a mean and a
// unit that fit no other row, and k-means refuses them.
template <Pager P>
void drop_outliers(P& pager, uint32_t padded, Sample* sample) {
  auto* norms = static_cast<double*>(pager.allocate((size_t(sample->count) + 1) * sizeof(double)));
  auto keep_up_to = [&](double limit) {
    uint32_t kept = 0;
    for (uint32_t row = 0; row < sample->count; row++) {
      float const* z = sample->rows + size_t(row) * padded;
      double norm2 = 0;
      for (uint32_t i = 0; i < padded; i++) norm2 += double(z[i]) * z[i];
      if (!(norm2 <= limit)) continue;
      if (kept != row) std::memcpy(sample->rows + size_t(kept) * padded, z, size_t(padded) * sizeof(float));
      norms[kept++] = norm2;
    }
    sample->count = kept;
  };
  keep_up_to(std::numeric_limits<double>::max());
  if (sample->count) {
    std::nth_element(norms, norms + sample->count / 2, norms + sample->count);
    double median = norms[sample->count / 2];
    if (median > 0) keep_up_to(median * 1e12);
  }
  pager.release(norms);
}

struct FrameShift {
  bool needed;
  double rms;  // of the sample around its own mean, in units of the old frame
};

// A frame serves while the mean of the data stays within half the spread of the data and the unit within a factor of
// four.
inline FrameShift frame_shift(uint32_t padded, Sample const& sample, float* mean) {
  for (uint32_t i = 0; i < padded; i++) {
    double sum = 0;
    for (uint32_t row = 0; row < sample.count; row++) sum += sample.rows[size_t(row) * padded + i];
    mean[i] = float(sum / sample.count);
  }
  double spread2 = 0, mean2 = 0;
  for (uint32_t i = 0; i < padded; i++) mean2 += double(mean[i]) * mean[i];
  for (uint32_t row = 0; row < sample.count; row++)
    for (uint32_t i = 0; i < padded; i++) {
      double away = double(sample.rows[size_t(row) * padded + i]) - mean[i];
      spread2 += away * away;
    }
  spread2 /= sample.count;
  double rms = std::sqrt(spread2);
  return {spread2 > 0 && (mean2 > 0.25 * spread2 || rms > 4 || rms < 0.25), rms};
}

}  // namespace detail

// Writes the codebook of a sample given in the frame in force: k-means, residuals, epoch. `index_rows` = rows of the
// index. Requires LockName::merge. The rows of the sample may be thinned, and moved to a new frame in place.
template <Pager P>
Status train_from_sample(P& pager, IndexShape const& shape, Manifest const& manifest, Sample sample,
                         TrainPlan const& plan, uint64_t index_rows, TrainResult* result) {
  *result = TrainResult{};
  uint32_t padded = shape.padded_dim;
  detail::drop_outliers(pager, padded, &sample);
  if (sample.count == 0) return {};
  ObjectId frame_id = ObjectId(manifest.header.frame);
  auto* mean = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
  detail::FrameShift shift = detail::frame_shift(padded, sample, mean);
  if (shift.needed || frame_id == ObjectId::none) {
    quant::Frame old{};
    if (Status status = load_frame(pager, shape, manifest, frame_id, &old); !status.ok()) return status;
    float unit = quant::unit_of(old.unit * shift.rms), ratio = old.unit / unit;
    for (uint32_t i = 0; i < padded; i++) mean[i] = (mean[i] + old.mean[i]) * ratio;
    for (uint32_t row = 0; row < sample.count; row++)
      for (uint32_t i = 0; i < padded; i++) {
        float& z = sample.rows[size_t(row) * padded + i];
        z = (z + old.mean[i]) * ratio - mean[i];
      }
    Status status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
      Status added = add_frame(pager, shape, work, mean, unit, &frame_id);
      return {added, added.ok() ? Edit::keep : Edit::discard};
    });
    if (!status.ok()) return status;
    pager.release(const_cast<float*>(old.mean));
    result->new_frame = true;
  }
  pager.release(mean);

  auto* centroids = static_cast<float*>(pager.allocate(size_t(plan.list_count) * padded * sizeof(float)));
  cluster::TrainResult trained;
  cluster::TrainOptions options;
  options.list_count = plan.list_count;
  options.seed = shape.seed ^ index_rows;
  options.memory_max_bytes = plan.memory_max_bytes;
  options.should_stop = [](void* context) { return static_cast<P*>(context)->stop_requested(); };
  options.context = &pager;
  pager.note_phase(Phase::cluster, 0, 0);
  Status status = pager.run_core(
      [&] { return cluster::train_centroids(padded, sample.rows, sample.count, options, centroids, trained); });
  if (status.code == Code::interrupted) pager.check_interrupts();
  if (!status.ok()) return status;

  uint32_t lists = trained.list_count;
  auto* panels = pager.allocate(cluster::centroid_set_size(padded, lists));
  auto* scratch = pager.allocate(cluster::assign_scratch_size(padded, lists));
  auto set = cluster::prepare_centroids(padded, centroids, lists, panels);
  auto* residuals = static_cast<float*>(pager.allocate(size_t(lists) * sizeof(float)));
  auto* counts = static_cast<uint32_t*>(pager.allocate(size_t(lists) * sizeof(uint32_t)));
  std::memset(residuals, 0, size_t(lists) * sizeof(float));
  std::memset(counts, 0, size_t(lists) * sizeof(uint32_t));
  double total = 0;
  constexpr uint32_t batch = 256;
  uint32_t assigned[batch];
  float distances2[batch];
  for (uint32_t first = 0; first < sample.count; first += batch) {
    uint32_t count = sample.count - first < batch ? sample.count - first : batch;
    cluster::assign_nearest(set, sample.rows + size_t(first) * padded, count, assigned, distances2, scratch);
    for (uint32_t i = 0; i < count; i++) {
      residuals[assigned[i]] += distances2[i];
      counts[assigned[i]]++;
      total += distances2[i];
    }
    pager.check_interrupts();
  }
  float mean_residual2 = float(total / sample.count);
  for (uint32_t list = 0; list < lists; list++)
    residuals[list] = counts[list] ? residuals[list] / float(counts[list]) : mean_residual2;
  // What later rows are compared with must be what fresh rows have, not the rows that trained.
  float const fresh = float(policy::fresh_residual2(mean_residual2, sample.count, lists));
  EpochParts parts{frame_id, lists, centroids, residuals, fresh, index_rows, nullptr, 0};
  status = write_epoch(pager, shape, parts, &result->epoch);
  result->list_count = lists;
  result->sample_count = sample.count;
  pager.release(counts);
  pager.release(residuals);
  pager.release(scratch);
  pager.release(panels);
  pager.release(centroids);
  return status;
}

// Trains a new codebook from what the index holds. Existing segments keep theirs until they are rewritten. Requires
// LockName::merge.
template <Pager P>
Status train_epoch(P& pager, TrainPlan const& plan, uint64_t index_rows, TrainResult* result) {
  *result = TrainResult{};
  pager.note_task(Task::train, nullptr, 0);
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  if (Status status = load_manifest(pager, manifest); !status.ok()) return status;
  IndexShape shape = shape_of(manifest->meta);
  Sample sample{};
  uint64_t seed = shape.seed + manifest->header.generation;
  Status status =
      detail::draw_sample(pager, shape, *manifest, ObjectId(manifest->header.frame), plan.sample_count, seed, &sample);
  if (status.ok()) status = train_from_sample(pager, shape, *manifest, sample, plan, index_rows, result);
  if (sample.rows) pager.release(sample.rows);
  release_manifest(pager, manifest);
  pager.release(manifest);
  return status;
}

}  // namespace strata::store
