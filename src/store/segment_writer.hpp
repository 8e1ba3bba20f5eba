// Writing a sealed segment row by row, in list order: the one bulk path of CREATE INDEX, seal, merge and compaction.
//
// Rows arrive with their refine codes in the segment's frame. Scan codes are made here from the reconstruction, or
// taken over as they are when the row comes from a segment of the same frame and codebook.
#pragma once
#include "core/sets/bloom.hpp"
#include "store/column_writer.hpp"
#include "store/epoch.hpp"
#include "store/growing.hpp"
#include "store/ordered_codes.hpp"
#include "store/spill_writer.hpp"

namespace strata::store {

// Of a cold segment the pages that a search reads only for the few rows that survive its scan lie in the companion.
enum class Tier : uint8_t { hot = 0, cold = 1 };

struct SegmentSpec {
  ObjectId frame;
  EpochView const* epoch;  // null: flat
  uint32_t row_count;      // ranked_count + zero_count + rows whose vector is NULL
  uint32_t ranked_count;
  uint32_t zero_count;
  uint32_t merge_count;
  Tier tier = Tier::hot;
};

namespace detail {
enum SegmentStream : uint32_t {
  ids_at,
  hashes_at,
  bitmap_at,
  tid_bloom_at,
  hash_bloom_at,
  scan_at,
  refine_at,
  directory_at,
  spill_codes_at,
  spill_rows_at,
  spill_directory_at,
  segment_stream_count
};

// Streams that do not depend on filter columns; those of the columns come next.
inline uint32_t fixed_stream_count(SegmentSpec const& spec) {
  if (!spec.epoch) return directory_at;
  return spec.epoch->spills ? segment_stream_count : spill_codes_at;
}
}  // namespace detail

// Puts a segment of this size into the manifest, state building. Requires LockName::merge. *target and *header are made
// in pager memory for the SegmentWriter; publish or remove_object ends it.
template <Pager P>
Status begin_segment(P& pager, IndexShape const& shape, SegmentSpec const& spec, ManifestObject* target,
                     ObjectHeaderDisk** header_out) {
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  *header_out = header;
  *header = ObjectHeaderDisk{};
  uint32_t block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits);
  uint64_t rows = spec.row_count, ranked = spec.ranked_count;
  uint64_t blocks = (ranked + quant::block_rows - 1) / quant::block_rows;
  uint64_t bloom_bytes = uint64_t(sets::bloom_block_count(rows)) * sets::bloom_block_size;
  constexpr uint32_t body = format::page_body_size;
  constexpr uint32_t bloom_page = detail::bloom_page_size;
  constexpr uint32_t plan_count_max = detail::segment_stream_count + column_stream_count * indexed_column_count_max + 1;
  static_assert(plan_count_max <= format::stream_count_max);
  uint64_t const directory_bytes =
      spec.epoch ? (uint64_t(spec.epoch->list_count) + 1) * sizeof(format::DirectoryEntryDisk) : 0;
  StreamPlan plans[plan_count_max] = {
      {StreamKind::ids, format::no_column, 6, body, rows * 6},
      {StreamKind::hashes, format::no_column, 8, body, rows * 8},
      {StreamKind::delete_bitmap, format::no_column, 0, body, (rows + 7) / 8},
      {StreamKind::bloom, format::tid_column, sets::bloom_block_size, bloom_page, bloom_bytes},
      {StreamKind::bloom, format::hash_column, sets::bloom_block_size, bloom_page, bloom_bytes},
      {StreamKind::scan_codes, format::no_column, block_bytes, format::scan_stream_bytes_per_page,
       blocks * block_bytes},
      {StreamKind::refine_codes, format::no_column, shape.refine_size, body, ranked * shape.refine_size},
      {StreamKind::directory, format::no_column, sizeof(format::DirectoryEntryDisk), body, directory_bytes},
      {StreamKind::spill_codes, format::no_column, block_bytes, format::scan_stream_bytes_per_page,
       blocks * block_bytes},
      {StreamKind::spill_rows, format::no_column, sizeof(uint32_t), body, ranked * sizeof(uint32_t)},
      {StreamKind::spill_directory, format::no_column, sizeof(format::DirectoryEntryDisk), body, directory_bytes}};
  uint32_t plan_count = detail::fixed_stream_count(spec);
  plan_count += detail::plan_columns(shape.columns, rows, spec.epoch ? block_bytes : 0, plans + plan_count);
  if (spec.tier == Tier::cold)
    for (StreamPlan& plan : plans)
      if (plan.kind == StreamKind::refine_codes || plan.kind == StreamKind::hashes) plan.space = Space::companion;
  PageCounts const page_counts = plan_streams(plans, plan_count, header);
  header->kind = ObjectKind::segment;
  header->scan_bits = uint8_t(shape.scan.bits);
  header->row_count = spec.row_count;
  header->ranked_count = spec.ranked_count;
  header->zero_count = spec.zero_count;
  header->list_count = spec.epoch ? spec.epoch->list_count : 0;
  header->frame = raw(spec.frame);
  header->epoch = spec.epoch ? spec.epoch->object->disk.id : 0;
  auto begin = [&](Manifest& work) -> EditResult {
    ManifestObject* object = add_object(pager, work, ObjectKind::segment, ObjectState::building);
    allocate_extents(pager, work, page_counts.main, &object->extents);
    if (page_counts.companion > 0 && work.header.companion == 0)
      return {{Code::invalid, "index has no companion for cold segments"}, Edit::discard};
    if (page_counts.companion > 0)
      allocate_extents(pager, work, page_counts.companion, &object->extents, Space::companion);
    ObjectDisk& disk = object->disk;
    disk.page_count = page_counts.main + page_counts.companion;
    disk.tier = uint8_t(spec.tier);
    disk.frame = header->frame;
    disk.epoch = header->epoch;
    disk.row_count = header->row_count;
    disk.ranked_count = header->ranked_count;
    disk.list_count = header->list_count;
    disk.merge_count = spec.merge_count;
    header->id = disk.id;
    *target = *object;
    return {{}, Edit::keep};
  };
  return edit_manifest(pager, begin);
}

