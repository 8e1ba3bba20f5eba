#include "recall/memory_index.hpp"

#include <algorithm>
#include <cmath>

#include "core/math/distance.hpp"

namespace strata::bench {
namespace {

constexpr uint32_t rows_per_block = 60;
constexpr uint32_t lane_count = 4;

Tid tid_of_row(uint64_t row) {
  return Tid::of(uint32_t(row / rows_per_block), uint16_t(1 + row % rows_per_block));
}

uint64_t row_of_tid(Tid tid) {
  return uint64_t(tid.block()) * rows_per_block + tid.offset() - 1;
}

strata::Metric store_metric(Metric metric) {
  switch (metric) {
    case Metric::l2:
      return strata::Metric::l2;
    case Metric::ip:
      return strata::Metric::inner_product;
    case Metric::cosine:
      return strata::Metric::cosine;
  }
  throw Failure("unknown metric");
}

}  // namespace

MemoryIndex::MemoryIndex(Matrix const& base, Metric metric, std::vector<std::vector<uint32_t>> const& labels)
    : base_(base), labels_(labels), metric_(store_metric(metric)) {
  pager_.horizon = UINT64_MAX;
  std::vector<format::ColumnDisk> const columns(labels.size(), {format::ColumnKind::fixed, 4, 0, 0});
  check(store::create_index(
      pager_, store::meta_for(base.dim(), metric_, mix64(base.dim()), columns.data(), uint32_t(columns.size()))));
}

template <class Fn>
void MemoryIndex::locked(Fn&& fn) {
  pager_.free_memory();
  inserters_.clear();
  pager_.lock(store::LockName::merge);
  check(store::drop_unfinished(pager_));
  fn();
  pager_.unlock(store::LockName::merge);
  pager_.xid++;
  pager_.free_memory();
}

store::Manifest MemoryIndex::manifest() {
  store::Manifest manifest{};
  check(store::load_manifest(pager_, &manifest));
  return manifest;
}

void MemoryIndex::insert(uint32_t row) {
  uint32_t const lane = uint32_t(inserted_++ % lane_count);
  store::Inserter*& inserter = inserters_[lane];
  if (!inserter) {
    store::MetaDisk meta{};
    check(store::read_meta(pager_, &meta));
    inserter = store::open_inserter(pager_, meta, lane);
  }
  format::ColumnsShape const& shape = inserter->shape.columns;
  std::vector<std::byte> columns(shape.total_size + 1);
  for (uint32_t i = 0; i < shape.count; i++) format::set_column(shape, i, labels_[i][row], false, columns.data());
  check(store::insert_row(pager_, *inserter, tid_of_row(row), 0, row, columns.data(), base_.row(row)));
}

void MemoryIndex::remove(std::vector<bool> const& dead) {
  store::VacuumResult result{};
  check(store::vacuum(
      pager_, [&dead](Tid tid) { return bool(dead[row_of_tid(tid)]); }, &result));
  pager_.free_memory();
  inserters_.clear();
}

uint32_t MemoryIndex::maintain(store::MaintainOptions const& options, uint32_t steps) {
  for (uint32_t done = 0; done < steps; done++) {
    store::MaintainResult result;
    locked([&] { check(store::maintain(pager_, options, &result)); });
    if (result.step == store::Step::nothing) return done;
  }
  return steps;
}

void MemoryIndex::train(store::MaintainOptions options) {
  options.seal = options.merge = false;
  options.force_train = true;
  store::MaintainResult result;
  locked([&] { check(store::maintain(pager_, options, &result)); });
}

void MemoryIndex::flush() {
  store::RewriteResult result{};
  locked([&] { check(store::flush(pager_, &result)); });
}

store::CalibrateResult MemoryIndex::calibrate(uint64_t work_max) {
  store::CalibrateResult result{};
  locked([&] { check(store::calibrate(pager_, work_max, &result)); });
  return result;
}

double MemoryIndex::score(float const* query, uint64_t row) const {
  if (metric_ == strata::Metric::inner_product) return -double(math::inner_product(base_.dim(), query, base_.row(row)));
  return double(math::l2_squared(base_.dim(), query, base_.row(row)));
}

void MemoryIndex::search(float const* query, uint32_t k, store::SearchOptions const& options, std::vector<int64_t>* ids,
                         SearchWork* work) {
  struct Row {
    double score;
    uint64_t row;
  };
  auto farther = [](Row const& a, Row const& b) { return a.score > b.score; };
  std::vector<Row> found;
  store::Search* search = nullptr;
  check(store::start_search(pager_, query, options, &search));
  ids->clear();
  double last = -std::numeric_limits<double>::infinity();
  for (uint32_t target = 0; ids->size() < k;) {
    double const frontier = target ? double(store::search_frontier(*search)) : last;
    if (!found.empty() && found.front().score <= frontier) {
      std::pop_heap(found.begin(), found.end(), farther);
      Row const row = found.back();
      found.pop_back();
      if (row.score < last) continue;  // too late for its place
      last = row.score;
      ids->push_back(int64_t(row.row));
      continue;
    }
    double const nearest = found.empty() ? std::numeric_limits<double>::infinity() : found.front().score;
    if (search->candidates.count &&
        (search->candidates[0].lower_bound <= nearest || store::search_exhausted(*search))) {
      store::Candidate candidate;
      store::next_candidate(*search, &candidate);
      Tid tid{};
      check(store::tid_of(pager_, *search, candidate.source, candidate.row, &tid));
      uint64_t const row = row_of_tid(tid);
      found.push_back({score(query, row), row});
      std::push_heap(found.begin(), found.end(), farther);
    } else if (!store::search_exhausted(*search)) {
      target = target ? target * 2 : k + store::search_margin;
      check(store::advance_search(pager_, *search, target));
    } else {
      break;
    }
  }
  work->list_count += search->counters.list_count;
  work->code_count += search->counters.code_count + search->counters.growing_count;
  work->refined_count += search->counters.refined_count;
  work->fetched_count += search->counters.candidate_count;
  work->advance_count += search->counters.advance_count;
  work->gather_count += search->counters.gather_count;
  pager_.free_memory();
  inserters_.clear();
}

MemoryIndex::Shape MemoryIndex::shape() {
  Shape shape{};
  store::Manifest const all = manifest();
  for (auto const& object : all.objects) {
    format::ObjectDisk const& disk = object.disk;
    if (disk.state != store::ObjectState::live && disk.state != store::ObjectState::frozen) continue;
    if (disk.kind == store::ObjectKind::epoch) {
      shape.epochs++;
      if (disk.id == all.header.epoch) {
        store::ObjectHeaderDisk header;
        check(store::read_header(pager_, object, &header));
        shape.list_count = disk.list_count;
        shape.spills = header.spills != 0;
      }
    }
    if (disk.kind == store::ObjectKind::calibration && disk.epoch == all.header.epoch)
      shape.calibrated_rows = disk.row_count;
    if (disk.kind == store::ObjectKind::segment) {
      shape.segments++;
      (disk.epoch && disk.epoch == all.header.epoch ? shape.listed_rows : shape.other_rows) += disk.row_count;
    }
    if (disk.kind == store::ObjectKind::growing) {
      uint64_t rows = 0;
      check(store::count_growing_rows(pager_, store::shape_of(all.meta), object, &rows));
      shape.other_rows += rows;
    }
  }
  pager_.free_memory();
  inserters_.clear();
  return shape;
}

}  // namespace strata::bench
