// The strategies of a filtered search. When few rows pass, all of them are evaluated on their refine codes, whatever
// list they are in: an exact answer. When many do, lists are probed by distance and their rows masked. When a probing
// search finds that fewer rows pass than it was told to expect, it looks at all filter columns and decides again.
#pragma once
#include "store/search_evaluate.hpp"
#include "store/search_rank.hpp"

namespace strata::store::detail {

// Evaluating a row that lies alone costs about as much as the codes of a list: so many rows cost as much as ranking the
// lists and probing some of them does.
constexpr uint32_t gather_rows_min = 600;
constexpr double gather_rows_per_list = 1.4;  // evaluating so many rows costs as much as probing one more list
constexpr uint32_t gather_rows_per_wanted = 8;
// Rows that are scanned by the codes of their column are not, but evaluated, when they are so few.
constexpr uint32_t exact_rows_max = 256;
// A probing search reconsiders after so many lists, when they are this share of all.
constexpr uint32_t reconsider_lists_min = 32;
constexpr uint32_t reconsider_share = 32;

// Entries [entry[0].first_row, entry[1].first_row) are those of `list` by a directory of the source; `kept`: all of it,
// or null.
template <Pager P>
Status list_range(P& pager, SearchSource const& source, StreamDisk const& directory, std::byte const* kept,
                  uint32_t list, format::DirectoryEntryDisk* entry) {
  uint64_t const offset = uint64_t(list) * sizeof entry[0], size = 2 * sizeof entry[0];
  Status status;
  if (offset + size > directory.byte_size) return corrupt("directory is too short", source.object->disk.id);
  if (kept)
    std::memcpy(static_cast<void*>(entry), kept + offset, size);
  else
    status = read_stream(pager, *source.object, directory, offset, size, entry);
  if (status.ok() && (entry[0].first_row > entry[1].first_row || entry[1].first_row > source.ranked_count))
    status = corrupt("directory is out of order", source.object->disk.id);
  return status;
}

// Rows [entry[0].first_row, entry[1].first_row) of a source are those of `list`.
template <Pager P>
Status list_rows(P& pager, SearchSource const& source, uint32_t list, format::DirectoryEntryDisk* entry) {
  return list_range(pager, source, source.directory, source.kept_directory, list, entry);
}

// Of a source that spills, what `list` is the second list of: *rows = the rows, one by one, of entries
// [*first, *end) in blocks, which begin with the block of *first. In pager memory; null: there are none.
template <Pager P>
Status spilled_rows(P& pager, SearchSource const& source, uint32_t list, uint32_t* first, uint32_t* end,
                    uint32_t** rows) {
  *rows = nullptr;
  format::DirectoryEntryDisk entry[2];
  Status status = list_range(pager, source, source.spill_directory, source.kept_spill_directory, list, entry);
  *first = entry[0].first_row;
  *end = entry[1].first_row;
  if (!status.ok() || *first == *end) return status;
  uint32_t const begin = *first / quant::block_rows * quant::block_rows, skipped = *first - begin;
  uint32_t const count = (*end - begin + quant::block_rows - 1) / quant::block_rows * quant::block_rows;
  *rows = static_cast<uint32_t*>(pager.allocate(size_t(count) * sizeof(uint32_t)));
  std::memset(*rows, 0, size_t(count) * sizeof(uint32_t));
  status = read_stream(pager, *source.object, source.spill_rows, uint64_t(*first) * sizeof(uint32_t),
                       uint64_t(*end - *first) * sizeof(uint32_t), *rows + skipped);
  for (uint32_t i = skipped; i < *end - begin && status.ok(); i++)
    if ((*rows)[i] >= source.ranked_count) status = corrupt("second list names a wrong row", source.object->disk.id);
  return status;
}

// Whether one of the rows that have `list` as their second list passes, as far as bits tell.
template <Pager P>
Status spill_may_pass(P& pager, SearchSource const& source, uint32_t list, bool* may) {
  uint32_t first, end, *rows;
  if (Status status = spilled_rows(pager, source, list, &first, &end, &rows); !status.ok() || !rows) return status;
  for (uint32_t i = 0; i < end - first && !*may; i++)
    *may = sets::bitmap_test(source.pass_bits, rows[first % quant::block_rows + i]);
  pager.release(rows);
  return {};
}

// Counts the rows of a list. *may = false when the bits of all segments say that none of them passes.
template <Pager P>
Status look_at_list(P& pager, Search& search, ListRank const& rank, bool* may) {
  *may = false;
  for (SearchSource const& source : search.sources) {
    if (source.epoch != rank.epoch) continue;
    format::DirectoryEntryDisk entry[2];
    if (Status status = list_rows(pager, source, rank.list, entry); !status.ok()) return status;
    search.seen_rows += entry[1].first_row - entry[0].first_row;
    *may = *may || !source.pass_bits || sets::bitmap_any(source.pass_bits, entry[0].first_row, entry[1].first_row);
    if (!*may && source.spills())
      if (Status status = spill_may_pass(pager, source, rank.list, may); !status.ok()) return status;
  }
  return {};
}

// What evaluating all rows in lists that pass costs, counted in rows that lie alone.
inline uint64_t gather_price(Search const& search) {
  uint64_t rows = 0;
  for (SearchSource const& source : search.sources) {
    if (source.epoch == SearchSource::none) continue;
    rows += source.held == SearchSource::none ? source.pass_count : source.held_count / held_rows_per_row;
  }
  return rows;
}

// What it may cost.
inline uint64_t gather_price_max(Search const& search) {
  uint64_t const wanted = uint64_t(search.target) * gather_rows_per_wanted;
  uint64_t const least = wanted > gather_rows_min ? wanted : gather_rows_min;
  if (search.order.count == 0 || search.target == 0) return least;
  // The lists are ranked: how many would be probed?
  uint64_t const probing = uint64_t(gather_rows_per_list * lists_wanted(search));
  return probing > least ? probing : least;
}

// Decides between the strategies. Estimates are made exact where they speak for gathering, or when `anyway`.
template <Pager P>
Status choose_strategy(P& pager, Search& search, bool anyway) {
  if (!search.filter || search.epochs.count == 0 || (!anyway && gather_price(search) > gather_price_max(search)))
    return {};
  for (SearchSource& source : search.sources)
    if (source.epoch != SearchSource::none && source.held == SearchSource::none)
      if (Status status = materialize(pager, search, source); !status.ok()) return status;
  for (SearchSource const& source : search.sources)
    if (source.epoch != SearchSource::none && source.held == SearchSource::none && !source.pass_bits)
      return {};  // every row of it passes
  search.gather = gather_price(search) <= gather_price_max(search);
  return {};
}

// Before lists are probed: their rows are not those of a range of the order of a column.
template <Pager P>
Status release_all_held(P& pager, Search& search) {
  for (SearchSource& source : search.sources)
    if (Status status = release_held(pager, search, source); !status.ok()) return status;
  return {};
}

// The rows of lists that were probed do not count any more.
template <Pager P>
Status forget_probed(P& pager, Search& search) {
  for (uint32_t at = 0; at < search.probed; at++)
    for (SearchSource& source : search.sources) {
      if (source.epoch != search.order[at].epoch) continue;
      format::DirectoryEntryDisk entry[2];
      if (Status status = list_rows(pager, source, search.order[at].list, entry); !status.ok()) return status;
      for (uint32_t row = entry[0].first_row; row < entry[1].first_row; row++)
        sets::bitmap_clear(source.pass_bits, row);
    }
  return {};
}

// Scans entries [range.first, range.end) of the order of the column whose condition is held back.
template <Pager P>
Status scan_range(P& pager, Search& search, uint32_t at, OrderRange range) {
  SearchSource const& source = search.sources[at];
  FrameQuery const& query = search.queries[source.query];
  ColumnView const& view = source.columns[source.held];
  uint32_t const first_block = range.first / quant::block_rows, end_block = block_count_of(range.end);
  uint32_t const first = first_block * quant::block_rows, count = (end_block - first_block) * quant::block_rows;
  search.bounds.reserve(pager, search.bounds.count + count);
  float* const bounds = search.bounds.items + search.bounds.count;
  auto* const rows = static_cast<uint32_t*>(pager.allocate(count * sizeof(uint32_t)));
  search.runs.push(pager, {at, first, count, search.bounds.count, rows});
  search.bounds.count += count;
  float const base = search.shape.metric == Metric::inner_product ? 0.0f : query.refine.norm2;
  quant::ScanBounds const scan{base, search.epsilon * gain_distance(query, query.refine.norm2), infinity};
  Status status = read_stream(pager, *source.object, view.order, uint64_t(range.first) * sizeof *rows,
                              uint64_t(range.end - range.first) * sizeof *rows, rows + (range.first - first));
  // A few rows are all evaluated: what is found then is exact.
  bool const all = source.held_count <= exact_rows_max;
  if (all)
    std::fill(bounds, bounds + count, -largest);
  else if (status.ok())
    status =
        scan_stream(pager, search.shape, *source.object, view.codes, query.table, first_block, end_block, scan, bounds);
  for (uint32_t i = 0; i < count; i++) {
    bool const inside = first + i >= range.first && first + i < range.end;
    if (inside && rows[i] >= source.row_count)
      return corrupt("order of a filter column names a wrong row", source.object->disk.id);
    bool const ranked = inside && rows[i] < source.ranked_count;
    if (!ranked)
      bounds[i] = infinity;
    else if (!all)
      bounds[i] = bound_in_range(query.factor * bounds[i] + query.offset);
  }
  search.counters.run_count++;
  if (!all) search.counters.code_count += count;
  return status;
}

// In parts: the first ones give a threshold, under which few rows of the others come.
template <Pager P>
Status scan_held(P& pager, Search& search, uint32_t at) {
  constexpr uint32_t part_rows = 64 * quant::block_rows;
  SearchSource const& source = search.sources[at];
  for (uint32_t i = 0; i < source.range_count; i++) {
    OrderRange const range = search.ranges[source.first_range + i];
    for (uint32_t first = range.first; first < range.end;) {
      uint32_t const full = first / quant::block_rows * quant::block_rows + part_rows;
      uint32_t const end = full < range.end ? full : range.end;
      uint32_t const first_run = search.runs.count;
      Status status = scan_range(pager, search, at, {first, end});
      if (status.ok()) status = evaluate_runs(pager, search, first_run);
      if (!status.ok()) return status;
      first = end;
    }
  }
  return {};
}

// Evaluates every row in lists that passes and was not probed.
template <Pager P>
Status gather(P& pager, Search& search) {
  if (Status status = forget_probed(pager, search); !status.ok()) return status;
  for (uint32_t at = 0; at < search.sources.count; at++) {
    SearchSource const& source = search.sources[at];
    if (source.epoch == SearchSource::none) continue;
    Status status;
    uint32_t done = 0;
    if (source.held != SearchSource::none) {
      if (status = scan_held(pager, search, at); !status.ok()) return status;
      continue;
    }
    for (size_t word = 0; word < source.ranked_count && status.ok(); word += 64) {
      size_t const end = word + 64 < source.ranked_count ? word + 64 : source.ranked_count;
      sets::bitmap_for_each_set(source.pass_bits, word, end, [&](size_t row) {
        if (status.ok()) status = evaluate(pager, search, at, uint32_t(row));
        done++;
      });
      if ((done & 0x3FF) == 0x3FF) pager.check_interrupts();
    }
    if (!status.ok()) return status;
  }
  search.counters.gather_count++;
  search.probed = search.order.count;
  return {};
}

}  // namespace strata::store::detail
