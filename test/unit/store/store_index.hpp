// An index on the simulated pager for tests: rows are numbered, the number is stored as hash and gives the TID.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "sim/copy_of.hpp"
#include "sim/sim_pager.hpp"
#include "store/calibrate.hpp"
#include "store/check.hpp"
#include "store/insert.hpp"
#include "store/maintain.hpp"
#include "store/search.hpp"
#include "store/vacuum.hpp"
#include "unit/math/levels.hpp"

namespace strata::testing {

using store::LockName;
using store::ObjectKind;
using store::ObjectState;
using Vector = std::vector<float>;

inline Tid tid_of_row(uint64_t row) {
  return Tid::of(uint32_t(row / 60), uint16_t(1 + row % 60));
}
inline uint64_t row_of_tid(Tid tid) {
  return uint64_t(tid.block()) * 60 + tid.offset() - 1;
}

#define EXPECT_OK(expression)                                                                         \
  do {                                                                                                \
    strata::Status const expect_ok_status = (expression);                                             \
    EXPECT_TRUE(expect_ok_status.ok()) << expect_ok_status.message << " " << expect_ok_status.detail; \
  } while (0)
#define ASSERT_OK(expression)                                                                         \
  do {                                                                                                \
    strata::Status const assert_ok_status = (expression);                                             \
    ASSERT_TRUE(assert_ok_status.ok()) << assert_ok_status.message << " " << assert_ok_status.detail; \
  } while (0)

struct StoredRow {
  uint64_t hash;
  Tid tid;
  uint16_t flags;
  bool deleted;
  friend bool operator==(StoredRow const&, StoredRow const&) = default;
};

struct Found {
  uint64_t row;
  double score;       // exact
  float lower_bound;  // as promised by the candidate
};

class StoreIndex {
 public:
  sim::SimPager pager;
  uint32_t dim;
  Metric metric;
  std::vector<Vector> vectors;  // by row; empty: no vector
  bool keep_log = false;
  store::SearchCounters last_counters{};  // of search()

  // `columns`: filter columns; see column_key() for what is in them.
  StoreIndex(uint32_t dim_, Metric metric_ = Metric::l2, uint64_t seed = 7,
             std::vector<format::ColumnDisk> const& columns = {}, store::CopyPlan copies = {})
      : dim(dim_), metric(metric_) {
    // The log of a long test would not fit memory.
    pager.hook = [this] {
      if (!keep_log) pager.log.clear();
    };
    EXPECT_OK(store::create_index(
        pager, store::meta_for(dim, metric, seed, columns.data(), uint32_t(columns.size()), copies)));
  }

  store::IndexShape shape() { return store::shape_of(meta()); }
  store::MetaDisk meta() {
    store::MetaDisk meta{};
    EXPECT_OK(store::read_meta(pager, &meta));
    return meta;
  }
  store::Manifest manifest() {
    store::Manifest manifest{};
    EXPECT_OK(store::load_manifest(pager, &manifest));
    return manifest;
  }
  template <class Fn>
  void edit(Fn&& fn) {
    EXPECT_OK(store::edit_manifest(pager, [&](store::Manifest& work) -> store::EditResult {
      fn(work);
      return {{}, store::Edit::keep};
    }));
  }

  // Under cosine the vector is normalised first. Returns the number of the row.
  uint64_t insert(Vector vector, uint16_t flags = 0, uint32_t lane = 0) {
    uint64_t row = vectors.size();
    if (metric == Metric::cosine && !vector.empty()) normalise(vector);
    vectors.push_back(vector);
    insert_as(row, flags, lane);
    return row;
  }
  void insert_as(uint64_t row, uint16_t flags = 0, uint32_t lane = 0) {
    float const* vector = vectors[row].empty() ? nullptr : vectors[row].data();
    std::vector<std::byte> const columns = columns_of(row), copy = copy_of(row);
    ASSERT_OK(store::insert_row(pager, inserter(lane), tid_of_row(row), flags, row, columns.data(), vector,
                                copy.empty() ? nullptr : copy.data()));
  }
  // The copy that a row is to carry; empty: none.
  std::vector<std::byte> copy_of(uint64_t row) { return sim::copy_of(shape(), vectors[row]); }

  // What is in the filter columns of a row; the default follows from its number.
  struct ColumnKey {
    uint64_t key;
    bool is_null;
  };
  std::function<ColumnKey(uint64_t row, uint32_t column)> column_key = [](uint64_t row, uint32_t column) {
    Random random(row * 31 + column);
    uint64_t const kind = random.below(10);
    uint64_t const key = kind < 5 ? random.below(4) : kind < 9 ? random.below(1000) : random.next();
    return ColumnKey{key, kind == 0};
  };
  // The key as far as it fits the column.
  ColumnKey stored_key(uint64_t row, uint32_t column) {
    ColumnKey one = column_key(row, column);
    uint32_t const size = shape().columns.size[column];
    if (one.is_null) one.key = 0;
    if (size < 8) one.key &= (uint64_t{1} << (8 * size)) - 1;
    return one;
  }
  std::vector<std::byte> columns_of(uint64_t row) {
    format::ColumnsShape const shape = this->shape().columns;
    std::vector<std::byte> columns(shape.total_size + 1);
    for (uint32_t column = 0; column < shape.count; column++) {
      ColumnKey const one = column_key(row, column);
      format::set_column(shape, column, one.key, one.is_null, columns.data());
    }
    return columns;
  }
  void insert_all(std::vector<Vector> const& rows, uint32_t lanes = 1) {
    for (size_t i = 0; i < rows.size(); i++) insert(rows[i], 0, uint32_t(i % lanes));
  }

