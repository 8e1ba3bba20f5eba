// How a search begins: the query in the frames in use, the objects that are searched, and what the filter leaves of
// them.
#pragma once
#include "store/search_filter.hpp"
#include "store/search_kept.hpp"

namespace strata::store::detail {

// A bound at eps standard deviations fails with probability Phi(-eps), and costs recall only near the k-th row.
// Measured recall against evaluating every scanned row: 0.991 at 1.0, 0.996 at 1.5, 0.997 at 1.9, 0.999 at 2.3.
inline float epsilon_for(double recall_target) {
  constexpr double targets[] = {0.90, 0.95, 0.98, 0.99, 0.999};
  constexpr float values[] = {1.2f, 1.5f, 1.9f, 2.3f, 3.0f};
  if (recall_target <= targets[0]) return values[0];
  for (int i = 1; i < 5; i++)
    if (recall_target <= targets[i])
      return values[i - 1] +
             float((recall_target - targets[i - 1]) / (targets[i] - targets[i - 1])) * (values[i] - values[i - 1]);
  return 4.0f;
}

// Of so few rows most are candidates: their refine codes are all evaluated, without a look at their scan codes.
constexpr uint32_t few_rows_max = 256;
constexpr uint32_t few_bytes_max = 1 << 17;

// Whether that holds for a flat source. A filter looks at blocks, and is left to those who do.
inline bool has_few_rows(Search const& search, SearchSource const& source) {
  return !search.filter && source.ranked_count <= few_rows_max &&
         uint64_t(source.ranked_count) * search.shape.refine_size <= few_bytes_max;
}

template <Pager P>
Status query_of_frame(P& pager, Search& search, ObjectId id, uint32_t* index) {
  for (uint32_t i = 0; i < search.queries.count; i++) {
    *index = i;
    if (search.queries[i].id == id) return {};
  }
  IndexShape const& shape = search.shape;
  FrameQuery query{};
  query.id = id;
  float mean_norm;
  if (Status status = open_frame(pager, search, id, &query.frame, &mean_norm, &query.mean_is_kept); !status.ok())
    return status;
  query.w = static_cast<float*>(pager.allocate(size_t(shape.padded_dim) * sizeof(float)));
  float unit = query.frame.unit;
  if (!search.vector) {
    // Nothing is ordered: the rows are only walked.
    search.queries.push(pager, query);
    *index = search.queries.count - 1;
    return {};
  }
  if (shape.metric == Metric::inner_product) {
    quant::rotate(shape.seed, shape.dim, search.vector, query.w);
    query.factor = unit;
    query.offset = -unit * math::inner_product(shape.padded_dim, query.frame.mean, query.w);
  } else {
    quant::to_frame(query.frame, search.vector, query.w);
    query.factor = unit * unit;
    query.offset = 0;
  }
  query.refine = quant::refine_query(shape.metric, shape.padded_dim, query.w, mean_norm);
  search.queries.push(pager, query);
  *index = search.queries.count - 1;
  return {};
}

// Makes the tables for scan codes, which a search of rows without them does not need.
template <Pager P>
void need_table(P& pager, Search const& search, FrameQuery& query) {
  if (query.table) return;
  void* const memory = pager.allocate(quant::query_table_size(search.shape.padded_dim));
  query.table = quant::build_query_table(search.shape.scan, query.w, memory);
}

template <Pager P>
Status add_source(P& pager, Search& search, ManifestObject const& object, ObjectHeaderDisk* header) {
  SearchSource source{};
  source.object = &object;
  source.epoch = source.held = SearchSource::none;
  source.growing = object.disk.kind == ObjectKind::growing;
  bool const wanted = object.disk.tier == 0 ? search.options.hot : search.options.cold;
  if (!source.growing && !wanted) {
    search.counters.left_out_count++;
    search.counters.left_out_rows += object.disk.row_count;
    return {};
  }
  if (source.growing) {
    uint64_t rows = 0;
    if (Status status = count_growing_rows(pager, search.shape, object, &rows); !status.ok()) return status;
    if (rows > UINT32_MAX) return {Code::limit, "growing segment has too many rows", object.disk.id};
    source.row_count = uint32_t(rows);
    search.ranked_total += rows;
  } else {
    uint32_t deleted_count = 0;
    if (Status status = open_segment(pager, search, object, header, &source, &deleted_count); !status.ok())
      return status;
    source.has_deleted = deleted_count > 0;
    source.deleted_count = deleted_count < source.row_count ? deleted_count : source.row_count;
    search.ranked_total += source.ranked_count;
    if (object.disk.epoch)
      if (Status status = cached_stream(pager, object, source.directory, &source.kept_directory); !status.ok())
        return status;
    if (source.spills())
      if (Status status = cached_stream(pager, object, source.spill_directory, &source.kept_spill_directory);
          !status.ok())
        return status;
  }
  if (source.row_count == 0) return {};
  if (search.filter && !source.growing) {
    bool passes = false;
    Status const status = filter_source(pager, search, source, *header, &passes);
    if (!status.ok()) return status;
    if (!passes) {
      search.counters.skipped_segment_count++;
      return {};
    }
  }
  if (!search.vector) {  // nothing is ranked: next_row() visits every source
    search.counters.segment_count++;
    search.sources.push(pager, source);
    return {};
  }
  if (Status status = query_of_frame(pager, search, ObjectId(object.disk.frame), &source.query); !status.ok())
    return status;
  if (object.disk.epoch) {
    uint32_t at = 0;
    while (at < search.epochs.count && search.epochs[at].view->object->disk.id != object.disk.epoch) at++;
    if (at == search.epochs.count) {
      EpochRank rank{};
      if (Status status = open_kept_epoch(pager, search, ObjectId(object.disk.epoch), &rank.view); !status.ok())
        return status;
      if (Status status = query_of_frame(pager, search, ObjectId(rank.view->header.frame), &rank.query); !status.ok())
        return status;
      search.epochs.push(pager, rank);
    }
    source.epoch = at;
    if (search.epochs[at].view->list_count != source.list_count)
      return corrupt("segment and its epoch differ in the number of lists", object.disk.id);
    if (search.epochs[at].query != source.query)
      return corrupt("segment and its epoch live in different frames", object.disk.id);
  }
  bool const has_codes = source.epoch != SearchSource::none || (!source.growing && !has_few_rows(search, source));
  if (has_codes) need_table(pager, search, search.queries[source.query]);
  search.counters.segment_count++;
  search.sources.push(pager, source);
  return {};
}

}  // namespace strata::store::detail
