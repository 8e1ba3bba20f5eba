// Seal, merge and compaction are one thing: inputs (frozen growing objects and segments) become one new segment without
// their dead rows, published by one edit that also retires the inputs. README.md: "Rewrite" and the proof that no dead
// row returns.
#pragma once
#include "core/cluster/assign_codes.hpp"
#include "store/access.hpp"
#include "store/row_source.hpp"
#include "store/segment_writer.hpp"

namespace strata::store {

constexpr uint32_t rewrite_inputs_max = 64;
constexpr uint32_t rows_per_note = 1024;

struct RewriteResult {
  ObjectId output;  // none when no row was left
  uint64_t row_count;
  uint64_t dropped_count;
  uint64_t input_rows;
  uint32_t page_count;
};

// Where the output goes: by default it is cold when all inputs are.
enum class Destination : uint8_t { as_inputs, hot, cold };

namespace detail {

struct PlacedRow {
  uint32_t list;  // list_count: zero vector; list_count + 1: NULL vector
  uint32_t input;
  uint32_t row;
};

constexpr uint32_t not_copied = UINT32_MAX;

struct Rewrite {
  RowSource* inputs;
  uint32_t input_count;
  EpochView* epoch;  // null: flat output
  quant::Frame target;
  ObjectId target_frame;
  Array<PlacedRow> rows;  // live rows, then sorted by list
  uint32_t list_count;    // of the output; 1 stands for flat
  uint32_t zero_count, null_count;
  uint32_t** positions;  // [input][row] -> row of the output
  Tier tier;             // of the output
};

// When the newest rows of an input were sealed, or are now.
inline uint32_t rows_since_of(ObjectDisk const& disk, int64_t now) {
  if (disk.kind != ObjectKind::segment) return policy::minutes_of(now);
  return disk.rows_since ? disk.rows_since : policy::minutes_of(disk.created_at);
}

inline Tier tier_of(Rewrite const& work, Destination destination) {
  if (destination != Destination::as_inputs) return destination == Destination::cold ? Tier::cold : Tier::hot;
  for (uint32_t i = 0; i < work.input_count; i++)
    if (work.inputs[i].object.disk.tier == uint8_t(Tier::hot)) return Tier::hot;
  return Tier::cold;
}

// Names the list of every live row: from the directory when the codebook is the same, else by assignment.
template <Pager P>
Status place_rows(P& pager, IndexShape const& shape, Rewrite& work) {
  cluster::CodeSet set{};
  void *panels = nullptr, *scratch = nullptr;
  float* centroids = nullptr;
  uint32_t padded = shape.padded_dim;
  uint32_t batch_max = uint32_t((size_t(1) << 20) / shape.code_size);
  if (batch_max > 1024) batch_max = 1024;
  auto* batch = static_cast<std::byte*>(pager.allocate(size_t(batch_max) * shape.code_size));
  auto* z = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
  auto* lists = static_cast<uint32_t*>(pager.allocate(size_t(batch_max) * sizeof(uint32_t)));
  uint32_t waiting = 0, waiting_first = 0;
  // Rows of a batch are the last `waiting` ranked rows pushed: unranked rows in between flush first.
  auto assign_batch = [&]() -> Status {
    if (waiting == 0) return {};
    if (!set.list_count) {
      if (Status status = load_centroids(pager, shape, *work.epoch, &centroids); !status.ok()) return status;
      panels = pager.allocate(cluster::code_set_size(padded, work.epoch->list_count));
      scratch = pager.allocate(cluster::code_scratch_size(padded, work.epoch->list_count));
      set = cluster::prepare_codes(padded, centroids, work.epoch->list_count, panels);
    }
    cluster::assign_codes(set, batch, shape.code_size, waiting, lists, nullptr, scratch);
    for (uint32_t i = 0; i < waiting; i++) work.rows[waiting_first + i].list = lists[i];
    waiting = 0;
    pager.check_interrupts();
    return {};
  };
  Status status;
  uint64_t placed = 0, total = 0;
  for (uint32_t input = 0; input < work.input_count; input++) total += work.inputs[input].row_count;
  for (uint32_t input = 0; input < work.input_count && status.ok(); input++) {
    RowSource& source = work.inputs[input];
    bool same_epoch = work.epoch && source.object.disk.kind == ObjectKind::segment &&
                      source.object.disk.epoch == work.epoch->object->disk.id;
    for (uint32_t row = 0; row < source.row_count && status.ok(); row++) {
      if (placed++ % rows_per_note == 0) {
        pager.note_phase(Phase::place, placed - 1, total);
        pager.check_interrupts();
      }
      if (sets::bitmap_test(source.deleted, row)) continue;
      bool ranked_known = source.header != nullptr;
      if (ranked_known && row < source.header->ranked_count && (same_epoch || !work.epoch)) {
        uint32_t list = 0;
        if (same_epoch) status = list_of_row(pager, source, row, &list);
        work.rows.push(pager, {list, input, row});
        continue;
      }
      RowView view;
      status = fetch_row(pager, shape, source, row, &view);
      if (!status.ok()) break;
      if (view.flags) {
        status = assign_batch();
        bool zero = view.flags & format::row_is_zero && !(view.flags & format::row_is_null);
        (zero ? work.zero_count : work.null_count)++;
        work.rows.push(pager, {work.list_count + (zero ? 0 : 1), input, row});
        continue;
      }
      work.rows.push(pager, {0, input, row});
      if (!work.epoch) continue;
      if (waiting == 0) waiting_first = work.rows.count - 1;
      std::byte* code = batch + size_t(waiting) * shape.code_size;
      if (source.reframe)
        reframe_row(pager, shape, source, work.target, &view, z, code);
      else
        std::memcpy(code, view.refine, shape.code_size);
      if (++waiting == batch_max) status = assign_batch();
    }
    if (status.ok()) status = assign_batch();
  }
  if (centroids) pager.release(centroids);
  if (panels) pager.release(panels);
  if (scratch) pager.release(scratch);
  pager.release(batch);
  pager.release(lists);
  pager.release(z);
  return status;
}

// Stable counting sort by list: within a list rows keep the order of inputs and rows.
template <Pager P>
void sort_rows(P& pager, Rewrite& work) {
  uint32_t buckets = work.list_count + 2;
  auto* start = static_cast<uint32_t*>(pager.allocate((size_t(buckets) + 1) * sizeof(uint32_t)));
  std::memset(start, 0, (size_t(buckets) + 1) * sizeof(uint32_t));
  for (PlacedRow const& row : work.rows) start[row.list + 1]++;
  for (uint32_t i = 0; i < buckets; i++) start[i + 1] += start[i];
  auto* sorted = static_cast<PlacedRow*>(pager.allocate((size_t(work.rows.count) + 1) * sizeof(PlacedRow)));
  for (PlacedRow const& row : work.rows) sorted[start[row.list]++] = row;
  pager.release(start);
  if (work.rows.items) pager.release(work.rows.items);
  work.rows.items = sorted;
}

// Whether the codes of an input can be taken over as they are: nothing is decoded, lists are put together.
inline bool shares_codes(Rewrite const& work, RowSource const& source) {
  uint32_t const epoch = work.epoch ? work.epoch->object->disk.id : 0;
  return source.header && !source.reframe && source.object.disk.epoch == epoch;
}

template <Pager P>
Status write_rows(P& pager, IndexShape const& shape, Rewrite& work, SegmentSpec const& spec,
                  ManifestObject const& target, ObjectHeaderDisk* header) {
  SegmentWriter<P> writer(pager, shape, spec, target, header);
  auto* z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  auto* refine = static_cast<std::byte*>(pager.allocate(shape.refine_size));
  for (uint32_t at = 0; at < work.rows.count; at++) {
    PlacedRow const& placed = work.rows[at];
    RowSource& source = work.inputs[placed.input];
    if (at % rows_per_note == 0) pager.note_phase(Phase::write, at, work.rows.count);
    RowView view;
    Status status = fetch_row(pager, shape, source, placed.row, &view);
    if (!status.ok()) return status;
    ScanCode code{};
    if (!view.flags && source.reframe) {
      std::memcpy(refine + shape.code_size, view.refine + shape.code_size, shape.copy_size);
      reframe_row(pager, shape, source, work.target, &view, z, refine);
    } else if (!view.flags && shares_codes(work, source)) {
      status = fetch_scan_code(pager, shape, source, placed.row, placed.list, &code);
    }
    if (status.ok()) status = writer.append(placed.list, view, code);
    if (!status.ok()) return status;
    work.positions[placed.input][placed.row] = at;
  }
  pager.release(z);
  pager.release(refine);
  return writer.finish();
}

// Carries delete bits set since the rows were copied into the output: the interlock with VACUUM. Runs under
// LockName::edit, so that a VACUUM that sets a bit later finds the output in the manifest it must read before it ends.
template <Pager P>
Status reconcile(P& pager, IndexShape const& shape, Rewrite& work, ManifestObject const& target, uint32_t row_count) {
  size_t bytes = sets::bitmap_size(row_count);
  auto* fresh = static_cast<std::byte*>(pager.allocate(bytes + 1));
  std::memset(fresh, 0, bytes + 1);
  uint32_t count = 0;
  for (uint32_t input = 0; input < work.input_count; input++) {
    RowSource& source = work.inputs[input];
    if (source.header) {
      uint32_t before = source.delete_generation;
      if (Status status = read_header(pager, source.object, source.header); !status.ok()) return status;
      if (source.header->delete_generation == before) continue;
    }
    if (Status status = read_deleted(pager, shape, source); !status.ok()) return status;
    for (uint32_t row = 0; row < source.row_count; row++)
      if (work.positions[input][row] != not_copied && sets::bitmap_test(source.deleted, row) &&
          sets::bitmap_set(fresh, work.positions[input][row]))
        count++;
  }
  Status status;
  if (count) {
    ObjectHeaderDisk* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
    status = read_header(pager, target, header);
    StreamDisk const* stream = status.ok() ? find_stream(*header, StreamKind::delete_bitmap) : nullptr;
    for (uint32_t page = 0; stream && page < stream->page_count; page++) {
      size_t offset = size_t(page) * stream->bytes_per_page;
      size_t part = bytes - offset < stream->bytes_per_page ? bytes - offset : stream->bytes_per_page;
      uint32_t added = uint32_t(sets::bitmap_count(fresh + offset, 0, part * 8));
      if (!added) continue;
      pager.change([&](auto& action) {
        auto& head = action.open(block_of(target, 0)).template as<ObjectHeaderDisk>();
        head.deleted_count += added;
        head.delete_generation++;
        format::PageSpan bits = action.open(block_of(target, stream->first_page + page));
        for (size_t i = 0; i < part; i++) bits.body()[i] |= fresh[offset + i];
        return 0;
      });
    }
    pager.release(header);
  }
  pager.release(fresh);
  return status;
}

template <Pager P>
Status publish(P& pager, IndexShape const& shape, Rewrite& work, ManifestObject const* target, uint32_t row_count) {
  pager.note_phase(Phase::publish, row_count, row_count);
  return edit_manifest(pager, [&](Manifest& manifest) -> EditResult {
    if (target && !pager.fault(Fault::skip_reconcile))
      if (Status status = reconcile(pager, shape, work, *target, row_count); !status.ok())
        return {status, Edit::discard};
    uint64_t xid = pager.next_xid();
    bool merged = false;
    policy::Hits hits;
    uint32_t rows_since = 0, moved_at = 0;
    int64_t const now = pager.now();
    for (uint32_t input = 0; input < work.input_count; input++) {
      ManifestObject* object = manifest.find(work.inputs[input].object.id());
      if (!object || (object->disk.state != ObjectState::live && object->disk.state != ObjectState::frozen))
        return {corrupt("input of a rewrite vanished", work.inputs[input].object.disk.id), Edit::discard};
      object->disk.state = ObjectState::retired;
      object->disk.retired_xid = xid;
      merged = merged || object->disk.kind == ObjectKind::segment;
      hits = policy::join_hits(hits, hits_of(object->disk), now);
      bool const moves = object->disk.kind == ObjectKind::segment && object->disk.tier != uint8_t(work.tier);
      moved_at = std::max(moved_at, moves ? policy::minutes_of(now) : object->disk.moved_at);
      rows_since = std::max(rows_since, rows_since_of(object->disk, now));
    }
    if (target) {
      ManifestObject* object = manifest.find(target->id());
      if (!object) return {corrupt("output of a rewrite vanished", target->disk.id), Edit::discard};
      object->disk.state = ObjectState::live;
      keep_hits(object->disk, hits);
      object->disk.moved_at = moved_at;
      object->disk.rows_since = merged ? rows_since : 0;
      uint64_t bytes = uint64_t(object->disk.page_count) * (format::page_content_size + 24);
      (merged ? manifest.header.merged_rows : manifest.header.sealed_rows) += row_count;
      (merged ? manifest.header.merged_bytes : manifest.header.sealed_bytes) += bytes;
    }
    return {{}, Edit::keep};
  });
}

template <Pager P>
void release_rewrite(P& pager, Rewrite& work) {
  for (uint32_t i = 0; i < work.input_count; i++) {
    if (work.positions && work.positions[i]) pager.release(work.positions[i]);
    close_source(pager, &work.inputs[i]);
  }
  if (work.positions) pager.release(work.positions);
  if (work.rows.items) pager.release(work.rows.items);
  if (work.epoch) pager.release(work.epoch);
  if (work.target.mean) pager.release(const_cast<float*>(work.target.mean));
  pager.release(work.inputs);
}

}  // namespace detail

// Rewrites `ids` (live segments, frozen and fenced growing objects) into one segment under the codebook and frame in
// force. Requires LockName::merge on entry; holds it on exit. Cancel or crash at any point leaves at most an object in
// state building, which the next holder of the lock removes.
template <Pager P>
Status rewrite(P& pager, ObjectId const* ids, uint32_t id_count, RewriteResult* result,
               Destination destination = Destination::as_inputs) {
  *result = RewriteResult{};
  if (id_count == 0 || id_count > rewrite_inputs_max)
    return invalid("a rewrite takes between 1 and 64 inputs", id_count);
  auto* manifest = static_cast<Manifest*>(pager.allocate(sizeof(Manifest)));
  if (Status status = load_manifest(pager, manifest); !status.ok()) return status;
  IndexShape shape = shape_of(manifest->meta);
  detail::Rewrite work{};
  work.inputs = static_cast<RowSource*>(pager.allocate(sizeof(RowSource) * id_count));
  work.target_frame = ObjectId(manifest->header.frame);
  Status status = load_frame(pager, shape, *manifest, work.target_frame, &work.target);
  uint64_t live_estimate = 0;
  uint32_t merge_count = 0;
  for (uint32_t i = 0; i < id_count && status.ok(); i++) {
    ManifestObject const* object = manifest->find(ids[i]);
    if (!object) return corrupt("input of a rewrite is not in the manifest", raw(ids[i]));
    status = open_source(pager, shape, *manifest, *object, work.target_frame, &work.inputs[work.input_count++]);
    RowSource const& source = work.inputs[i];
    result->input_rows += source.row_count;
    live_estimate += source.row_count - sets::bitmap_count(source.deleted, 0, source.row_count);
    if (object->disk.kind == ObjectKind::segment && object->disk.merge_count + 1 > merge_count)
      merge_count = object->disk.merge_count + 1;
  }
  // Fewer rows than half the lists: probing would read more directory than a flat scan reads codes.
  ObjectId epoch = ObjectId(manifest->header.epoch);
  if (status.ok() && epoch != ObjectId::none) {
    ManifestObject const* object = manifest->find(epoch);
    if (object && live_estimate >= object->disk.list_count / 2)
      status = open_epoch(pager, shape, *manifest, epoch, &work.epoch);
  }
  for (uint32_t i = 0; i < work.input_count && work.epoch && status.ok(); i++) {
    ObjectDisk const& disk = work.inputs[i].object.disk;
    if (disk.epoch == raw(epoch) && disk.list_count != work.epoch->list_count)
      status = corrupt("segment and its epoch differ in the number of lists", disk.id);
  }
  if (status.ok() && live_estimate >= UINT32_MAX)
    status = {Code::limit, "a segment cannot hold that many rows", live_estimate};
  if (!status.ok()) return status;
  work.list_count = work.epoch ? work.epoch->list_count : 1;
  work.tier = detail::tier_of(work, destination);
  work.positions = static_cast<uint32_t**>(pager.allocate(sizeof(uint32_t*) * id_count));
  for (uint32_t i = 0; i < id_count; i++) {
    size_t bytes = (size_t(work.inputs[i].row_count) + 1) * sizeof(uint32_t);
    work.positions[i] = static_cast<uint32_t*>(pager.allocate(bytes));
    std::memset(work.positions[i], 0xFF, bytes);
  }
  work.rows.reserve(pager, uint32_t(live_estimate) + 1);
  status = detail::place_rows(pager, shape, work);
  if (!status.ok()) return status;
  uint32_t row_count = work.rows.count;
  result->row_count = row_count;
  result->dropped_count = result->input_rows - row_count;
  if (row_count == 0) {
    status = detail::publish(pager, shape, work, nullptr, 0);
  } else {
    detail::sort_rows(pager, work);
    SegmentSpec spec{work.target_frame, work.epoch,  row_count, row_count - work.zero_count - work.null_count,
                     work.zero_count,   merge_count, work.tier};
    ManifestObject target{};
    ObjectHeaderDisk* header = nullptr;
    status = begin_segment(pager, shape, spec, &target, &header);
    if (status.ok()) status = detail::write_rows(pager, shape, work, spec, target, header);
    if (status.ok()) status = detail::publish(pager, shape, work, &target, row_count);
    result->output = target.id();
    result->page_count = target.disk.page_count;
    if (header) pager.release(header);
  }
  detail::release_rewrite(pager, work);
  release_manifest(pager, manifest);
  pager.release(manifest);
  return status;
}

}  // namespace strata::store
