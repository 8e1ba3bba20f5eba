// The world around one simulated index: a model of what must be in it, and the operations that change both.
//
// Strategy: random inserts (several lanes), deletes, vacuums, seals, merges, trainings, incremental builds, reclaims,
// moves within the file, truncations and long-lived searches; the pager's hook runs some of them in the middle of
// others. Every row has a number, stored as its hash, and a vector made from that number. TIDs are reused as soon as a
// vacuum has returned. Invariants: (1) check() holds after every logged action; (2) a row whose insert ended is an
// entry exactly once, until a vacuum that was told of its death begins; (3) a row whose vacuum ended is no entry any
// more, nor one before its insert began; (4) a search returns every row that was live from its start to its end, once,
// and never a row dead before it began.
#pragma once
#include <cmath>
#include <list>
#include <stdexcept>
#include <string>

#include "sim/copy_of.hpp"
#include "sim/sim_pager.hpp"
#include "store/check.hpp"
#include "store/insert.hpp"
#include "store/outlook.hpp"
#include "store/search.hpp"
#include "store/tier.hpp"
#include "store/train.hpp"
#include "store/vacuum.hpp"

namespace strata::sim {

struct ModelRow {
  uint64_t tid;
  size_t insert_begin, insert_end;  // positions in the log
  size_t delete_begin = SIZE_MAX, delete_end = SIZE_MAX;
  bool doomed = false;  // dead in the heap, no vacuum has begun
  uint16_t flags = 0;
};

struct OpenSearch {
  store::Search* search;
  std::vector<float> vector;
  segment::Condition condition;  // of `filter`, when there is one
  segment::Filter filter;
  uint64_t xid;
  size_t begin;
  store::RowIterator iterator;
  std::multiset<uint64_t> seen;  // row numbers
  bool busy = true;              // a search belongs to one session: no other may take it up meanwhile
};

constexpr uint32_t companion_name = 4711;

struct Entry {
  uint64_t row;  // its hash
  uint64_t tid;
  uint16_t flags;
};

class World {
 public:
  SimPager pager;
  std::vector<ModelRow> rows;
  Random random;
  uint32_t dim;
  Metric metric;

  World(uint64_t seed, uint32_t dim_, Metric metric_) : random(seed), dim(dim_), metric(metric_) {
    pager.seed(seed * 7 + 1);
    must(store::create_index(pager,
                             store::meta_for(dim, metric, seed, column_kinds, column_count, copies_for(seed, dim))),
         "create");
    store::MetaDisk meta;
    must(store::read_meta(pager, &meta), "meta");
    for (auto& session : inserters_)
      for (uint32_t lane = 0; lane < store::lane_count_max; lane++)
        session[lane] = store::open_inserter(pager, meta, lane);
  }

  // Rows of every other world carry copies of their vectors, in turn whole, where such rows fit an action, and rounded.
  static store::CopyPlan copies_for(uint64_t seed, uint32_t dim) {
    if (seed % 2 == 0) return {};
    bool const is_whole = seed / 2 % 2 == 0 && dim <= 4000;
    return is_whole ? store::CopyPlan{sizeof(float), format::CopyKind::whole} : store::rounded_copies;
  }

  // Filter columns: kept with every row, whatever happens to it.
  static constexpr uint32_t column_count = 2;
  static constexpr format::ColumnDisk column_kinds[column_count] = {{format::ColumnKind::fixed, 4, 0, 0},
                                                                    {format::ColumnKind::hash, 8, 0, 0}};
  static uint64_t column_key(uint64_t row, uint32_t column) {
    return column == 0 ? mix64(row) % 7 : mix64(row * 3 + 1);
  }
  static bool column_is_null(uint64_t row, uint32_t column) { return (row + column) % 11 == 0; }
  static std::vector<std::byte> columns_of(format::ColumnsShape const& shape, uint64_t row) {
    std::vector<std::byte> columns(shape.total_size);
    for (uint32_t column = 0; column < column_count; column++)
      format::set_column(shape, column, column_key(row, column), column_is_null(row, column), columns.data());
    return columns;
  }

  static void must(Status status, char const* what) {
    if (status.ok()) return;
    std::fprintf(stderr, "simulation: %s: %s (%llu)\n", what, status.message, (unsigned long long)status.detail);
    throw std::runtime_error(what);
  }

