// The order in which a search probes the lists of all epochs: estimates from the centroids' codes first, exact keys for
// the lists that come into question.
#pragma once
#include <cmath>

#include "core/math/distance.hpp"
#include "core/quant/list_key.hpp"
#include "store/scan.hpp"
#include "store/search_kept.hpp"

namespace strata::store::detail {

inline float residual_of(std::byte const* residuals, uint32_t list) {
  float value;
  std::memcpy(&value, residuals + size_t(list) * sizeof value, sizeof value);
  return value;
}

inline quant::ListKeyRule key_rule(IndexShape const& shape, FrameQuery const& query) {
  return quant::list_key_rule(shape.metric, shape.dim, query.factor, query.offset, query.refine.norm2);
}

// Appends the lists of one epoch with estimated keys.
template <Pager P>
Status rank_epoch(P& pager, Search& search, uint32_t at) {
  IndexShape const& shape = search.shape;
  EpochView const& view = *search.epochs[at].view;
  FrameQuery const& query = search.queries[search.epochs[at].query];
  uint32_t lists = view.list_count, blocks = (lists + quant::block_rows - 1) / quant::block_rows;
  auto* estimates = static_cast<float*>(pager.allocate(size_t(blocks) * quant::block_rows * sizeof(float)));
  std::byte const* residuals = view.kept_residuals;
  void* read_residuals = nullptr;
  // The centroid codes are relative to the origin of frame space.
  quant::ScanBounds bounds{shape.metric == Metric::inner_product ? 0.0f : query.refine.norm2, 0.0f, infinity};
  Status status;
  if (view.kept_codes) {
    uint32_t const block_bytes = quant::block_size(shape.padded_dim, shape.scan.bits);
    for (uint32_t block = 0; block < blocks; block++)
      quant::scan_block(query.table, view.kept_codes + size_t(block) * block_bytes, bounds,
                        estimates + size_t(block) * quant::block_rows);
  } else {
    status = scan_stream(pager, shape, *view.object, view.codes, query.table, 0, blocks, bounds, estimates);
  }
  if (status.ok() && !residuals) {
    residuals = static_cast<std::byte*>(read_residuals = pager.allocate(size_t(lists) * sizeof(float)));
    status = read_stream(pager, *view.object, view.residuals, 0, uint64_t(lists) * sizeof(float), read_residuals);
  }
  if (!status.ok()) return status;
  quant::list_keys(key_rule(shape, query), lists, residuals, estimates);
  search.order.reserve(pager, search.order.count + lists);
  ListRank* const ranks = search.order.end();
  for (uint32_t list = 0; list < lists; list++) ranks[list] = {estimates[list], 0.0f, at, list & 0x7FFFFFFFu, 0};
  search.order.count += lists;
  if (read_residuals) pager.release(read_residuals);
  pager.release(estimates);
  return {};
}

// Exact score of a list's centroid, and a key from it.
template <Pager P>
Status rank_exactly(P& pager, Search& search, ListRank& rank) {
  IndexShape const& shape = search.shape;
  EpochView const& view = *search.epochs[rank.epoch].view;
  FrameQuery const& query = search.queries[search.epochs[rank.epoch].query];
  bool const by_product = shape.metric == Metric::inner_product;
  if (view.kept_centroids) {
    std::byte const* const centroid = view.kept_centroids + size_t(rank.list) * view.centroid_size;
    rank.base = by_product ? -math::inner_product_mixed(shape.padded_dim, query.w, centroid)
                           : math::l2_squared_mixed(shape.padded_dim, query.w, centroid);
  } else {
    if (Status status = read_centroid(pager, shape, view, rank.list, search.scratch, search.centroid); !status.ok())
      return status;
    rank.base = by_product ? -math::inner_product(shape.padded_dim, query.w, search.centroid)
                           : math::l2_squared(shape.padded_dim, query.w, search.centroid);
  }
  float residual2 = 0;
  if (view.kept_residuals)
    residual2 = residual_of(view.kept_residuals, rank.list);
  else if (Status status = read_stream(pager, *view.object, view.residuals, uint64_t(rank.list) * 4, 4, &residual2);
           !status.ok())
    return status;
  rank.key = quant::list_key(key_rule(shape, query), rank.base, residual2);
  rank.exact = 1;
  return {};
}

// The model of a calibration, checked.
template <Pager P>
Status read_stop_model(P& pager, ManifestObject const& calibration, policy::StopModelDisk* model) {
  auto* const header = static_cast<ObjectHeaderDisk*>(pager.allocate(sizeof(ObjectHeaderDisk)));
  Status status = read_header(pager, calibration, header);
  StreamDisk const* stream = status.ok() ? find_stream(*header, StreamKind::stop_model) : nullptr;
  if (status.ok() && (!stream || stream->byte_size != sizeof *model))
    status = corrupt("calibration is malformed", calibration.disk.id);
  if (status.ok()) status = read_stream(pager, calibration, *stream, 0, sizeof *model, model);
  if (status.ok()) status = policy::check_stop_model(*model);
  pager.release(header);
  return status;
}

// The newest calibration of an epoch that is searched; without one the model stays null.
template <Pager P>
Status load_stop_model(P& pager, Search& search) {
  ManifestObject const* newest = nullptr;
  for (auto const& object : search.manifest->objects) {
    if (object.disk.kind != ObjectKind::calibration || object.disk.state != ObjectState::live) continue;
    for (EpochRank const& rank : search.epochs)
      if (rank.view->object->disk.id == object.disk.epoch) newest = &object;
  }
  if (!newest) return {};
  uint64_t const key = model_key(newest->id());
  search.model = static_cast<policy::StopModelDisk const*>(pager.find_cached(key));
  if (!search.model) {
    auto* const own = static_cast<policy::StopModelDisk*>(pager.allocate(sizeof(policy::StopModelDisk)));
    search.own_model = own;
    if (Status status = read_stop_model(pager, *newest, own); !status.ok()) return status;
    void const* const kept = pager.can_keep(sizeof *own) ? pager.keep_cached(key, own, sizeof *own) : nullptr;
    search.model = kept ? static_cast<policy::StopModelDisk const*>(kept) : own;
  }
  search.model_lists = search.model->list_count;
  search.tau_scale = policy::tau_scale(search.model, double(search.ranked_total));
  return {};
}

// A type of its own, so that sorting calls no function.
struct NearerList {
  bool operator()(ListRank const& a, ListRank const& b) const { return a.key < b.key; }
};

// Lists from `from` on get exact keys.
template <Pager P>
Status rank_all_exactly(P& pager, Search& search, ListRank* from, ListRank* end) {
  for (ListRank* rank = from; rank < end; rank++) {
    if (rank + 2 < end) prefetch_centroid(*search.epochs[rank[2].epoch].view, rank[2].list);
    if (Status status = rank_exactly(pager, search, *rank); !status.ok()) return status;
  }
  return {};
}

// Puts the `wanted` nearest of lists [from, end) first, in any order; wanted < end - from. A sample of their keys says
// where the cut is about, and few of the lists are moved: cheaper than selecting among all of them.
template <Pager P>
void select_nearest(P& pager, ListRank* from, ListRank* end, uint32_t wanted) {
  constexpr uint32_t sample_count = 128;
  uint32_t const count = uint32_t(end - from), stride = count / sample_count;
  uint32_t const place = uint32_t(uint64_t(wanted) * sample_count / count) * 5 / 4 + 3;
  if (stride >= 2 && place < sample_count / 2) {
    float sample[sample_count];
    for (uint32_t i = 0; i < sample_count; i++) sample[i] = from[i * stride].key;
    std::nth_element(sample, sample + place, sample + sample_count);
    auto* const keys = static_cast<float*>(pager.allocate(size_t(count) * sizeof(float)));
    auto* const near = static_cast<uint32_t*>(pager.allocate(size_t(count) * sizeof(uint32_t)));
    for (uint32_t i = 0; i < count; i++) keys[i] = from[i].key;
    uint32_t const found = quant::find_below(keys, count, sample[place], near);
    // Positions ascend: what is moved to the front comes from behind it.
    for (uint32_t i = 0; i < found; i++) std::swap(from[i], from[near[i]]);
    pager.release(near);
    pager.release(keys);
    if (found > wanted) end = from + found;
    if (found == wanted) return;
  }
  std::nth_element(from, from + wanted, end, NearerList());
}

// Puts at least the next `wanted` lists in order, the nearest by exact keys. Calibration, which takes all lists, and
// searches, which take few, see the near ones in the same order: the stop rule learns from it what to expect.
template <Pager P>
Status order_lists(P& pager, Search& search, uint32_t wanted) {
  uint32_t end = search.probed + wanted;
  if (end <= search.order_sorted || search.order_sorted == search.order.count) return {};
  // Estimates misplace lists a little: take three times as many before the exact keys decide.
  uint64_t enough = uint64_t(search.order_sorted) + 3ull * wanted + 16;
  uint32_t until = enough < search.order.count ? uint32_t(enough) : search.order.count;
  // Past a thousand lists the order hardly matters any more, and reading centroids does cost.
  constexpr uint32_t exact_max = 1024;
  uint32_t const exact_until = until - search.order_sorted > exact_max ? search.order_sorted + exact_max : until;
  ListRank* const lists = search.order.items;
  ListRank* const from = lists + search.order_sorted;
  if (until < search.order.count) select_nearest(pager, from, search.order.end(), until - search.order_sorted);
  if (exact_until < until) std::nth_element(from, lists + exact_until, lists + until, NearerList());
  if (Status status = rank_all_exactly(pager, search, from, lists + exact_until); !status.ok()) return status;
  std::sort(from, lists + exact_until, NearerList());
  std::sort(lists + exact_until, lists + until, NearerList());
  search.order_sorted = until;
  return {};
}

}  // namespace strata::store::detail
