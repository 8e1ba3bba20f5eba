// SEARCH: rows in the order of their distance, as many as the caller wants.
//
//   start_search    copies the manifest, prepares the query, ranks the lists of all epochs in use
//   advance_search  makes sure that about `target` rows are found at the recall wanted: probes lists by key over all
//                   segments at once, scans growing rows and flat segments after the first list, evaluates survivors
//                   of the first stage in the order of their bounds; a later call with a larger target goes on, and
//                   scans nothing twice
//   next_candidate  hands out candidates by their lower bound; the caller computes exact distances where bounds
//                   overlap, and emits a row when no candidate and nothing unseen (search_unseen) can be nearer
//
// No locks are held between calls: the caller's snapshot keeps what the manifest copy names from being reused.
#pragma once
#include "store/search_evaluate.hpp"
#include "store/search_few.hpp"
#include "store/search_gather.hpp"
#include "store/search_open.hpp"
#include "store/search_rank.hpp"
#include "store/search_rows.hpp"

namespace strata::store {

namespace detail {

// Rows that the filter leaves out are as good as evaluated.
inline void mask_bounds(Search& search, uint32_t const* masks, float* bounds, uint32_t rows) {
  for (uint32_t i = 0; i < rows; i++) {
    if (masks[i / quant::block_rows] >> (i % quant::block_rows) & 1) continue;
    bounds[i] = infinity;
    search.counters.masked_count++;
  }
}

// Scans codes [first, end) of a sealed source, which lie in `stream`, against a centroid at frame score `base` (the
// origin for flat segments). `masks`: rows of every block that pass the filter; null: all. `numbers`: the rows of the
// codes, of whole blocks, for the run to keep; null: row i has code i.
template <Pager P>
Status scan_span(P& pager, Search& search, uint32_t at, StreamDisk const& stream, uint32_t first, uint32_t end,
                 float base, float distance, uint32_t const* masks, uint32_t const* numbers) {
  SearchSource const& source = search.sources[at];
  FrameQuery const& query = search.queries[source.query];
  uint32_t first_block = first / quant::block_rows, end_block = (end + quant::block_rows - 1) / quant::block_rows;
  uint32_t rows = (end_block - first_block) * quant::block_rows;
  if (rows > UINT32_MAX - search.bounds.count) return {Code::limit, "scan keeps too many bounds", search.bounds.count};
  search.bounds.reserve(pager, search.bounds.count + rows);
  float* bounds = search.bounds.items + search.bounds.count;
  quant::ScanBounds scan{base, search.epsilon * distance, infinity};
  Status status =
      scan_stream(pager, search.shape, *source.object, stream, query.table, first_block, end_block, scan, bounds);
  if (!status.ok()) return status;
  // An infinite error at distance zero, or an overflow, gives no number: such rows are always evaluated.
  quant::scale_bounds(bounds, end_block - first_block, query.factor, query.offset);
  for (uint32_t i = 0; i < first - first_block * quant::block_rows; i++) bounds[i] = infinity;
  for (uint32_t i = end - first_block * quant::block_rows; i < rows; i++) bounds[i] = infinity;
  if (masks) mask_bounds(search, masks, bounds, rows);
  search.runs.push(pager, {at, first_block * quant::block_rows, rows, search.bounds.count, numbers});
  search.bounds.count += rows;
  search.counters.run_count++;
  search.counters.code_count += rows;
  return {};
}

template <Pager P>
Status scan_rows(P& pager, Search& search, uint32_t at, uint32_t first, uint32_t end, float base, float distance) {
  if (first >= end) return {};
  StreamDisk const& codes = search.sources[at].scan;
  if (!search.filter) return scan_span(pager, search, at, codes, first, end, base, distance, nullptr, nullptr);
  return for_each_passing(
      pager, search, search.sources[at], first, end,
      [&](uint32_t first_block, uint32_t end_block, uint32_t const* masks) {
        for (uint32_t i = 0; i < end_block - first_block; i++) search.passed_rows += uint32_t(std::popcount(masks[i]));
        uint32_t const from = first_block * quant::block_rows, until = end_block * quant::block_rows;
        return scan_span(pager, search, at, codes, from, until < end ? until : end, base, distance, masks, nullptr);
      });
}

// Scans the rows that have `list` as their second one. Bits of the filter are looked at here, conditions without bits
// when a row comes near.
template <Pager P>
Status scan_spilled(P& pager, Search& search, uint32_t at, uint32_t list, float base, float distance) {
  SearchSource const& source = search.sources[at];
  uint32_t first, end, *rows;
  if (Status status = spilled_rows(pager, source, list, &first, &end, &rows); !status.ok() || !rows) return status;
  Status const status = scan_span(pager, search, at, source.spill_codes, first, end, base, distance, nullptr, rows);
  if (!status.ok() || !source.pass_bits) return status;
  ScannedRun const& run = search.runs[search.runs.count - 1];
  for (uint32_t i = 0; i < run.row_count; i++) {
    float& bound = search.bounds[run.bounds_at + i];
    if (bound == infinity || sets::bitmap_test(source.pass_bits, rows[i])) continue;
    bound = infinity;
    search.counters.masked_count++;
  }
  return {};
}

template <Pager P>
Status scan_flat(P& pager, Search& search) {
  search.flat_done = true;
  uint32_t const first_run = search.runs.count;
  for (uint32_t at = 0; at < search.sources.count; at++) {
    SearchSource const& source = search.sources[at];
    if (source.epoch != SearchSource::none) continue;
    FrameQuery const& query = search.queries[source.query];
    Status status;
    if (source.growing) {
      status = scan_growing(pager, search, at);
    } else if (has_few_rows(search, source)) {
      status = scan_few(pager, search, at);
    } else {
      float base = search.shape.metric == Metric::inner_product ? 0.0f : query.refine.norm2;
      status = scan_rows(pager, search, at, 0, source.ranked_count, base, gain_distance(query, query.refine.norm2));
    }
    if (!status.ok()) return status;
  }
  // All segments together: the nearest rows of all keep most others from being evaluated.
  return evaluate_runs(pager, search, first_run);
}

// Calls ask(source, stream, offset, size) for the scan codes of a list in every source that has it.
template <class Ask>
void visit_list_codes(Search const& search, ListRank const& rank, Ask&& ask) {
  uint32_t const block_bytes = quant::block_size(search.shape.padded_dim, search.shape.scan.bits);
  auto visit = [&](SearchSource const& source, StreamDisk const& codes, StreamDisk const& directory,
                   std::byte const* kept_directory) {
    format::DirectoryEntryDisk entry[2];
    uint64_t const offset = uint64_t(rank.list) * sizeof entry[0];
    if (!kept_directory || offset + sizeof entry > directory.byte_size) return;
    std::memcpy(static_cast<void*>(entry), kept_directory + offset, sizeof entry);
    if (entry[0].first_row >= entry[1].first_row) return;
    uint64_t const first = entry[0].first_row / quant::block_rows * uint64_t(block_bytes);
    uint64_t const size = (entry[1].first_row - entry[0].first_row) * uint64_t(block_bytes) / quant::block_rows;
    ask(source, codes, first, size);
  };
  for (SearchSource const& source : search.sources) {
    if (source.epoch != rank.epoch) continue;
    visit(source, source.scan, source.directory, source.kept_directory);
    if (source.spills()) visit(source, source.spill_codes, source.spill_directory, source.kept_spill_directory);
  }
}

// Asks for the scan codes of the lists to be probed next: of one in memory, of several that a disk can bring meanwhile.
template <Pager P>
void prefetch_lists(P& pager, Search& search) {
  uint32_t const places = pager.read_ahead_count();
  if (places == 0) {
    constexpr uint64_t size_max = 16384;  // the rest is read faster than it could be asked for
    if (search.probed >= search.order_sorted) return;
    visit_list_codes(search, search.order[search.probed],
                     [&](SearchSource const& source, StreamDisk const& codes, uint64_t first, uint64_t size) {
                       prefetch_stream(pager, *source.object, codes, first, size < size_max ? size : size_max);
                     });
    return;
  }
  // A list is several pages, and the last ones asked for may not be needed any more.
  uint32_t const lists = (places + 3) / 4;
  if (search.prefetched < search.probed) search.prefetched = search.probed;
  while (search.prefetched < search.order_sorted && search.prefetched < search.probed + lists)
    visit_list_codes(search, search.order[search.prefetched++],
                     [&](SearchSource const& source, StreamDisk const& codes, uint64_t first, uint64_t size) {
                       prefetch_stream_pages(pager, *source.object, codes, first, size);
                     });
}

template <Pager P>
Status probe_next(P& pager, Search& search) {
  ListRank& rank = search.order[search.probed++];
  uint64_t const passed_before = search.passed_rows;
  if (search.filter) {
    bool may = true;
    if (Status status = look_at_list(pager, search, rank, &may); !status.ok()) return status;
    if (!may) {
      search.counters.skipped_list_count++;
      return {};
    }
  }
  if (!rank.exact)
    if (Status status = rank_exactly(pager, search, rank); !status.ok()) return status;
  FrameQuery const& query = search.queries[search.epochs[rank.epoch].query];
  float distance = gain_distance(query, search.shape.metric == Metric::inner_product ? query.refine.norm2 : rank.base);
  prefetch_lists(pager, search);
  uint32_t first_run = search.runs.count;
  for (uint32_t at = 0; at < search.sources.count; at++) {
    SearchSource const& source = search.sources[at];
    if (source.epoch != rank.epoch) continue;
    format::DirectoryEntryDisk entry[2];
    Status status = list_rows(pager, source, rank.list, entry);
    if (status.ok()) status = scan_rows(pager, search, at, entry[0].first_row, entry[1].first_row, rank.base, distance);
    if (status.ok() && source.spills()) status = scan_spilled(pager, search, at, rank.list, rank.base, distance);
    if (!status.ok()) return status;
    if (!search.filter) search.passed_rows += entry[1].first_row - entry[0].first_row;
  }
  if (search.filter && search.passed_rows == passed_before) {
    search.counters.skipped_list_count++;
    return {};
  }
  search.counters.list_count++;
  if (search.filter || search.reach < infinity) note_spread(search, rank.key, first_run);
  return evaluate_runs(pager, search, first_run);
}

template <Pager P>
Status gather_rows(P& pager, Search& search) {
  SearchStage const before = enter_stage(pager, search.clock, SearchStage::refine);
  Status const status = gather(pager, search);
  enter_stage(pager, search.clock, before);
  return status;
}

// After the first lists: so few rows passed that the estimates must have been wrong?
template <Pager P>
Status reconsider(P& pager, Search& search) {
  uint32_t const after = search.order.count / reconsider_share;
  if (!search.filter || search.probed != (after > reconsider_lists_min ? after : reconsider_lists_min)) return {};
  if (search.scores.count >= rows_asked(search)) return {};
  Status status = choose_strategy(pager, search, true);
  return status.ok() && search.gather ? gather_rows(pager, search) : status;
}

template <Pager P>
Status order_timed(P& pager, Search& search, uint32_t wanted) {
  SearchStage const before = enter_stage(pager, search.clock, SearchStage::rank);
  Status const status = order_lists(pager, search, wanted);
  enter_stage(pager, search.clock, before);
  return status;
}

// Probes lists until the stop rule has seen enough of them for `target` rows. Lists without a row that passes the
// filter are seen like any other, at the price of a look at their bits.
template <Pager P>
Status probe_lists(P& pager, Search& search) {
  if (search.probed == search.order.count) return {};
  policy::StopPlan plan = stop_plan(search);
  uint32_t const near_lists = search.filter ? near_list_count(search) : 0;
  if (search.probed == 0) {
    if (Status status = release_all_held(pager, search); !status.ok()) return status;
    if (Status status = order_timed(pager, search, lists_expected(search)); !status.ok()) return status;
    search.tracker.start(tracked(search, search.order[0].key));
  } else {
    search.tracker.restart_k(tracked_tau(search));
    if (policy::should_stop(plan, search.tracker) && saw_enough(search)) return {};
  }
  while (search.probed < search.order.count) {
    if (search.probed == search.order_sorted)
      if (Status status = order_timed(pager, search, lists_expected(search) / 4 + 8); !status.ok()) return status;
    uint32_t const epoch = search.order[search.probed].epoch;
    Status status = probe_next(pager, search);
    if (search.probed <= near_lists) {
      search.near_rows = search.seen_rows;
      search.near_passed = search.passed_rows;
    }
    // After the nearest list: its rows say how near the others have to be, and most rows without lists are not.
    if (status.ok() && !search.flat_done) status = scan_flat(pager, search);
    if (status.ok()) status = reconsider(pager, search);
    if (!status.ok()) return status;
    bool const last = search.probed == search.order.count;
    float const next_key = last ? infinity : search.order[search.probed].key;
    float const weight = list_weight(search, epoch);
    bool const decides = search.tracker.advance(weight, tracked_tau(search), tracked(search, next_key));
    bool const due = decides || plan.kind == policy::StopPlan::Kind::probes;
    if (due && search.filter) plan = stop_plan(search);
    if (due && ((policy::should_stop(plan, search.tracker) && saw_enough(search)) || saw_reach(search))) break;
  }
  return {};
}

// Loads what the search reads everywhere, and one source after another.
template <Pager P>
Status open_search(P& pager, Search& search) {
  if (Status status = open_manifest(pager, search); !status.ok()) return status;
  search.shape = shape_of(search.manifest->meta);
  uint32_t padded = search.shape.padded_dim;
  uint32_t scratch = search.shape.growing.entry_size > padded * 2 ? search.shape.growing.entry_size : padded * 2;
  search.scratch = static_cast<std::byte*>(pager.allocate(scratch));
  search.centroid = static_cast<float*>(pager.allocate(size_t(padded) * sizeof(float)));
  if (search.filter) search.keys = static_cast<std::byte*>(pager.allocate(mask_chunk_blocks * quant::block_rows * 8));
  auto* header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  for (auto const& object : search.manifest->objects) {
    bool readable = object.disk.state == ObjectState::live || object.disk.state == ObjectState::frozen;
    if (!readable || (object.disk.kind != ObjectKind::growing && object.disk.kind != ObjectKind::segment)) continue;
    if (Status status = add_source(pager, search, object, header); !status.ok()) return status;
  }
  pager.release(header);
  return {};
}

template <Pager P>
Status rank_lists(P& pager, Search& search) {
  if (Status status = choose_strategy(pager, search, false); !status.ok() || search.gather) return status;
  enter_stage(pager, search.clock, SearchStage::rank);
  for (uint32_t at = 0; at < search.epochs.count; at++)
    if (Status status = rank_epoch(pager, search, at); !status.ok()) return status;
  return search.epochs.count ? load_stop_model(pager, search) : Status{};
}

// As advance_search(), which see.
template <Pager P>
Status advance(P& pager, Search& search, uint32_t target) {
  bool const lifted = search.target && search.reach < infinity;
  if (lifted) {
    uint32_t nearer = 0;
    for (float const score : search.scores) nearer += score < search.reach;
    target = nearer + 2;
    search.reach = infinity;
  }
  if (target > search.target || lifted) {
    if (search.target) search.counters.advance_count++;
    search.target = target;
    // The threshold of the larger target, from what was evaluated so far.
    search.tau = nearer_of(find_smallest(pager, search, search.top, target), search.reach);
    search.tau_asked = nearer_of(find_smallest(pager, search, search.near, rows_asked(search)), search.reach);
    if (Status status = evaluate_runs(pager, search, 0); !status.ok()) return status;
    if (lifted && search.tau < infinity) return {};  // rows beyond the reach are known
  }
  // A filter's strategy depends on what they hold; without lists there is nothing else.
  if (!search.flat_done && (search.filter || search.order.count == 0))
    if (Status status = scan_flat(pager, search); !status.ok()) return status;
  if (search.probed == 0 && search.counters.gather_count == 0) {
    if (Status status = choose_strategy(pager, search, false); !status.ok()) return status;
    if (search.gather) return gather_rows(pager, search);
  }
  return probe_lists(pager, search);
}

}  // namespace detail

// Begins a search for `vector` (float[dim], of unit length under cosine, must outlive the search). Requires an MVCC
// snapshot taken before the call and kept to the end of the search.
template <Pager P>
Status start_search(P& pager, float const* vector, SearchOptions const& options, Search** out) {
  auto* search = static_cast<Search*>(pager.allocate(sizeof(Search)));
  *search = Search{};
  *out = search;
  search->options = options;
  search->vector = vector;
  search->tau = search->tau_asked = search->reach = options.reach;
  search->skip_source = SearchSource::none;
  search->tau_scale = 1;
  search->clock.running = options.timed;
  search->epsilon = detail::epsilon_for(options.recall_target);
  search->filter = options.filter && options.filter->count ? options.filter : nullptr;
  enter_stage(pager, search->clock, SearchStage::open);
  Status status = detail::open_search(pager, *search);
  if (status.ok() && vector) status = detail::rank_lists(pager, *search);
  enter_stage(pager, search->clock, SearchStage::elsewhere);
  return status;
}

// Gives the memory of a search back before its operation ends: for callers that search many times.
template <Pager P>
void release_search(P& pager, Search* search) {
  for (FrameQuery& query : search->queries) {
    if (!query.mean_is_kept) pager.release(const_cast<float*>(query.frame.mean));
    pager.release(query.w);
    if (query.table) pager.release(query.table);
  }
  for (EpochRank& rank : search->epochs) pager.release(rank.view);
  detail::forget_runs(pager, *search);
  for (SearchSource& source : search->sources) {
    if (source.columns) pager.release(source.columns);
    if (source.pass_bits) pager.release(source.pass_bits);
  }
  void* parts[] = {search->queries.items,  search->sources.items, search->epochs.items,  search->order.items,
                   search->runs.items,     search->bounds.items,  search->pending.items, search->candidates.items,
                   search->scores.items,   search->top.items,     search->near.items,    search->scratch,
                   search->centroid,       search->own_model,     search->keys,          search->ranges.items,
                   search->evaluated.slots};
  for (void* part : parts)
    if (part) pager.release(part);
  if (search->own_manifest) {
    release_manifest(pager, search->own_manifest);
    pager.release(search->own_manifest);
  }
  pager.release(search);
}

// Looks far enough for `target` rows; a smaller target than before changes nothing. The first call after one that kept
// to the reach finds the next few rows beyond it, whatever the target, and looks into no more lists when those it has
// seen hold such rows: a merge takes one, to learn that it needs none of them.
template <Pager P>
Status advance_search(P& pager, Search& search, uint32_t target) {
  enter_stage(pager, search.clock, SearchStage::scan);
  Status const status = detail::advance(pager, search, target ? target : 1);
  enter_stage(pager, search.clock, SearchStage::elsewhere);
  return status;
}

}  // namespace strata::store