  static void normalise(Vector& vector) {
    double norm2 = 0;
    for (float x : vector) norm2 += double(x) * x;
    for (float& x : vector) x = float(x / std::sqrt(norm2));
  }

  template <class Fn>
  void locked(Fn&& fn) {
    pager.lock(LockName::merge);
    EXPECT_OK(store::drop_unfinished(pager));
    fn();
    pager.unlock(LockName::merge);
    pager.xid++;
  }
  store::RewriteResult flush() {
    store::RewriteResult result{};
    locked([&] { EXPECT_OK(store::flush(pager, &result)); });
    return result;
  }
  store::RewriteResult rewrite(std::vector<ObjectId> const& ids) {
    store::RewriteResult result{};
    locked([&] { EXPECT_OK(store::rewrite(pager, ids.data(), uint32_t(ids.size()), &result)); });
    return result;
  }
  store::TrainResult train(uint32_t lists, uint32_t sample = 0, store::Spill spill = store::Spill::off) {
    store::TrainResult result{};
    locked([&] {
      EXPECT_OK(
          store::train_epoch(pager, {lists, sample ? sample : lists * 64, SIZE_MAX, spill}, vectors.size(), &result));
    });
    return result;
  }
  store::ReclaimResult reclaim(bool everything = true) {
    if (everything) pager.horizon = UINT64_MAX;
    store::ReclaimResult result{};
    locked([&] { EXPECT_OK(store::reclaim(pager, &result)); });
    return result;
  }
  store::VacuumResult vacuum(std::set<uint64_t> const& dead) {
    store::VacuumResult result{};
    EXPECT_OK(store::vacuum(
        pager, [&dead](Tid tid) { return dead.count(row_of_tid(tid)) != 0; }, &result));
    return result;
  }
  store::CheckResult check() {
    store::CheckResult result{};
    EXPECT_OK(store::check(pager, &result));
    return result;
  }
  Status check_status() {
    store::CheckResult result{};
    return store::check(pager, &result);
  }

  std::vector<ObjectId> objects(ObjectKind kind, ObjectState state = ObjectState::live) {
    std::vector<ObjectId> ids;
    for (auto const& object : manifest().objects)
      if (object.disk.kind == kind && object.disk.state == state) ids.push_back(object.id());
    return ids;
  }
  store::ManifestObject object(ObjectId id) {
    store::Manifest all = manifest();
    return *all.find(id);
  }
  store::ObjectHeaderDisk header(ObjectId id) {
    store::ObjectHeaderDisk header{};
    EXPECT_OK(store::read_header(pager, object(id), &header));
    return header;
  }
  std::byte* page(ObjectId id, uint32_t page_no) {
    return pager.pages[raw(store::block_of(object(id), page_no))].data();
  }

  // Rows of one object in their order.
  std::vector<StoredRow> rows_of(ObjectId id) {
    store::Manifest all = manifest();
    store::IndexShape sizes = store::shape_of(all.meta);
    store::RowSource source;
    std::vector<StoredRow> rows;
    EXPECT_OK(store::open_source(pager, sizes, all, *all.find(id), ObjectId(all.find(id)->disk.frame), &source));
    for (uint32_t row = 0; row < source.row_count; row++) {
      store::RowView view;
      EXPECT_OK(store::fetch_row(pager, sizes, source, row, &view));
      std::vector<std::byte> const columns = columns_of(view.hash);
      EXPECT_EQ(std::memcmp(view.columns ? view.columns : columns.data(), columns.data(), sizes.columns.total_size), 0)
          << "columns of row " << view.hash;
      rows.push_back({view.hash, view.tid, view.flags, sets::bitmap_test(source.deleted, row)});
    }
    return rows;
  }
  // Every entry that is not deleted, ascending.
  std::vector<uint64_t> live_rows() {
    std::vector<uint64_t> rows;
    for (ObjectKind kind : {ObjectKind::growing, ObjectKind::segment})
      for (ObjectState state : {ObjectState::live, ObjectState::frozen})
        for (ObjectId id : objects(kind, state))
          for (StoredRow const& row : rows_of(id))
            if (!row.deleted) {
              EXPECT_EQ(row.tid, tid_of_row(row.hash));
              rows.push_back(row.hash);
            }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  // In the space of absolute scores (store/search_state.hpp).
  double exact_score(Vector const& query, uint64_t row) const {
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
      double x = vectors[row][i], y = query[i];
      sum += metric == Metric::inner_product ? -x * y : (x - y) * (x - y);
    }
    return sum;
  }
  // The order a brute force search gives, nearest first.
  std::vector<Found> brute_force(Vector const& query) const {
    std::vector<Found> all;
    for (uint64_t row = 0; row < vectors.size(); row++)
      if (!vectors[row].empty()) all.push_back({row, exact_score(query, row), 0});
    std::stable_sort(all.begin(), all.end(), [](Found const& a, Found const& b) { return a.score < b.score; });
    return all;
  }

