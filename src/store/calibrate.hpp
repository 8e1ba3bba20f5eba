// Calibration of the stop rule: rows of the index play queries, a search over all lists gives their true neighbours (by
// second-stage codes), and the policy learns what a search sees on its way to them. The first queries also tell how far
// it is worth while to go: the others stop there, and for the work of a few hundred there are thousands. Kept as an
// object of its own, since the codebook is older than the segments it is used on, and both change at their own pace.
#pragma once
#include <algorithm>

#include "core/policy/codebook_policy.hpp"
#include "core/policy/stop_train.hpp"
#include "store/search.hpp"
#include "store/train.hpp"

namespace strata::store {

struct CalibrateResult {
  ObjectId calibration;  // none when there was nothing to calibrate
  uint32_t query_count;
  uint64_t code_count;  // first-stage codes scanned
};

namespace detail {

// At k = 1 a query is a hit or a miss: of 1,000, thresholds for 0.95 came out between .938 and .964, of 2,500 between
// .946 and .953. More would take more memory than time.
constexpr uint32_t calibration_query_max = 4000;
// Those that see all lists. A hundred did as well; of fewer it is luck how deep the others go.
constexpr uint32_t calibration_whole_count = 128;
// The work is that of so many queries through all lists.
constexpr uint32_t calibration_work_query_max = 2500;
constexpr uint32_t calibration_work_query_min = 250;

// One query through lists, nearest first, until the trainer has seen enough.
template <Pager P>
Status calibrate_query(P& pager, Search& search, policy::StopTrainer& trainer) {
  // A thousand lists by exact keys, as searches order theirs: with fewer, some that estimates misplace would come too
  // late, and searches find more than they are asked for (.996 for .99 on GloVe). Most queries come no farther.
  constexpr uint32_t near_lists = 336;
  search.target = policy::stop_k_max + 1;
  trainer.begin_query();
  while (search.probed < search.order.count && !trainer.saw_enough()) {
    if (search.probed == search.order_sorted)
      if (Status status = order_lists(pager, search, search.probed ? search.order.count : near_lists); !status.ok())
        return status;
    ListRank const rank = search.order[search.probed];
    uint32_t const before = search.scores.count;
    if (Status status = probe_next(pager, search); !status.ok()) return status;
    for (uint32_t i = before; i < search.scores.count; i++) search.scores[i] = tracked(search, search.scores[i]);
    float const weight = list_weight(search, rank.epoch);
    trainer.add_list(tracked(search, rank.key), weight, search.scores.items + before, search.scores.count - before);
    forget_runs(pager, search);
    search.candidates.count = 0;
    search.scores.count = 0;
  }
  bool const knows_next = search.probed < search.order_sorted;
  trainer.end_query(knows_next ? tracked(search, search.order[search.probed].key) : infinity);
  pager.check_interrupts();
  return {};
}

struct Calibration {
  Manifest manifest;
  IndexShape shape;
  ObjectId epoch;
  uint64_t listed_rows;     // ranked rows of segments under the epoch
  uint64_t listed_deleted;  // deleted ones of these
  double listed_residual2;  // their mean squared residual
  uint64_t code_count;      // scanned by queries
  uint64_t scanned_rows;    // ranked rows of all segments with lists
  float* vector;            // float[dim], a query
  float* z;                 // two times padded_dim
  std::byte* refine;
  uint32_t list_count;     // of the epoch
  Array<uint64_t> askers;  // listed rows that were queries
  // The segment that queries are drawn from now, and the rows of those before it.
  uint32_t object_at;
  uint64_t rows_before;
  ObjectHeaderDisk* header;
  quant::Frame frame;
};

inline bool is_listed(Calibration const& work, ManifestObject const& object) {
  return object.disk.kind == ObjectKind::segment && object.disk.state == ObjectState::live &&
         object.disk.epoch == raw(work.epoch);
}

// Publishes a model in place of the older ones of its epoch.
template <Pager P>
Status write_calibration(P& pager, Calibration const& calibration, policy::StopModelDisk const& model, ObjectId* id) {
  ObjectId const epoch = calibration.epoch;
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  *header = ObjectHeaderDisk{};
  StreamPlan plan{StreamKind::stop_model, format::no_column, 0, format::page_body_size, sizeof model};
  uint32_t const page_count = plan_streams(&plan, 1, header).main;
  uint64_t const live = calibration.listed_rows - calibration.listed_deleted;
  uint32_t const rows = live > UINT32_MAX ? UINT32_MAX : uint32_t(live);
  Status status = edit_manifest(pager, [&](Manifest& work) -> EditResult {
    for (auto& object : work.objects) {
      bool const older = object.disk.kind == ObjectKind::calibration && object.disk.state == ObjectState::live;
      if (!older || object.disk.epoch != raw(epoch)) continue;
      object.disk.state = ObjectState::retired;
      object.disk.retired_xid = pager.next_xid();
    }
    ManifestObject* object = add_object(pager, work, ObjectKind::calibration, ObjectState::live);
    allocate_extents(pager, work, page_count, &object->extents);
    object->disk.page_count = page_count;
    object->disk.epoch = raw(epoch);
    object->disk.row_count = rows;
    object->disk.hits = work.header.sealed_rows;
    header->id = object->disk.id;
    header->kind = ObjectKind::calibration;
    header->row_count = rows;
    header->epoch = raw(epoch);
    header->listed_residual2 = float(calibration.listed_residual2);
    ObjectWriter<P> writer(pager, *object, header);
    writer.append(0, &model, sizeof model);
    *id = object->id();
    Status const written = writer.finish();
    return {written, written.ok() ? Edit::keep : Edit::discard};
  });
  pager.release(header);
  return status;
}

// Makes the segment that holds listed row `at` the one that is read. Rows only go up.
template <Pager P>
Status find_segment(P& pager, Calibration& work, uint64_t at) {
  auto holds = [&] {
    ManifestObject const& object = work.manifest.objects[work.object_at];
    return is_listed(work, object) && at - work.rows_before < object.disk.ranked_count;
  };
  if (work.frame.mean && holds()) return {};
  for (; !holds(); work.object_at++) {
    ManifestObject const& object = work.manifest.objects[work.object_at];
    if (is_listed(work, object)) work.rows_before += object.disk.ranked_count;
  }
  ManifestObject const& object = work.manifest.objects[work.object_at];
  if (work.frame.mean) pager.release(const_cast<float*>(work.frame.mean));
  work.frame.mean = nullptr;
  if (Status status = read_header(pager, object, work.header); !status.ok()) return status;
  return load_frame(pager, work.shape, work.manifest, ObjectId(object.disk.frame), &work.frame);
}

template <Pager P>
Status read_part(P& pager, Calibration const& work, StreamKind kind, uint64_t offset, uint32_t size, void* out) {
  ManifestObject const& object = work.manifest.objects[work.object_at];
  StreamDisk const* stream = find_stream(*work.header, kind);
  if (!stream) return corrupt("segment lacks a stream", object.disk.id);
  return read_stream(pager, object, *stream, offset, size, out);
}

// Whether row `row` of the segment may play a query: it never trained a codebook, and it is not deleted.
template <Pager P>
Status can_ask(P& pager, Calibration const& work, uint32_t row, bool* can) {
  std::byte id[6];
  if (Status status = read_part(pager, work, StreamKind::ids, uint64_t(row) * sizeof id, sizeof id, id); !status.ok())
    return status;
  *can = policy::is_held_out(format::load_tid(id));
  if (!*can || work.header->deleted_count == 0) return {};
  uint8_t byte = 0;
  Status const status = read_part(pager, work, StreamKind::delete_bitmap, row / 8, 1, &byte);
  *can = !(byte >> (row % 8) & 1);
  return status;
}

// Turns row `row` of the segment into a query.
template <Pager P>
Status read_query(P& pager, Calibration& work, uint32_t row) {
  IndexShape const& shape = work.shape;
  Status const status =
      read_part(pager, work, StreamKind::refine_codes, uint64_t(row) * shape.refine_size, shape.code_size, work.refine);
  if (!status.ok()) return status;
  quant::decode_refine(shape.padded_dim, work.refine, work.z);
  for (uint32_t i = 0; i < shape.padded_dim; i++) work.z[i] = (work.z[i] + work.frame.mean[i]) * work.frame.unit;
  quant::rotate_back(shape.seed, shape.dim, work.z, work.vector, work.z + shape.padded_dim);
  return {};
}

// Takes listed row `at` through the lists.
template <Pager P>
Status run_query(P& pager, Calibration& work, uint64_t at, policy::StopTrainer& trainer) {
  uint32_t const row = uint32_t(at - work.rows_before);
  Status status = read_query(pager, work, row);
  Search* search = nullptr;
  SearchOptions options;
  options.recall_target = 0.999;
  if (status.ok()) status = start_search(pager, work.vector, options, &search);
  if (!status.ok()) return status;
  uint32_t const segment = work.manifest.objects[work.object_at].disk.id;
  for (uint32_t source = 0; source < search->sources.count; source++)
    if (search->sources[source].object->disk.id == segment) search->skip_source = source;
  search->skip_row = row;
  search->model_lists = work.list_count;
  status = calibrate_query(pager, *search, trainer);
  work.code_count += search->counters.code_count;
  release_search(pager, search);
  return status;
}

template <Pager P>
void rewind(P& pager, Calibration& work) {
  if (work.frame.mean) pager.release(const_cast<float*>(work.frame.mean));
  work.frame.mean = nullptr;
  work.object_at = 0;
  work.rows_before = 0;
}

// Queries are spread evenly over the rows, which lie in the order of segments and lists: all regions of the data have
// their share, which makes the mean recall of a sample vary less than that of rows drawn freely. Rows that were queries
// in an earlier run are passed over.
template <Pager P>
Status run_queries(P& pager, Calibration& work, uint32_t query_count, policy::StopTrainer& trainer) {
  uint32_t const asked = work.askers.count, total = asked + query_count;
  Random random((work.shape.seed ^ work.manifest.meta.generation) + asked);
  double const stride = double(work.listed_rows) / query_count, start = random.unit() * stride;
  uint64_t next = 0;
  rewind(pager, work);
  std::sort(work.askers.begin(), work.askers.end());
  for (uint32_t query = 0; query < query_count; query++) {
    pager.note_phase(Phase::query, asked + query, total);
    uint64_t at = uint64_t(start + query * stride);
    bool can = false;
    for (at = at < next ? next : at; at < work.listed_rows; at++) {
      if (std::binary_search(work.askers.items, work.askers.items + asked, at)) continue;
      Status status = find_segment(pager, work, at);
      if (status.ok()) status = can_ask(pager, work, uint32_t(at - work.rows_before), &can);
      if (!status.ok()) return status;
      if (can) break;
    }
    if (!can) break;
    next = at + 1;
    if (Status status = run_query(pager, work, at, trainer); !status.ok()) return status;
    work.askers.push(pager, at);
  }
  return {};
}

// First queries through all lists, then others as far as these say, for the work of `work_query_count` of the first
// kind. So few tell the mean depth badly, and it was chosen by them: half of the others tell how many more fit.
template <Pager P>
Status ask_all(P& pager, Calibration& work, uint32_t work_query_count, policy::StopTrainer& trainer) {
  Status status = run_queries(pager, work, std::min(calibration_whole_count, work_query_count), trainer);
  uint32_t const whole = trainer.query_count(), wanted = calibration_query_max - whole;
  if (!status.ok() || whole == 0 || whole >= work_query_count) return status;
  double const whole_codes = double(work.code_count) / whole, codes = whole_codes * work_query_count;
  constexpr double planned_share = 0.6;  // of the work that is left; depths may come out twice as large
  double const lists = double(work.list_count) * (work_query_count - whole);
  double const depth = trainer.learn_depth(planned_share * lists / wanted);
  double const share = depth > 0 ? std::min(depth / work.list_count, 1.0) : 1.0;
  double mean = whole_codes * share;
  for (uint32_t part : {2, 1}) {
    double const fit = (codes - double(work.code_count)) / mean;
    uint32_t const before = trainer.query_count(), left = calibration_query_max - before;
    uint32_t const count = (fit < left ? uint32_t(std::max(fit, 0.0)) : left) / part;
    uint64_t const scanned = work.code_count;
    if (status.ok() && count > 0) status = run_queries(pager, work, count, trainer);
    if (trainer.query_count() > before) mean = double(work.code_count - scanned) / (trainer.query_count() - before);
  }
  return status;
}

template <Pager P>
Status ask_and_train(P& pager, Calibration& work, uint32_t work_query_count, policy::StopTrainer& trainer,
                     policy::StopModelDisk* model, CalibrateResult* result) {
  Status status = ask_all(pager, work, work_query_count, trainer);
  policy::StopTrainOptions options;
  options.row_count = double(work.scanned_rows);
  // Too few rows for any k is no error: searches do without a model.
  if (status.ok() && trainer.train(options, *model).ok())
    status = write_calibration(pager, work, *model, &result->calibration);
  result->query_count = trainer.query_count();
  result->code_count = work.code_count;
  return status;
}

template <Pager P>
Status calibrate_epoch(P& pager, Calibration& work, uint32_t work_query_count, CalibrateResult* result) {
  work.list_count = work.manifest.find(work.epoch)->disk.list_count;
  void* memory = pager.allocate(policy::StopTrainer::memory_size(calibration_query_max, work.list_count));
  policy::StopTrainer trainer(calibration_query_max, work.list_count, memory);
  work.vector = static_cast<float*>(pager.allocate(size_t(work.shape.dim) * sizeof(float)));
  work.z = static_cast<float*>(pager.allocate(size_t(work.shape.padded_dim) * 2 * sizeof(float)));
  work.refine = static_cast<std::byte*>(pager.allocate(work.shape.code_size));
  work.header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  auto* model = static_cast<policy::StopModelDisk*>(pager.allocate(sizeof(policy::StopModelDisk)));
  Status const status = ask_and_train(pager, work, work_query_count, trainer, model, result);
  rewind(pager, work);
  if (work.askers.items) pager.release(work.askers.items);
  for (void* part : {static_cast<void*>(model), static_cast<void*>(work.header), static_cast<void*>(work.refine),
                     static_cast<void*>(work.z), static_cast<void*>(work.vector), memory})
    pager.release(part);
  return status;
}

template <Pager P>
Status count_listed_rows(P& pager, Calibration& work) {
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  Status status;
  for (auto const& object : work.manifest.objects) {
    if (object.disk.kind != ObjectKind::segment || object.disk.state != ObjectState::live) continue;
    if (object.disk.epoch) work.scanned_rows += object.disk.ranked_count;
    if (!is_listed(work, object)) continue;
    if (status = read_header(pager, object, header); !status.ok()) break;
    work.listed_rows += object.disk.ranked_count;
    work.listed_deleted += std::min(header->deleted_count, object.disk.ranked_count);
    work.listed_residual2 += double(header->mean_residual2) * object.disk.ranked_count;
  }
  if (work.listed_rows) work.listed_residual2 /= double(work.listed_rows);
  pager.release(header);
  return status;
}

}  // namespace detail

// Codes that a calibration of so many rows in lists scans, at the most but for the chance in how far its queries go.
inline uint64_t calibration_code_count(uint64_t listed_rows, uint64_t work_max) {
  using namespace detail;
  uint64_t const queries = listed_rows ? work_max / listed_rows : calibration_work_query_max;
  return listed_rows * std::clamp<uint64_t>(queries, calibration_work_query_min, calibration_work_query_max);
}

// Calibrates the codebook in force on the segments that use it. Requires LockName::merge. Costs about as much as 250 to
// 2,500 scans of all first-stage codes; `work_max` bounds the number of codes scanned within that.
template <Pager P>
Status calibrate(P& pager, uint64_t work_max, CalibrateResult* result) {
  *result = CalibrateResult{};
  pager.note_task(Task::calibrate, nullptr, 0);
  detail::Calibration work{};
  if (Status status = load_manifest(pager, &work.manifest); !status.ok()) return status;
  work.shape = shape_of(work.manifest.meta);
  work.epoch = ObjectId(work.manifest.header.epoch);
  Status status = detail::count_listed_rows(pager, work);
  if (status.ok() && work.epoch != ObjectId::none && work.listed_rows > policy::stop_k_max) {
    uint64_t const queries = calibration_code_count(work.listed_rows, work_max) / work.listed_rows;
    status = detail::calibrate_epoch(pager, work, uint32_t(queries), result);
  }
  release_manifest(pager, &work.manifest);
  return status;
}

}  // namespace strata::store
