// The second lists of a segment: every invariant of core/format/object.hpp.
#pragma once
#include "store/epoch.hpp"

namespace strata::store::detail {

// Whether a directory begins at 0, ascends, and ends with the ranked rows.
template <Pager P>
Status check_directory_stream(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, StreamKind kind) {
  StreamCursor cursor{};
  Status status = open_stream(pager, object, header, kind, sizeof(format::DirectoryEntryDisk), &cursor);
  uint32_t previous = 0;
  for (uint32_t list = 0; list <= object.disk.list_count && status.ok(); list++) {
    std::byte const* bytes;
    status = next_bytes(pager, object, cursor, uint64_t(list) * sizeof(format::DirectoryEntryDisk),
                        sizeof(format::DirectoryEntryDisk), &bytes);
    if (!status.ok()) break;
    format::DirectoryEntryDisk entry;
    std::memcpy(&entry, bytes, sizeof entry);
    bool last = list == object.disk.list_count;
    if (entry.first_row < previous || entry.first_row > header.ranked_count || (list == 0 && entry.first_row != 0) ||
        (last && entry.first_row != header.ranked_count) || !std::isfinite(entry.mean_residual2))
      status = corrupt("directory is out of order", object.disk.id);
    previous = entry.first_row;
  }
  close_stream(pager, &cursor);
  return status;
}

// A directory as plain starts, list_count + 1 of them.
template <Pager P>
Status load_starts(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, StreamKind kind,
                   uint32_t* starts) {
  StreamDisk const& stream = *find_stream(header, kind);
  auto* const entries = static_cast<format::DirectoryEntryDisk*>(pager.allocate(stream.byte_size));
  Status const status = read_stream(pager, object, stream, 0, stream.byte_size, entries);
  for (uint32_t list = 0; list <= object.disk.list_count && status.ok(); list++) starts[list] = entries[list].first_row;
  pager.release(entries);
  return status;
}

// Every ranked row has one second list, which is not its first one. Requires directories that were checked.
template <Pager P>
Status check_spilled_rows(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header) {
  uint32_t const rows = header.ranked_count, lists = object.disk.list_count;
  auto* starts = static_cast<uint32_t*>(pager.allocate((size_t(lists) + 1) * 2 * sizeof(uint32_t)));
  auto* seen = static_cast<std::byte*>(pager.allocate(sets::bitmap_size(rows) + 1));
  std::memset(seen, 0, sets::bitmap_size(rows) + 1);
  uint32_t const *first = starts, *second = starts + lists + 1;
  StreamCursor cursor{};
  Status status = load_starts(pager, object, header, StreamKind::directory, starts);
  if (status.ok()) status = load_starts(pager, object, header, StreamKind::spill_directory, starts + lists + 1);
  if (status.ok()) status = open_stream(pager, object, header, StreamKind::spill_rows, sizeof(uint32_t), &cursor);
  for (uint32_t list = 0; list < lists && status.ok(); list++) {
    uint32_t previous = 0;
    for (uint32_t at = second[list]; at < second[list + 1] && status.ok(); at++) {
      std::byte const* bytes;
      uint32_t row = 0;
      status = next_bytes(pager, object, cursor, uint64_t(at) * sizeof row, sizeof row, &bytes);
      if (!status.ok()) break;
      std::memcpy(&row, bytes, sizeof row);
      if (row >= rows || (at > second[list] && row <= previous) || !sets::bitmap_set(seen, row))
        status = corrupt("second lists do not name every row once", object.disk.id);
      else if (row >= first[list] && row < first[list + 1])
        status = corrupt("second list of a row is its first one", row);
      previous = row;
    }
    pager.check_interrupts();
  }
  close_stream(pager, &cursor);
  pager.release(seen);
  pager.release(starts);
  return status;
}

template <Pager P>
Status check_spill(P& pager, ManifestObject const& object, ObjectHeaderDisk const& header, bool epoch_spills) {
  bool const spills = find_stream(header, StreamKind::spill_codes) != nullptr;
  if (spills != epoch_spills) return corrupt("segment and its epoch differ in second lists", object.disk.id);
  if (!spills) return {};
  Status status = check_directory_stream(pager, object, header, StreamKind::spill_directory);
  if (status.ok()) status = check_spilled_rows(pager, object, header);
  return status;
}

}  // namespace strata::store::detail
