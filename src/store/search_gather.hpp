// The strategies of a filtered search. When few rows pass, all of them are evaluated on their refine codes, whatever
// list they are in: an exact answer. When many do, lists are probed by distance and their rows masked. When a probing
// search finds that fewer rows pass than it was told to expect, it looks at all filter columns and decides again.
#pragma once
#include "store/search_filter.hpp"
#include "store/search_rank.hpp"

namespace strata::store::detail {

// Evaluating a row that lies alone costs about as much as the codes of a list: so many rows cost as much as ranking the
// lists and probing some of them does.
constexpr uint32_t gather_rows_min = 600;
constexpr uint32_t gather_rows_per_wanted = 8;
// A probing search reconsiders after so many lists, when they are this share of all.
constexpr uint32_t reconsider_lists_min = 32;
constexpr uint32_t reconsider_share = 32;

// Rows [entry[0].first_row, entry[1].first_row) of a source are those of `list`.
template <Pager P>
Status list_rows(P& pager, SearchSource const& source, uint32_t list, format::DirectoryEntryDisk* entry) {
  uint64_t const offset = uint64_t(list) * sizeof entry[0], size = 2 * sizeof entry[0];
  Status status;
  if (offset + size > source.directory.byte_size) return corrupt("directory is too short", source.object->disk.id);
  if (source.kept_directory)
    std::memcpy(static_cast<void*>(entry), source.kept_directory + offset, size);
  else
    status = read_stream(pager, *source.object, source.directory, offset, size, entry);
  if (status.ok() && (entry[0].first_row > entry[1].first_row || entry[1].first_row > source.ranked_count))
    status = corrupt("directory is out of order", source.object->disk.id);
  return status;
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
  }
  return {};
}

// Rows in lists that pass.
inline uint64_t listed_passing(Search const& search) {
  uint64_t rows = 0;
  for (SearchSource const& source : search.sources)
    if (source.epoch != SearchSource::none) rows += source.pass_count;
  return rows;
}

inline uint64_t gather_rows_max(Search const& search) {
  uint64_t const wanted = uint64_t(search.target) * gather_rows_per_wanted;
  return wanted > gather_rows_min ? wanted : gather_rows_min;
}

// Decides between the strategies. Estimates are made exact where they speak for gathering, or when `anyway`.
template <Pager P>
Status choose_strategy(P& pager, Search& search, bool anyway) {
  if (!search.filter || search.epochs.count == 0 || (!anyway && listed_passing(search) > gather_rows_max(search)))
    return {};
  for (SearchSource& source : search.sources)
    if (source.epoch != SearchSource::none)
      if (Status status = materialize(pager, search, source); !status.ok()) return status;
  for (SearchSource const& source : search.sources)
    if (source.epoch != SearchSource::none && !source.pass_bits) return {};  // every row of it passes
  search.gather = listed_passing(search) <= gather_rows_max(search);
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

// Evaluates every row in lists that passes and was not probed. evaluate(source number, row) -> Status.
template <Pager P, class Evaluate>
Status gather(P& pager, Search& search, Evaluate&& evaluate) {
  if (Status status = forget_probed(pager, search); !status.ok()) return status;
  for (uint32_t at = 0; at < search.sources.count; at++) {
    SearchSource const& source = search.sources[at];
    if (source.epoch == SearchSource::none) continue;
    Status status;
    uint32_t done = 0;
    for (size_t word = 0; word < source.ranked_count && status.ok(); word += 64) {
      size_t const end = word + 64 < source.ranked_count ? word + 64 : source.ranked_count;
      sets::bitmap_for_each_set(source.pass_bits, word, end, [&](size_t row) {
        if (status.ok()) status = evaluate(at, uint32_t(row));
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
