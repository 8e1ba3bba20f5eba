// Training a codebook epoch from the codes of the index itself; the heap is not touched.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.hpp"
#include "core/cluster/assign_codes.hpp"
#include "core/cluster/kmeans.hpp"
#include "core/cluster/spill_trial.hpp"
#include "core/policy/codebook_policy.hpp"
#include "store/row_source.hpp"

namespace strata::store {

// Whether rows get a second list under a new codebook; automatic: where a trial on the sample says that it pays.
enum class Spill : uint8_t { automatic, on, off };

struct TrainPlan {
  uint32_t list_count;      // lists wanted
  uint32_t sample_count;    // training rows wanted, about 64 a list
  size_t memory_max_bytes;  // of sample, centroids and the training itself
  Spill spill = Spill::automatic;
};

struct TrainResult {
  ObjectId epoch;  // none when there were too few rows
  uint32_t list_count;
  uint32_t sample_count;
  bool new_frame;
};

// A sample of rows as refine codes, shape.code_size bytes each, in pager memory.
struct Sample {
  std::byte* rows;
  uint32_t count;
};

namespace detail {

// Up to `wanted` ranked rows, drawn evenly over all readable objects: each object gives its share, at random rows of
// it.
template <Pager P>
Status draw_sample(P& pager, IndexShape const& shape, Manifest const& manifest, ObjectId frame, uint32_t wanted,
                   uint64_t seed, Sample* sample) {
  *sample = Sample{};
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
  sample->rows = static_cast<std::byte*>(pager.allocate(size_t(wanted) * shape.code_size));
  auto* z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
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
      std::byte* place = sample->rows + size_t(sample->count++) * shape.code_size;
      if (source.reframe)
        reframe_row(pager, shape, source, target, &view, z, place);
      else
        std::memcpy(place, view.refine, shape.code_size);
      if ((sample->count & 0xFF) == 0) {
        pager.note_phase(Phase::sample, sample->count, wanted);
        pager.check_interrupts();
      }
    }
    close_source(pager, &source);
  }
  pager.release(z);
  pager.release(const_cast<float*>(target.mean));
  return {};
}

// Takes rows out of a sample by move(from, to) to a lower place, and returns how many are left: rows that are not
// finite (norms2 negative), or a million times longer than most, would give a mean and a unit that fit no other row,
// and k-means refuses them. norms2[count]: squared norms, thinned like the rows; `scratch` holds as many.
template <class Move>
uint32_t keep_usual_rows(double* norms2, double* scratch, uint32_t count, Move&& move) {
  auto keep_up_to = [&](double limit) {
    uint32_t kept = 0;
    for (uint32_t row = 0; row < count; row++) {
      if (!(norms2[row] >= 0 && norms2[row] <= limit)) continue;
      if (kept != row) move(row, kept);
      norms2[kept++] = norms2[row];
    }
    count = kept;
  };
  keep_up_to(std::numeric_limits<double>::max());
  if (count == 0) return 0;
  std::copy(norms2, norms2 + count, scratch);
  std::nth_element(scratch, scratch + count / 2, scratch + count);
  double median = scratch[count / 2];
  if (median > 0) keep_up_to(median * 1e12);
  return count;
}

template <Pager P>
uint32_t drop_outliers(P& pager, uint32_t padded, float* rows, uint32_t count) {
  auto* norms2 = static_cast<double*>(pager.allocate((size_t(count) + 1) * 2 * sizeof(double)));
  for (uint32_t row = 0; row < count; row++) {
    float const* z = rows + size_t(row) * padded;
    double norm2 = 0;
    for (uint32_t i = 0; i < padded; i++) norm2 += double(z[i]) * z[i];
    norms2[row] = norm2;
  }
  count = keep_usual_rows(norms2, norms2 + count, count, [&](uint32_t from, uint32_t to) {
    std::memcpy(rows + size_t(to) * padded, rows + size_t(from) * padded, size_t(padded) * sizeof(float));
  });
  pager.release(norms2);
  return count;
}