  std::vector<float> vector_of(uint64_t row) const {
    Random local(row * 0x9e3779b97f4a7c15ULL + 5);
    std::vector<float> vector(dim);
    double norm2 = 0;
    uint64_t center = local.below(7);
    for (uint32_t i = 0; i < dim; i++) {
      Random offset(center * 1000 + i);
      vector[i] = float(100 + offset.unit() * 8 + local.unit());
      norm2 += double(vector[i]) * vector[i];
    }
    if (metric == Metric::cosine)
      for (float& x : vector) x = float(x / std::sqrt(norm2));
    return vector;
  }

  void insert() {
    uint64_t row = rows.size();
    ModelRow model{};
    model.tid = take_tid();
    model.insert_begin = pager.log.size();
    model.insert_end = SIZE_MAX;
    if (random.below(40) == 0) model.flags = random.below(2) ? format::row_is_null : format::row_is_zero;
    rows.push_back(model);
    std::vector<float> vector = vector_of(row);
    auto& inserter = *inserters_[pager.in_hook() ? 1 : 0][random.below(store::lane_count_max)];
    std::vector<std::byte> const columns = columns_of(inserter.shape.columns, row);
    std::vector<std::byte> const copy = copy_of(inserter.shape, vector);
    must(store::insert_row(pager, inserter, Tid{model.tid}, model.flags, row, columns.data(),
                           model.flags ? nullptr : vector.data(), model.flags || copy.empty() ? nullptr : copy.data()),
         "insert");
    rows[row].insert_end = pager.log.size();
    pager.xid++;
  }

  void kill_some() {
    for (uint64_t i = 0, count = 1 + random.below(20); i < count && !rows.empty(); i++) {
      ModelRow& row = rows[random.below(rows.size())];
      if (row.insert_end != SIZE_MAX && row.delete_begin == SIZE_MAX) row.doomed = true;
    }
    pager.xid++;
  }

  void vacuum() {
    if (in_vacuum_) return;  // VACUUM of one table never runs twice at once
    in_vacuum_ = true;
    std::set<uint64_t> dead;
    std::vector<uint64_t> numbers;
    for (uint64_t i = 0; i < rows.size(); i++)
      if (rows[i].doomed && rows[i].delete_begin == SIZE_MAX) {
        dead.insert(rows[i].tid);
        numbers.push_back(i);
        rows[i].delete_begin = pager.log.size();
      }
    store::VacuumResult result;
    must(store::vacuum(
             pager, [&dead](Tid tid) { return dead.count(tid.key) != 0; }, &result),
         "vacuum");
    for (uint64_t i : numbers) {
      rows[i].delete_end = pager.log.size();
      free_tids_.push_back(rows[i].tid);
    }
    in_vacuum_ = false;
  }

  // Work that needs the merge lock; skipped when another session has it.
  template <class Fn>
  void under_merge_lock(Fn&& fn) {
    if (!pager.try_lock(store::LockName::merge)) return;
    must(store::drop_unfinished(pager), "drop_unfinished");
    fn();
    pager.unlock(store::LockName::merge);
    pager.xid++;
  }

  void flush() {
    under_merge_lock([&] {
      store::RewriteResult result;
      must(store::flush(pager, &result), "flush");
    });
  }

  void merge() {
    under_merge_lock([&] {
      store::Manifest manifest{};
      must(store::load_manifest(pager, &manifest), "manifest");
      std::vector<ObjectId> ids;
      for (auto const& object : manifest.objects)
        if (object.disk.kind == store::ObjectKind::segment && object.disk.state == store::ObjectState::live &&
            ids.size() < 8 && random.below(3) != 0)
          ids.push_back(object.id());
      store::RewriteResult result;
      if (!ids.empty()) must(store::rewrite(pager, ids.data(), uint32_t(ids.size()), &result), "merge");
    });
  }

  void train() {
    under_merge_lock([&] {
      store::TrainResult result;
      uint32_t lists = uint32_t(2 + random.below(12));
      store::Spill const spill = random.below(2) ? store::Spill::on : store::Spill::off;
      must(store::train_epoch(pager, {lists, lists * 20, SIZE_MAX, spill}, rows.size(), &result), "train");
    });
  }

  void reclaim() {
    pager.horizon = pager.xid;
    for (auto const& open : searches_) pager.horizon = std::min(pager.horizon, open.xid);
    under_merge_lock([&] {
      store::ReclaimResult result;
      must(store::reclaim(pager, &result), "reclaim");
    });
  }

  // The last object moves to the front when there is room, and the end of the file is cut off.
  void shrink() {
    under_merge_lock([&] {
      store::MoveResult moved;
      must(store::move_last(pager, 0.02, 1, &moved), "move_last");
      uint32_t cut = 0;
      must(store::truncate(pager, &cut), "truncate");
    });
  }