template <Pager P>
class SegmentWriter {
 public:
  SegmentWriter(P& pager, IndexShape const& shape, SegmentSpec const& spec, ManifestObject const& target,
                ObjectHeaderDisk* header)
      : pager_(pager),
        shape_(shape),
        spec_(spec),
        target_(target),
        header_(header),
        writer_(pager, target, header),
        columns_(pager, shape.columns, spec.row_count, detail::fixed_stream_count(spec)) {
    block_bytes_ = quant::block_size(shape.padded_dim, shape.scan.bits);
    block_ = static_cast<std::byte*>(pager.allocate(block_bytes_));
    std::memset(block_, 0, block_bytes_);
    z_ = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * 4));
    centroid_ = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * 4));
    halves_ = pager.allocate(size_t(shape.padded_dim) * 2);
    bloom_block_count_ = sets::bloom_block_count(spec.row_count);
    size_t bloom_bytes = size_t(bloom_block_count_) * sets::bloom_block_size;
    tid_bloom_ = pager.allocate(bloom_bytes);
    hash_bloom_ = pager.allocate(bloom_bytes);
    std::memset(tid_bloom_, 0, bloom_bytes);
    std::memset(hash_bloom_, 0, bloom_bytes);
    if (spec.epoch) {
      directory_ = static_cast<format::DirectoryEntryDisk*>(
          pager.allocate((size_t(spec.epoch->list_count) + 1) * sizeof(format::DirectoryEntryDisk)));
      std::memset(static_cast<void*>(directory_), 0,
                  (size_t(spec.epoch->list_count) + 1) * sizeof(format::DirectoryEntryDisk));
    }
    if (spec.epoch && spec.epoch->spills)
      second_ = static_cast<uint32_t*>(pager.allocate((size_t(spec.ranked_count) + 1) * sizeof(uint32_t)));
  }

  // Rows come in this order: ranked rows with ascending `list` (0 when flat), rows with a zero vector, rows with NULL.
  Status append(uint32_t list, RowView const& row, ScanCode const& code = {}) {
    std::byte tid[6];
    format::store_tid(row.tid, tid);
    writer_.append(detail::ids_at, tid, sizeof tid);
    writer_.append(detail::hashes_at, &row.hash, sizeof row.hash);
    sets::bloom_add(tid_bloom_, bloom_block_count_, row.tid.key);
    sets::bloom_add(hash_bloom_, bloom_block_count_, row.hash);
    uint32_t at = row_count_++;
    if (at >= spec_.row_count) return corrupt("segment got another number of rows than announced", at);
    if (shape_.columns.count) columns_.set(at, row.columns);
    if (row.flags != 0) return {};
    if (spec_.epoch && (at == 0 || list != list_)) {
      if (Status status = start_list(list, at); !status.ok()) return status;
    }
    writer_.append(detail::refine_at, row.refine, shape_.refine_size);
    if (second_ && at < spec_.ranked_count) second_[at] = code.second_list;
    uint32_t const lane = at % quant::block_rows;
    float residual2 = code.residual2;
    if (code.block)
      quant::copy_scan_row(shape_.scan, code.block, code.lane, block_, lane);
    else if (Status status = encode(row, lane, &residual2); !status.ok())
      return status;
    if (std::isfinite(residual2)) {
      residual2_total_ += residual2;
      list_residual2_ += residual2;
    }
    ranked_count_++;
    if (lane == quant::block_rows - 1) flush_block();
    return {};
  }

  // Writes everything that is left. The segment is complete and still unreachable.
  Status finish() {
    if (row_count_ != spec_.row_count || ranked_count_ != spec_.ranked_count)
      return corrupt("segment got another number of rows than announced", row_count_);
    if (ranked_count_ % quant::block_rows != 0) flush_block();
    if (spec_.epoch) {
      close_list(ranked_count_);
      uint32_t first = ranked_count_ ? list_ + 1 : 0;
      for (uint32_t list = first; list <= spec_.epoch->list_count; list++) directory_[list] = {ranked_count_, 0};
      writer_.append(detail::directory_at, directory_,
                     (size_t(spec_.epoch->list_count) + 1) * sizeof(format::DirectoryEntryDisk));
    }
    // Every row was appended: their refine codes can be read back.
    if (second_) {
      writer_.flush_stream(detail::refine_at);
      detail::SpillStreams const streams{detail::spill_codes_at, detail::spill_rows_at, detail::spill_directory_at};
      Status const status =
          detail::write_spill(pager_, shape_, *spec_.epoch, target_, *header_, directory_, second_, writer_, streams);
      if (!status.ok()) return status;
    }
    auto write_codes = [&](uint32_t const* order, uint32_t stream) {
      writer_.flush_stream(detail::refine_at);
      return detail::write_ordered_codes(pager_, shape_, target_, *header_, order, writer_, stream);
    };
    if (Status status = columns_.finish(writer_, *header_, write_codes); !status.ok()) return status;
    writer_.append_zeros(detail::bitmap_at, (uint64_t(row_count_) + 7) / 8);
    size_t bloom_bytes = size_t(bloom_block_count_) * sets::bloom_block_size;
    writer_.append(detail::tid_bloom_at, tid_bloom_, bloom_bytes);
    writer_.append(detail::hash_bloom_at, hash_bloom_, bloom_bytes);
    header_->mean_residual2 = ranked_count_ ? float(residual2_total_ / ranked_count_) : 0;
    Status status = writer_.finish();
    if (second_) pager_.release(second_);
    if (directory_) pager_.release(directory_);
    pager_.release(hash_bloom_);
    pager_.release(tid_bloom_);
    pager_.release(halves_);
    pager_.release(centroid_);
    pager_.release(z_);
    pager_.release(block_);
    return status;
  }

 private:
  void close_list(uint32_t end) {
    if (ranked_count_ == 0) return;
    auto& entry = directory_[list_];
    uint32_t rows = end - entry.first_row;
    entry.mean_residual2 = rows ? float(list_residual2_ / rows) : 0;
  }

  Status start_list(uint32_t list, uint32_t at) {
    if (list >= spec_.epoch->list_count || (at > 0 && list < list_))
      return corrupt("rows do not come in list order", list);
    close_list(at);
    for (uint32_t empty = at == 0 ? 0 : list_ + 1; empty <= list; empty++) directory_[empty] = {at, 0};
    list_ = list;
    list_residual2_ = 0;
    has_centroid_ = false;
    return {};
  }

  Status encode(RowView const& row, uint32_t lane, float* residual2) {
    if (spec_.epoch && !has_centroid_) {
      if (Status status = read_centroid(pager_, shape_, *spec_.epoch, list_, halves_, centroid_); !status.ok())
        return status;
      has_centroid_ = true;
    }
    quant::decode_refine(shape_.padded_dim, row.refine, z_);
    *residual2 = quant::encode_scan_row(shape_.scan, z_, spec_.epoch ? centroid_ : nullptr, block_, lane);
    quant::RefineRowDisk code;
    std::memcpy(&code, row.refine, sizeof code);
    quant::widen_scan_row(shape_.scan, math::half_to_float(code.error), block_, lane);
    return {};
  }

  void flush_block() {
    writer_.append(detail::scan_at, block_, block_bytes_);
    std::memset(block_, 0, block_bytes_);
  }

  P& pager_;
  IndexShape const& shape_;
  SegmentSpec spec_;
  ManifestObject const& target_;
  ObjectHeaderDisk* header_;
  ObjectWriter<P> writer_;
  ColumnWriter<P> columns_;
  uint32_t block_bytes_;
  std::byte* block_;
  float* z_;
  float* centroid_;
  void* halves_;
  void* tid_bloom_;
  void* hash_bloom_;
  uint32_t bloom_block_count_;
  format::DirectoryEntryDisk* directory_ = nullptr;
  uint32_t* second_ = nullptr;  // second lists of the ranked rows, where the epoch spills
  uint32_t list_ = 0;
  bool has_centroid_ = false;  // centroid_ is that of list_
  uint32_t row_count_ = 0;
  uint32_t ranked_count_ = 0;
  double residual2_total_ = 0;
  double list_residual2_ = 0;
};

}  // namespace strata::store
