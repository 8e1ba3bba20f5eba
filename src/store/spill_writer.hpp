// The second lists of a segment: streams `spill_codes`, `spill_rows` and `spill_directory` of core/format/object.hpp.
// They follow from the rows, their lists and the codebook, and are made when all rows of the segment were appended,
// whatever wrote them.
#pragma once
#include "core/cluster/assign.hpp"
#include "store/epoch.hpp"
#include "store/ordered_codes.hpp"

namespace strata::store::detail {

// Where the streams lie in the header.
struct SpillStreams {
  uint32_t codes, rows, directory;
};

// Fills in second[row] of every ranked row that has unknown_list there, by SOAR (core/cluster/assign.hpp); `directory`
// is that of the first lists.
template <Pager P>
Status choose_second_lists(P& pager, IndexShape const& shape, float const* centroids, ManifestObject const& object,
                           ObjectHeaderDisk const& header, format::DirectoryEntryDisk const* directory,
                           uint32_t* second) {
  constexpr uint32_t batch_max = 512;
  uint32_t const padded = shape.padded_dim, lists = header.list_count;
  void* memory = pager.allocate(cluster::centroid_set_size(padded, lists));
  void* scratch = pager.allocate(cluster::assign_scratch_size(padded, lists));
  auto* rows = static_cast<float*>(pager.allocate(size_t(batch_max) * padded * sizeof(float)));
  auto* numbers = static_cast<uint32_t*>(pager.allocate(size_t(batch_max) * 4 * sizeof(uint32_t)));
  uint32_t *homes = numbers + batch_max, *nearest = homes + batch_max, *chosen = nearest + batch_max, waiting = 0;
  cluster::CentroidSet set{};
  auto assign_batch = [&] {
    if (waiting == 0) return;
    if (set.list_count == 0) set = cluster::prepare_centroids(padded, centroids, lists, memory);
    cluster::assign_two(set, rows, waiting, cluster::soar_lambda, nearest, nullptr, chosen, nullptr, scratch);
    // The first list was chosen by rounded centroids: it may be the second nearest.
    for (uint32_t i = 0; i < waiting; i++) second[numbers[i]] = chosen[i] != homes[i] ? chosen[i] : nearest[i];
    waiting = 0;
    pager.check_interrupts();
  };
  StreamCursor refine{};
  Status status = open_stream(pager, object, header, StreamKind::refine_codes, shape.refine_size, &refine);
  for (uint32_t list = 0; list < lists && status.ok(); list++) {
    for (uint32_t row = directory[list].first_row; row < directory[list + 1].first_row && status.ok(); row++) {
      if (second[row] != unknown_list) continue;
      std::byte const* bytes;
      status = next_bytes(pager, object, refine, uint64_t(row) * shape.refine_size, shape.refine_size, &bytes);
      if (!status.ok()) break;
      quant::decode_refine(padded, bytes, rows + size_t(waiting) * padded);
      numbers[waiting] = row;
      homes[waiting] = list;
      if (++waiting == batch_max) assign_batch();
    }
  }
  if (status.ok()) assign_batch();
  close_stream(pager, &refine);
  for (void* part : {static_cast<void*>(numbers), static_cast<void*>(rows), scratch, memory}) pager.release(part);
  return status;
}

// order[] = rows sorted by their second list, and starts[list_count + 1] = where each list begins in it.
inline void order_by_list(uint32_t const* second, uint32_t row_count, uint32_t list_count, uint32_t* order,
                          uint32_t* starts) {
  std::memset(starts, 0, (size_t(list_count) + 1) * sizeof(uint32_t));
  for (uint32_t row = 0; row < row_count; row++) starts[second[row] + 1]++;
  for (uint32_t list = 0; list < list_count; list++) starts[list + 1] += starts[list];
  for (uint32_t row = 0; row < row_count; row++) order[starts[second[row]]++] = row;
  for (uint32_t list = list_count; list > 0; list--) starts[list] = starts[list - 1];
  starts[0] = 0;
}

// Requires that all rows were appended and their refine codes flushed. second[ranked_count]: second lists as far as
// they are known, else unknown_list; all of them afterwards.
template <Pager P>
Status write_spill(P& pager, IndexShape const& shape, EpochView const& epoch, ManifestObject const& object,
                   ObjectHeaderDisk const& header, format::DirectoryEntryDisk const* directory, uint32_t* second,
                   ObjectWriter<P>& writer, SpillStreams const& streams) {
  uint32_t const rows = header.ranked_count, lists = epoch.list_count;
  float* centroids = nullptr;
  if (Status status = load_centroids(pager, shape, epoch, &centroids); !status.ok()) return status;
  Status status = choose_second_lists(pager, shape, centroids, object, header, directory, second);
  if (!status.ok()) return status;
  auto* order = static_cast<uint32_t*>(pager.allocate((size_t(rows) + 1) * sizeof(uint32_t)));
  auto* starts = static_cast<uint32_t*>(pager.allocate((size_t(lists) + 1) * sizeof(uint32_t)));
  order_by_list(second, rows, lists, order, starts);
  auto* residuals = static_cast<double*>(pager.allocate(size_t(lists) * sizeof(double)));
  std::memset(residuals, 0, size_t(lists) * sizeof(double));
  auto* z = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  status = write_codes_in_order(pager, shape, object, header, order, rows, writer, streams.codes,
                                [&](uint32_t at, std::byte const* refine, std::byte* block, uint32_t lane) -> Status {
                                  uint32_t const list = second[order[at]];
                                  float const* const centroid = centroids + size_t(list) * shape.padded_dim;
                                  float const residual2 = encode_again(shape, refine, centroid, z, block, lane);
                                  if (std::isfinite(residual2)) residuals[list] += residual2;
                                  return {};
                                });
  writer.append(streams.rows, order, size_t(rows) * sizeof(uint32_t));
  for (uint32_t list = 0; list <= lists; list++) {
    uint32_t const count = list < lists ? starts[list + 1] - starts[list] : 0;
    format::DirectoryEntryDisk const entry{starts[list], count ? float(residuals[list] / count) : 0.0f};
    writer.append(streams.directory, &entry, sizeof entry);
  }
  for (void* part : {static_cast<void*>(z), static_cast<void*>(residuals), static_cast<void*>(starts),
                     static_cast<void*>(order), static_cast<void*>(centroids)})
    pager.release(part);
  return status;
}

}  // namespace strata::store::detail