  // Any epoch, frame or calibration, wherever it lies.
  void move_any() {
    under_merge_lock([&] {
      store::Manifest manifest{};
      must(store::load_manifest(pager, &manifest), "manifest");
      std::vector<ObjectId> ids;
      for (auto const& object : manifest.objects)
        if (object.disk.kind != store::ObjectKind::segment && object.disk.kind != store::ObjectKind::growing &&
            object.disk.state == store::ObjectState::live)
          ids.push_back(object.id());
      if (!ids.empty()) must(store::move_object(pager, ids[random.below(ids.size())]), "move_object");
    });
  }

  // Any segment, to the tier it is not in.
  void change_tier() {
    under_merge_lock([&] {
      store::Manifest manifest{};
      must(store::load_manifest(pager, &manifest), "manifest");
      std::vector<store::ManifestObject> segments;
      for (auto const& object : manifest.objects)
        if (object.disk.kind == store::ObjectKind::segment && object.disk.state == store::ObjectState::live)
          segments.push_back(object);
      if (segments.empty()) return;
      store::ObjectDisk const chosen = segments[random.below(segments.size())].disk;
      must(store::bind_companion(pager, companion_name, uint32_t(pager.cold_pages.size())), "bind_companion");
      store::RewriteResult result;
      must(store::move_to_tier(pager, ObjectId(chosen.id), chosen.tier ? store::Tier::hot : store::Tier::cold, &result),
           "move_to_tier");
    });
  }

  void build_incremental() {
    under_merge_lock([&] {
      store::MaintainResult result;
      must(store::index_unindexed(pager, {}, &result), "index_unindexed");
    });
  }

  // What policy would do.
  void maintain() {
    pager.horizon = pager.xid;
    for (auto const& open : searches_) pager.horizon = std::min(pager.horizon, open.xid);
    under_merge_lock([&] {
      store::MaintainOptions options;
      options.min_seal_rows = 30;
      options.free_pages_min = 4;
      options.segment_bytes = 400000;
      store::MaintainResult result;
      must(store::maintain(pager, options, &result), "maintain");
    });
  }

  void open_search() {
    if (searches_.size() > 3) return;
    OpenSearch open{};
    open.vector = vector_of(random.next());
    open.xid = pager.xid;
    open.begin = pager.log.size();
    searches_.push_back(std::move(open));
    OpenSearch& kept = searches_.back();
    store::SearchOptions options;
    kept.filter = {&kept.condition, uint32_t(random.below(2))};
    kept.condition = {0, segment::Test::range, 0, random.below(7), nullptr, 0};
    kept.condition.low = kept.condition.high;
    options.filter = &kept.filter;
    must(store::start_search(pager, kept.vector.data(), options, &kept.search), "start_search");
    kept.busy = false;
  }

  // Takes some rows from an open search; at the end compares all it gave with the model.
  void continue_search(bool to_the_end) {
    if (searches_.empty()) return;
    auto at = searches_.begin();
    std::advance(at, random.below(searches_.size()));
    OpenSearch& open = *at;
    if (open.busy) return;
    open.busy = true;
    uint32_t target = open.search->target ? open.search->target * 2 : 4;
    bool done = false;
    do {
      if (!store::search_exhausted(*open.search)) must(store::advance_search(pager, *open.search, target), "advance");
      target *= 2;
      store::Candidate candidate;
      float before = -store::detail::infinity;
      while (store::next_candidate(*open.search, &candidate)) {
        if (candidate.lower_bound < before) throw std::runtime_error("candidates out of order");
        before = candidate.lower_bound;
        note_candidate(open, candidate);
      }
      done = store::search_exhausted(*open.search);
    } while (to_the_end && !done);
    if (!done) {
      open.busy = false;
      return;
    }
    for (auto pass : {store::RowPass::zero, store::RowPass::null}) {
      open.iterator = {pass, 0, 0};
      for (;;) {
        Tid tid;
        bool found = false;
        must(store::next_row(pager, *open.search, open.iterator, &tid, &found), "next_row");
        if (!found) break;
        note_tid(open, tid);
      }
    }
    compare_search(open);
    searches_.erase(at);
  }

  size_t open_search_count() const { return searches_.size(); }

 private:
  uint64_t take_tid() {
    if (!free_tids_.empty() && random.below(4) != 0) {
      uint64_t at = random.below(free_tids_.size());
      uint64_t tid = free_tids_[at];
      free_tids_.erase(free_tids_.begin() + long(at));
      return tid;
    }
    uint64_t number = next_tid_++;
    return Tid::of(uint32_t(number / 50), uint16_t(1 + number % 50)).key;
  }