  store::Search* start(Vector const& query, store::SearchOptions options = {}) {
    store::Search* search = nullptr;
    EXPECT_OK(store::start_search(pager, query.empty() ? nullptr : query.data(), options, &search));
    return search;
  }
  // Hands out all candidates that wait, in their order.
  void drain(store::Search& search, Vector const& query, std::vector<Found>* found) {
    store::Candidate candidate;
    while (store::next_candidate(search, &candidate)) {
      Tid tid{};
      ASSERT_OK(store::tid_of(pager, search, candidate.source, candidate.row, &tid));
      uint64_t row = row_of_tid(tid);
      ASSERT_LT(row, vectors.size());
      found->push_back({row, exact_score(query, row), candidate.lower_bound});
    }
  }
  // Rows in the order of their distance as a scan of the server emits them, until `wanted` or the end.
  std::vector<Found> search(Vector const& query, size_t wanted = SIZE_MAX, store::SearchOptions options = {},
                            uint32_t first_target = 0) {
    if (first_target == 0) first_target = wanted == SIZE_MAX ? 24 : uint32_t(wanted) + store::search_margin;
    store::Search* search = start(query, options);
    std::vector<Found> emitted;
    auto farther = [](Found const& a, Found const& b) { return a.score > b.score; };
    std::vector<Found> heap;
    uint32_t target = first_target;
    EXPECT_OK(store::advance_search(pager, *search, target));
    while (emitted.size() < wanted) {
      if (!heap.empty() && heap.front().score <= store::search_frontier(*search)) {
        std::pop_heap(heap.begin(), heap.end(), farther);
        emitted.push_back(heap.back());
        heap.pop_back();
      } else if (search->candidates.count && search->candidates[0].lower_bound <= search->tau) {
        store::Candidate candidate;
        store::next_candidate(*search, &candidate);
        Tid tid{};
        EXPECT_OK(store::tid_of(pager, *search, candidate.source, candidate.row, &tid));
        uint64_t row = row_of_tid(tid);
        heap.push_back({row, exact_score(query, row), candidate.lower_bound});
        std::push_heap(heap.begin(), heap.end(), farther);
      } else if (!store::search_exhausted(*search)) {
        EXPECT_OK(store::advance_search(pager, *search, target *= 2));
      } else if (heap.empty()) {
        break;
      }
    }
    last_counters = search->counters;
    return emitted;
  }
  // Rows of one pass of next_row, ascending.
  std::vector<uint64_t> pass(store::RowPass kind, store::SearchOptions options = {}) {
    store::Search* search = start({}, options);
    store::RowIterator iterator{kind, 0, 0};
    std::vector<uint64_t> rows;
    for (;;) {
      Tid tid{};
      bool found = false;
      EXPECT_OK(store::next_row(pager, *search, iterator, &tid, &found));
      if (!found) break;
      rows.push_back(row_of_tid(tid));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  // Gives all memory of finished operations back, and forgets the cursors of inserters.
  void free_memory() {
    pager.free_memory();
    inserters_.clear();
  }
  store::Inserter& inserter(uint32_t lane) {
    auto& slot = inserters_[lane];
    if (!slot) slot = store::open_inserter(pager, meta(), lane);
    return *slot;
  }

 private:
  std::map<uint32_t, store::Inserter*> inserters_;
};

inline std::vector<uint64_t> numbers(uint64_t end, uint64_t first = 0) {
  std::vector<uint64_t> all;
  for (uint64_t i = first; i < end; i++) all.push_back(i);
  return all;
}

inline std::vector<Vector> gaussian_rows(uint64_t seed, size_t count, uint32_t dim, double scale = 1,
                                         double offset = 0) {
  Random random(seed);
  std::vector<Vector> rows;
  for (size_t i = 0; i < count; i++) {
    rows.push_back(gaussian_vector(random, dim, scale));
    for (float& x : rows.back()) x = float(x + offset);
  }
  return rows;
}

// Rows around `centers` points, with noise a third of their spread.
inline std::vector<Vector> clustered_rows(uint64_t seed, size_t count, uint32_t dim, uint32_t centers) {
  Random random(seed);
  std::vector<Vector> middle;
  for (uint32_t i = 0; i < centers; i++) middle.push_back(gaussian_vector(random, dim));
  std::vector<Vector> rows;
  for (size_t i = 0; i < count; i++) {
    Vector row = gaussian_vector(random, dim, 0.33);
    Vector const& center = middle[random.below(centers)];
    for (uint32_t d = 0; d < dim; d++) row[d] += center[d];
    rows.push_back(row);
  }
  return rows;
}

}  // namespace strata::testing
