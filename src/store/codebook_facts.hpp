// Whether the codebook in force still fits what came since it was trained: policy decides, this file counts.
#pragma once
#include "core/policy/codebook_policy.hpp"
#include "store/epoch.hpp"

namespace strata::store {

namespace detail {

// Adds the rows of each list of a segment to rows[0..list_count). `entries` holds list_count + 1 directory entries.
template <Pager P>
Status add_list_rows(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, uint32_t list_count,
                     format::DirectoryEntryDisk* entries, uint32_t* rows) {
  StreamDisk const* stream = find_stream(header, StreamKind::directory);
  uint64_t const size = (uint64_t(list_count) + 1) * sizeof *entries;
  if (!stream || stream->byte_size != size) return corrupt("directory does not match its epoch", object.disk.id);
  if (Status status = read_stream(pager, object, *stream, 0, size, entries); !status.ok()) return status;
  for (uint32_t list = 0; list < list_count; list++) {
    if (entries[list + 1].first_row < entries[list].first_row)
      return corrupt("directory is out of order", object.disk.id);
    rows[list] += entries[list + 1].first_row - entries[list].first_row;
  }
  return {};
}

}  // namespace detail

// Fills everything but facts->row_count. What has to be read from the segments is left zero while too few rows came
// since the training to judge by. No locks.
template <Pager P>
Status gather_codebook_facts(P& pager, Manifest const& manifest, policy::CodebookFacts* facts) {
  ManifestObject const* epoch = manifest.find(ObjectId(manifest.header.epoch));
  if (!epoch) return {};
  uint32_t const lists = epoch->disk.list_count;
  facts->list_count = lists;
  facts->trained_row_count = epoch->disk.row_count;
  facts->new_row_count = manifest.header.sealed_rows - epoch->disk.hits;
  uint64_t const wanted = policy::judged_row_count_at_rest(*facts);
  if (facts->new_row_count < wanted) return {};
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  size_t const entries_size = (size_t(lists) + 1) * sizeof(format::DirectoryEntryDisk);
  auto* entries = static_cast<format::DirectoryEntryDisk*>(pager.allocate(entries_size));
  auto* rows = static_cast<uint32_t*>(pager.allocate(size_t(lists) * sizeof(uint32_t)));
  std::memset(rows, 0, size_t(lists) * sizeof(uint32_t));
  Status status = read_header(pager, *epoch, header);
  facts->trained_mean_residual2 = header->mean_residual2;
  facts->trained_list_skew = header->list_skew;
  uint64_t newest = 0, listed = 0;
  double residual2_sum = 0;
  for (uint32_t i = manifest.objects.count; i > 0 && status.ok(); i--) {
    ManifestObject const& object = manifest.objects[i - 1];
    bool const counts = object.disk.kind == ObjectKind::segment && object.disk.state == ObjectState::live &&
                        object.disk.epoch == epoch->disk.id;
    if (!counts) continue;
    status = read_header(pager, object, header);
    if (status.ok()) status = detail::add_list_rows(pager, object, *header, lists, entries, rows);
    if (!status.ok()) break;
    listed += header->ranked_count;
    if (newest >= wanted) continue;
    newest += header->ranked_count;
    residual2_sum += double(header->mean_residual2) * header->ranked_count;
  }
  if (facts->new_row_count > listed) facts->new_row_count = listed;
  if (newest) facts->new_mean_residual2 = residual2_sum / double(newest);
  facts->now_list_skew = policy::list_skew({rows, lists});
  pager.release(rows);
  pager.release(entries);
  pager.release(header);
  return status;
}

}  // namespace strata::store