  void note_candidate(OpenSearch& open, store::Candidate const& candidate) {
    Tid tid;
    must(store::tid_of(pager, *open.search, candidate.source, candidate.row, &tid), "tid_of");
    uint64_t const row = note_tid(open, tid);
    uint32_t const copy_size = open.search->shape.copy_size;
    if (row == rows.size() || copy_size == 0) return;
    std::vector<std::byte> copy(copy_size);
    must(store::copy_of(pager, *open.search, candidate.source, candidate.row, copy.data()), "copy_of");
    if (copy != copy_of(open.search->shape, vector_of(row)))
      throw std::runtime_error("copy is not that of the row's vector");
  }

  // The heap's part: a TID stands for the row that the snapshot of the search can see there. Returns its number, or
  // that of no row.
  uint64_t note_tid(OpenSearch& open, Tid tid) {
    for (uint64_t i = 0; i < rows.size(); i++)
      if (rows[i].tid == tid.key && rows[i].insert_end <= open.begin && rows[i].delete_begin > open.begin) {
        open.seen.insert(i);
        return i;
      }
    return rows.size();
  }

  void compare_search(OpenSearch const& open) {
    for (uint64_t i = 0; i < rows.size(); i++) {
      size_t count = open.seen.count(i);
      if (count > 1) throw std::runtime_error("search returned a row twice");
      bool passes = open.filter.count == 0 || segment::passes(open.condition, column_key(i, 0), column_is_null(i, 0));
      if (count && !passes) throw std::runtime_error("search returned a row that does not pass its filter");
      bool wanted = passes && rows[i].insert_end <= open.begin && rows[i].delete_begin == SIZE_MAX;
      if (wanted && count == 0) throw std::runtime_error("search lost a row");
    }
  }

  store::Inserter* inserters_[2][store::lane_count_max];  // of the session that is interrupted, and of the others
  std::vector<uint64_t> free_tids_;
  std::list<OpenSearch> searches_;
  uint64_t next_tid_ = 1;
  bool in_vacuum_ = false;
};

// All entries that are not deleted.
inline std::vector<Entry> collect_entries(SimPager& pager) {
  std::vector<Entry> entries;
  store::Manifest manifest{};
  World::must(store::load_manifest(pager, &manifest), "manifest");
  store::IndexShape shape = store::shape_of(manifest.meta);
  for (auto const& object : manifest.objects) {
    bool readable = object.disk.state == store::ObjectState::live || object.disk.state == store::ObjectState::frozen;
    if (!readable || (object.disk.kind != store::ObjectKind::growing && object.disk.kind != store::ObjectKind::segment))
      continue;
    store::RowSource source;
    World::must(store::open_source(pager, shape, manifest, object, ObjectId(object.disk.frame), &source),
                "open_source");
    for (uint32_t row = 0; row < source.row_count; row++) {
      if (sets::bitmap_test(source.deleted, row)) continue;
      store::RowView view;
      World::must(store::fetch_row(pager, shape, source, row, &view), "fetch_row");
      std::vector<std::byte> const columns = World::columns_of(shape.columns, view.hash);
      if (std::memcmp(columns.data(), view.columns, columns.size()) != 0)
        throw std::runtime_error("row has other columns than it was inserted with");
      entries.push_back({view.hash, view.tid.key, view.flags});
    }
    store::close_source(pager, &source);
  }
  return entries;
}

// Compares the entries of a pager recovered from the first `position` records with the model.
inline void compare_entries(SimPager& pager, std::vector<ModelRow> const& rows, size_t position) {
  std::vector<uint8_t> count(rows.size(), 0);
  for (Entry const& entry : collect_entries(pager)) {
    if (entry.row >= rows.size()) throw std::runtime_error("entry of an unknown row");
    ModelRow const& row = rows[entry.row];
    if (row.tid != entry.tid || row.flags != entry.flags) throw std::runtime_error("entry with another row's identity");
    if (++count[entry.row] > 1) throw std::runtime_error("row has two entries");
    if (position <= row.insert_begin) throw std::runtime_error("entry before its insert");
    if (row.delete_end != SIZE_MAX && position >= row.delete_end) throw std::runtime_error("entry after its vacuum");
  }
  for (uint64_t i = 0; i < rows.size(); i++) {
    bool wanted = rows[i].insert_end != SIZE_MAX && position >= rows[i].insert_end && position <= rows[i].delete_begin;
    if (wanted && !count[i]) throw std::runtime_error("row lost its entry");
  }
}

}  // namespace strata::sim