template <Pager P>
void drop_outliers(P& pager, IndexShape const& shape, Sample* sample) {
  auto* norms2 = static_cast<double*>(pager.allocate((size_t(sample->count) + 1) * 2 * sizeof(double)));
  auto row_at = [&](uint32_t row) { return sample->rows + size_t(row) * shape.code_size; };
  for (uint32_t row = 0; row < sample->count; row++) {
    quant::RefineRowDisk head;
    std::memcpy(&head, row_at(row), sizeof head);
    bool is_finite = std::isfinite(math::half_to_float(head.error)) && head.norm2 < std::numeric_limits<float>::max();
    norms2[row] = is_finite ? double(head.norm2) : -1.0;
  }
  sample->count = keep_usual_rows(norms2, norms2 + sample->count, sample->count, [&](uint32_t from, uint32_t to) {
    std::memcpy(row_at(to), row_at(from), shape.code_size);
  });
  pager.release(norms2);
}

struct FrameShift {
  bool needed;
  double rms;  // of the sample around its own mean, in units of the old frame
};

// A frame serves while the mean of the data stays within half the spread of the data and the unit within a factor of
// four. mean[padded_dim] is that of the sample, in the old frame.
template <Pager P>
FrameShift frame_shift(P& pager, cluster::Rows const& sample, float* mean) {
  auto* sums = static_cast<double*>(pager.allocate(size_t(sample.dim) * sizeof(double)));
  auto* buffer = static_cast<float*>(pager.allocate(size_t(sample.dim) * sizeof(float)));
  std::memset(sums, 0, size_t(sample.dim) * sizeof(double));
  for (size_t row = 0; row < sample.count; row++) {
    float const* z = sample.read(row, buffer);
    for (uint32_t i = 0; i < sample.dim; i++) sums[i] += z[i];
  }
  double spread2 = 0, mean2 = 0;
  for (uint32_t i = 0; i < sample.dim; i++) {
    mean[i] = float(sums[i] / double(sample.count));
    mean2 += double(mean[i]) * mean[i];
  }
  for (size_t row = 0; row < sample.count; row++) {
    float const* z = sample.read(row, buffer);
    double norm2 = 0;
    for (uint32_t i = 0; i < sample.dim; i++) norm2 += (double(z[i]) - mean[i]) * (double(z[i]) - mean[i]);
    spread2 += norm2;
  }
  pager.release(buffer);
  pager.release(sums);
  spread2 /= double(sample.count);
  double rms = std::sqrt(spread2);
  return {spread2 > 0 && (mean2 > 0.25 * spread2 || rms > 4 || rms < 0.25), rms};
}

// Gives the index the frame that fits the sample, when the one in force does not, and moves the sample there in place.
template <Pager P>
Status fit_frame(P& pager, IndexShape const& shape, Manifest const& manifest, Sample const& sample, ObjectId* frame,
                 bool* is_new) {
  uint32_t padded = shape.padded_dim;
  auto* mean = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
  FrameShift shift = frame_shift(pager, cluster::code_rows(padded, sample.rows, sample.count), mean);
  *is_new = shift.needed || *frame == ObjectId::none;
  Status status;
  if (*is_new) {
    quant::Frame old{};
    if (status = load_frame(pager, shape, manifest, *frame, &old); !status.ok()) return status;
    float unit = quant::unit_of(old.unit * shift.rms), ratio = old.unit / unit;
    for (uint32_t i = 0; i < padded; i++) mean[i] = (mean[i] + old.mean[i]) * ratio;
    auto* z = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
    for (uint32_t row = 0; row < sample.count; row++) {
      std::byte* code = sample.rows + size_t(row) * shape.code_size;
      quant::decode_refine(padded, code, z);
      for (uint32_t i = 0; i < padded; i++) z[i] = (z[i] + old.mean[i]) * ratio - mean[i];
      quant::encode_refine(padded, z, code);
    }
    pager.release(z);
    status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
      Status added = add_frame(pager, shape, work, mean, unit, frame);
      return {added, added.ok() ? Edit::keep : Edit::discard};
    });
    pager.release(const_cast<float*>(old.mean));
  }
  pager.release(mean);
  return status;
}

