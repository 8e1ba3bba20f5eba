// A search and its filter: which rows of a segment may pass, found before any code is scanned.
//
// Opening a source asks each condition, cheapest first: minimum, maximum and number of NULLs, then the bloom filter,
// then how many entries of the column's order pass. A segment none of whose rows pass is not searched. Conditions that
// few rows pass become a bitmap of rows, read from the order: a list is then skipped by looking at its bits. The others
// are evaluated block by block, on the lists that are scanned. materialize() turns those into bits, too.
#pragma once
#include "store/column_search.hpp"
#include "store/ordered_codes.hpp"
#include "store/search_state.hpp"

namespace strata::store {

namespace detail {

constexpr uint32_t bits_share = 32;         // a condition becomes bits when at most one row in so many passes
constexpr uint32_t bits_rows_min = 4096;    // or so few pass
constexpr uint32_t lookup_keys_max = 64;    // keys of any_of that are looked up one by one
constexpr uint32_t mask_chunk_blocks = 64;  // blocks whose keys are read together
constexpr uint32_t held_rows_max = 65536;   // rows that are scanned by the codes of their column, at most
constexpr uint32_t held_rows_per_row = 24;  // so many of them cost as much as evaluating one row that lies alone

inline uint32_t block_count_of(uint32_t rows) {
  return (rows + quant::block_rows - 1) / quant::block_rows;
}

// Reads the keys of rows [first, end) of one condition and clears the bits of those that do not pass. first is a
// multiple of 32; at most mask_chunk_blocks blocks.
template <Pager P>
Status mask_condition(P& pager, Search& search, SearchSource const& source, uint32_t at, uint32_t first, uint32_t end,
                      uint32_t* masks) {
  segment::Condition const& condition = search.filter->conditions[at];
  uint32_t const rows = end - first;
  bool const is_hash = condition.column == segment::vector_hash;
  ColumnView const* const view = is_hash ? nullptr : &source.columns[at];
  StreamDisk const& stream = is_hash ? source.hashes : view->values;
  uint32_t const size = is_hash ? 8 : view->key_size;
  bool const nulls = !is_hash && view->summary.null_count > 0;
  uint8_t null_bits[mask_chunk_blocks * 4] = {};
  Status status =
      read_stream(pager, *source.object, stream, uint64_t(first) * size, uint64_t(rows) * size, search.keys);
  if (status.ok() && nulls)
    status = read_stream(pager, *source.object, stream, uint64_t(source.row_count) * size + first / 8, (rows + 7) / 8,
                         null_bits);
  if (!status.ok()) return status;
  for (uint32_t block = 0; block * quant::block_rows < rows; block++) {
    if (!masks[block]) continue;
    uint32_t const from = block * quant::block_rows, left = rows - from;
    uint32_t null_mask;
    std::memcpy(&null_mask, null_bits + block * 4, sizeof null_mask);
    masks[block] &= segment::mask_of(condition, search.keys + size_t(from) * size, size,
                                     left < quant::block_rows ? left : quant::block_rows, null_mask);
  }
  return {};
}

// masks[i] = rows of block first_block + i that pass. At most mask_chunk_blocks blocks.
template <Pager P>
Status mask_blocks(P& pager, Search& search, SearchSource const& source, uint32_t first_block, uint32_t end_block,
                   uint32_t* masks) {
  uint32_t const first = first_block * quant::block_rows;
  uint32_t const end =
      end_block * quant::block_rows < source.row_count ? end_block * quant::block_rows : source.row_count;
  uint32_t any = 0;
  for (uint32_t block = first_block; block < end_block; block++) {
    uint32_t mask = 0;
    if (source.pass_bits) {
      std::memcpy(&mask, source.pass_bits + size_t(block) * 4, sizeof mask);
    } else {
      uint32_t const left = source.row_count - block * quant::block_rows;
      mask = left >= quant::block_rows ? ~0u : (1u << left) - 1;
    }
    masks[block - first_block] = mask;
    any |= mask;
  }
  for (uint32_t at = 0; any && at < search.filter->count; at++) {
    if (!(source.blockwise >> at & 1) && at != source.held) continue;
    if (Status status = mask_condition(pager, search, source, at, first, end, masks); !status.ok()) return status;
    any = 0;
    for (uint32_t block = 0; block < end_block - first_block; block++) any |= masks[block];
  }
  return {};
}

// Zeroed bits of all rows, with room for the whole of the last block.
template <Pager P>
uint8_t* new_bits(P& pager, uint32_t rows) {
  auto* bits = static_cast<uint8_t*>(pager.allocate(sets::bitmap_size(rows) + 8));
  std::memset(bits, 0, sets::bitmap_size(rows) + 8);
  return bits;
}

// All conditions of a source become bits: its column streams are read once.
template <Pager P>
Status materialize(P& pager, Search& search, SearchSource& source) {
  if (source.growing || !source.blockwise) return {};
  uint8_t* bits = new_bits(pager, source.row_count);
  uint32_t masks[mask_chunk_blocks];
  uint32_t const blocks = block_count_of(source.row_count);
  for (uint32_t first = 0; first < blocks; first += mask_chunk_blocks) {
    uint32_t const end = first + mask_chunk_blocks < blocks ? first + mask_chunk_blocks : blocks;
    if (Status status = mask_blocks(pager, search, source, first, end, masks); !status.ok()) return status;
    std::memcpy(bits + size_t(first) * 4, masks, size_t(end - first) * 4);
    if ((first & 0xFFF) == 0) pager.check_interrupts();
  }
  if (source.pass_bits) pager.release(source.pass_bits);
  source.pass_bits = bits;
  source.blockwise = 0;
  source.pass_count = uint32_t(sets::bitmap_count(bits, 0, source.row_count));
  return {};
}

// *passes = false when the bloom filter denies every key of an equality condition.
template <Pager P>
Status ask_bloom(P& pager, Search& search, SearchSource const& source, segment::Condition const& condition,
                 StreamDisk const& bloom, bool* passes) {
  *passes = true;
  if (!segment::is_equality(condition) || bloom.byte_size == 0) return {};
  uint32_t const keys = segment::equality_count(condition);
  if (keys > lookup_keys_max) return {};
  *passes = false;
  for (uint32_t i = 0; i < keys && !*passes; i++) {
    search.counters.bloom_test_count++;
    Status status = test_bloom(pager, *source.object, bloom, segment::equality_key(condition, i), passes);
    if (!status.ok()) return status;
  }
  if (!*passes) search.counters.bloom_skip_count++;
  return {};
}

// Whether the rows that pass condition `at` are scanned by the codes of its column rather than those of any condition
// before it.
inline bool may_hold_back(Search const& search, SearchSource const& source, uint32_t at, uint32_t count) {
  if (!search.vector || !source.columns[at].codes.byte_size) return false;
  if (count > held_rows_max || count == source.row_count) return false;
  return source.held == SearchSource::none || count < source.held_count;
}

// Looks at condition `at` of a source: *count = rows that pass it, UINT32_MAX when that is not known exactly.
template <Pager P>
Status count_passing(P& pager, Search& search, SearchSource& source, ObjectHeaderDisk const& header, uint32_t at,
                     uint32_t* count) {
  segment::Condition const& condition = search.filter->conditions[at];
  *count = 0;
  if (condition.test == segment::Test::never) return {};
  bool passes;
  if (condition.column == segment::vector_hash) {
    StreamDisk const* bloom = find_stream(header, StreamKind::bloom, format::hash_column);
    if (!bloom) return corrupt("segment lacks a bloom filter", header.id);
    Status status = ask_bloom(pager, search, source, condition, *bloom, &passes);
    *count = passes ? UINT32_MAX : 0;
    return status;
  }
  ColumnView& view = source.columns[at];
  Status status = open_column(pager, search.shape.columns, *source.object, header, condition.column, &view);
  if (!status.ok() || !segment::may_pass(condition, view.summary, view.row_count)) return status;
  status = ask_bloom(pager, search, source, condition, view.bloom, &passes);
  if (!status.ok() || !passes) return status;
  if (condition.test == segment::Test::any_of && condition.key_count > lookup_keys_max) {
    *count = UINT32_MAX;
    return {};
  }
  uint32_t const first_range = search.ranges.count;
  status = for_each_range(pager, *source.object, view, condition, [&](OrderRange range) {
    *count += range.end - range.first;
    if (view.codes.byte_size && range.first < range.end) search.ranges.push(pager, range);
    return Status{};
  });
  if (status.ok() && may_hold_back(search, source, at, *count)) {
    source.held = at;
    source.held_count = *count;
    source.first_range = first_range;
    source.range_count = search.ranges.count - first_range;
    status = check_code_stream(search.shape, header, view.codes);
  }
  if (status.ok() && *count == 0 && segment::is_equality(condition) && view.bloom.byte_size)
    search.counters.bloom_false_count++;
  return status;
}

// Bits of the rows that pass condition `at`, joined with those there are.
template <Pager P>
Status take_bits(P& pager, Search& search, SearchSource& source, uint32_t at) {
  ColumnView const& view = source.columns[at];
  uint8_t* bits = new_bits(pager, source.row_count);
  Status status = for_each_range(pager, *source.object, view, search.filter->conditions[at], [&](OrderRange range) {
    return mark_range(pager, *source.object, view, range, bits);
  });
  if (!source.pass_bits) {
    source.pass_bits = bits;
    return status;
  }
  for (size_t i = 0; i < sets::bitmap_size(source.row_count); i++) source.pass_bits[i] &= bits[i];
  pager.release(bits);
  return status;
}

// Turns conditions of a source into bits or leaves them to be evaluated block by block, by the number of rows that pass
// each. *passes = false: no row passes all.
template <Pager P>
Status split_conditions(P& pager, Search& search, SearchSource& source, uint32_t const* counts, bool* passes) {
  uint32_t const few = source.row_count / bits_share > bits_rows_min ? source.row_count / bits_share : bits_rows_min;
  double share = 1;
  uint32_t taken = 0, exact = source.row_count;
  for (uint32_t at = 0; at < search.filter->count; at++) {
    if (counts[at] == source.row_count) continue;  // every row passes
    if (at == source.held) {
      exact = counts[at];
    } else if (source.held == SearchSource::none && counts[at] <= few) {
      if (Status status = take_bits(pager, search, source, at); !status.ok()) return status;
      exact = counts[at];
      taken++;
    } else {
      source.blockwise |= 1u << at;
      share *= counts[at] == UINT32_MAX ? 0.1 : double(counts[at]) / source.row_count;
    }
  }
  if (taken > 1) exact = uint32_t(sets::bitmap_count(source.pass_bits, 0, source.row_count));
  source.pass_count = uint32_t(exact * share + 0.999);
  *passes = exact > 0;
  return {};
}

// A source whose held-back condition is to be evaluated like the others after all.
template <Pager P>
Status release_held(P& pager, Search& search, SearchSource& source) {
  if (source.held == SearchSource::none) return {};
  uint32_t const at = source.held;
  source.held = SearchSource::none;
  return take_bits(pager, search, source, at);
}

// What the filter of the search leaves of a segment. *passes = false: nothing.
template <Pager P>
Status filter_source(P& pager, Search& search, SearchSource& source, ObjectHeaderDisk const& header, bool* passes) {
  segment::Filter const& filter = *search.filter;
  *passes = false;
  source.columns = static_cast<ColumnView*>(pager.allocate(sizeof(ColumnView) * (filter.count + 1)));
  source.held = SearchSource::none;
  uint32_t counts[search_condition_count_max];
  if (Status status = check_column_streams(search.shape.columns, header); !status.ok()) return status;
  for (uint32_t at = 0; at < filter.count; at++) {
    Status status = count_passing(pager, search, source, header, at, &counts[at]);
    if (!status.ok() || counts[at] == 0) return status;
  }
  // A condition that so few rows pass is better looked at row by row than beside one that is held back.
  if (source.held != SearchSource::none)
    for (uint32_t at = 0; at < filter.count; at++)
      if (counts[at] < source.held_count / held_rows_per_row) source.held = SearchSource::none;
  if (Status status = split_conditions(pager, search, source, counts, passes); !status.ok()) return status;
  // A look-up by the vector's value, and whatever has no order to follow, knows its rows at once.
  bool const by_value = [&] {
    for (uint32_t at = 0; at < filter.count; at++)
      if (filter.conditions[at].column == segment::vector_hash) return true;
    return false;
  }();
  if (!by_value && search.vector) return {};
  if (Status status = release_held(pager, search, source); !status.ok()) return status;
  Status status = materialize(pager, search, source);
  *passes = source.pass_bits ? source.pass_count > 0 : *passes;
  if (status.ok() && by_value && !*passes) search.counters.bloom_false_count++;
  return status;
}

// Whether a row passes the conditions evaluated block by block.
template <Pager P>
Status passes_rest(P& pager, Search const& search, SearchSource const& source, uint32_t row, bool* passes) {
  *passes = true;
  for (uint32_t at = 0; *passes && at < search.filter->count; at++) {
    if (!(source.blockwise >> at & 1)) continue;
    ColumnView const& view = source.columns[at];
    std::byte key[8], nulls{};
    Status status = read_stream(pager, *source.object, view.values, uint64_t(row) * view.key_size, view.key_size, key);
    if (status.ok() && view.summary.null_count > 0)
      status = read_stream(pager, *source.object, view.values, uint64_t(view.row_count) * view.key_size + row / 8, 1,
                           &nulls);
    if (!status.ok()) return status;
    bool const is_null = uint8_t(nulls) >> (row % 8) & 1;
    *passes = segment::passes(search.filter->conditions[at], format::load_key(key, view.key_size), is_null);
  }
  return {};
}

// Whether a growing row passes.
inline bool growing_passes(Search const& search, std::byte const* columns, uint64_t hash) {
  return !search.filter || segment::row_passes(*search.filter, search.shape.columns, columns, hash);
}

// Calls fn(first_block, end_block, masks) -> Status for runs of blocks of rows [first, end) that have rows that pass.
template <Pager P, class Fn>
Status for_each_passing(P& pager, Search& search, SearchSource const& source, uint32_t first, uint32_t end, Fn&& fn) {
  if (source.pass_bits && !sets::bitmap_any(source.pass_bits, first, end)) return {};
  uint32_t masks[mask_chunk_blocks];
  uint32_t const end_block = block_count_of(end);
  for (uint32_t from = first / quant::block_rows; from < end_block; from += mask_chunk_blocks) {
    uint32_t const until = from + mask_chunk_blocks < end_block ? from + mask_chunk_blocks : end_block;
    if (Status status = mask_blocks(pager, search, source, from, until, masks); !status.ok()) return status;
    if (from * quant::block_rows < first) masks[0] &= ~0u << (first % quant::block_rows);
    if (until * quant::block_rows > end) masks[until - from - 1] &= ~0u >> (until * quant::block_rows - end);
    for (uint32_t block = from; block < until;) {
      uint32_t const start = block;
      while (block < until && masks[block - from]) block++;
      if (block > start)
        if (Status status = fn(start, block, masks + (start - from)); !status.ok()) return status;
      while (block < until && !masks[block - from]) block++;
    }
  }
  return {};
}

}  // namespace detail

}  // namespace strata::store