// Whether the rows of a codebook get second lists. `trial`: the codebook, of which metric and dimensions are still to
// be filled in.
template <Pager P>
Status decide_spill(P& pager, IndexShape const& shape, ObjectId frame, Spill spill, cluster::SpillTrial trial,
                    bool* spills) {
  *spills = spill == Spill::on;
  if (spill != Spill::automatic) return {};
  pager.check_interrupts();
  Manifest manifest{};  // with the frame that the sample may have brought
  quant::Frame target{};
  Status status = load_manifest(pager, &manifest);
  if (status.ok()) status = load_frame(pager, shape, manifest, frame, &target);
  trial.metric = shape.metric;
  trial.dim = shape.dim;
  trial.mean = target.mean;
  trial.seed = shape.seed;
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  *header = ObjectHeaderDisk{};
  ManifestObject const* const before = manifest.find(ObjectId(manifest.header.epoch));
  if (status.ok() && before) status = read_header(pager, *before, header);
  bool const spills_now = header->spills != 0;
  pager.release(header);
  if (status.ok())
    status = pager.run_core([&]() -> Status {
      *spills = policy::spill_pays(cluster::spilled_code_ratio(trial), spills_now);
      return {};
    });
  if (target.mean) pager.release(const_cast<float*>(target.mean));
  release_manifest(pager, &manifest);
  return status;
}

}  // namespace detail

// Writes the codebook of a sample given in the frame in force: k-means, residuals, epoch. `index_rows` = rows of the
// index. Requires LockName::merge. The rows of the sample may be thinned, and moved to a new frame in place.
template <Pager P>
Status train_from_sample(P& pager, IndexShape const& shape, Manifest const& manifest, Sample sample,
                         TrainPlan const& plan, uint64_t index_rows, TrainResult* result) {
  *result = TrainResult{};
  uint32_t padded = shape.padded_dim;
  detail::drop_outliers(pager, shape, &sample);
  if (sample.count == 0) return {};
  ObjectId frame_id = ObjectId(manifest.header.frame);
  Status status = detail::fit_frame(pager, shape, manifest, sample, &frame_id, &result->new_frame);
  if (!status.ok()) return status;

  auto* centroids = static_cast<float*>(pager.allocate(size_t(plan.list_count) * padded * sizeof(float)));
  auto* residuals = static_cast<float*>(pager.allocate(size_t(plan.list_count) * sizeof(float)));
  cluster::TrainResult trained;
  cluster::TrainOptions options;
  options.list_count = plan.list_count;
  options.seed = shape.seed ^ index_rows;
  options.memory_max_bytes = plan.memory_max_bytes;
  options.should_stop = [](void* context) { return static_cast<P*>(context)->stop_requested(); };
  options.context = &pager;
  pager.note_phase(Phase::cluster, 0, 0);
  options.residuals2 = residuals;
  auto* row_counts = static_cast<uint32_t*>(pager.allocate(size_t(plan.list_count) * sizeof(uint32_t)));
  options.row_counts = row_counts;
  cluster::Rows rows = cluster::code_rows(padded, sample.rows, sample.count);
  status = pager.run_core([&] { return cluster::train_centroids(rows, options, centroids, trained); });
  if (status.code == Code::interrupted) pager.check_interrupts();
  if (!status.ok()) return status;

  uint32_t lists = trained.list_count;
  // What later rows are compared with must be what fresh rows have, not the rows that trained.
  float const fresh = float(policy::fresh_residual2(trained.mean_residual2, sample.count, lists));
  float const skew = float(policy::list_skew({row_counts, lists}));
  EpochParts parts{frame_id, lists, centroids, residuals, fresh, index_rows, nullptr, 0, skew};
  cluster::SpillTrial const trial{{}, 0, rows, nullptr, lists, centroids, residuals, row_counts, 0};
  status = detail::decide_spill(pager, shape, frame_id, plan.spill, trial, &parts.spills);
  if (!status.ok()) return status;
  status = write_epoch(pager, shape, parts, &result->epoch);
  result->list_count = lists;
  result->sample_count = sample.count;
  pager.release(row_counts);
  pager.release(residuals);
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
