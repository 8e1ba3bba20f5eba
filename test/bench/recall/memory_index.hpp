// An index on pages in memory, driven through the same store protocols as one in the server: for measuring recall
// without a server, its heap and its clock.
#pragma once
#include <map>
#include <vector>

#include "macro/failure.hpp"
#include "macro/matrix.hpp"
#include "macro/metric.hpp"
#include "sim/sim_pager.hpp"
#include "store/insert.hpp"
#include "store/maintain.hpp"
#include "store/search.hpp"
#include "store/vacuum.hpp"

namespace strata::bench {

// SimPager proves protocols and copies every page for that; here pages are read where they lie.
class MemoryPager : public sim::SimPager {
 public:
  MemoryPager() {
    hook = [this] { log.clear(); };
  }
  template <class Fn>
  auto read_unlocked(BlockNo block, Fn&& fn) {
    return read(block, fn);
  }
  template <class Fn>
  auto read(BlockNo block, Fn&& fn) {
    static sim::Content const zero{};
    sim::Content const& content = raw(block) < pages.size() ? pages[raw(block)] : zero;
    return fn(format::PageView{content.data()});
  }
};
static_assert(store::Pager<MemoryPager>);

inline void check(Status const& status) {
  if (!status.ok()) throw Failure("the index says: ", status.message, " (", status.detail, ")");
}

// What one search did.
struct SearchWork {
  uint64_t list_count = 0;
  uint64_t code_count = 0;
  uint64_t refined_count = 0;
  uint64_t fetched_count = 0;  // rows whose exact distance was taken
  uint64_t advance_count = 0;  // times it had to look further
  uint64_t gather_count = 0;   // times it evaluated all rows that pass the filter
};

class MemoryIndex {
 public:
  // `base`: rows by number, normalised under cosine; outlives the index. `labels`: filter columns, a label for each
  // row; the same.
  MemoryIndex(Matrix const& base, Metric metric, std::vector<std::vector<uint32_t>> const& labels);

  void insert(uint32_t row);
  void remove(std::vector<bool> const& dead);  // by row number; as VACUUM does
  // Steps of maintenance until nothing is due, or `steps` are done. Returns their number.
  uint32_t maintain(store::MaintainOptions const& options = {}, uint32_t steps = 1000);
  void train(store::MaintainOptions options = {});  // a codebook, though none be due
  void flush();
  store::CalibrateResult calibrate(uint64_t work_max);  // with another sample of rows each time

  // Row numbers, nearest first, as a scan of the server emits them: exact distances, strict order.
  void search(float const* query, uint32_t k, store::SearchOptions const& options, std::vector<int64_t>* ids,
              SearchWork* work);

  struct Shape {
    uint64_t segments, epochs, listed_rows, other_rows, calibrated_rows;
    uint32_t list_count;
    bool spills;  // the newest codebook
  };
  Shape shape();

  MemoryPager& pager() { return pager_; }

 private:
  template <class Fn>
  void locked(Fn&& fn);
  double score(float const* query, uint64_t row) const;
  store::Manifest manifest();

  Matrix const& base_;
  std::vector<std::vector<uint32_t>> const& labels_;
  strata::Metric metric_;
  MemoryPager pager_;
  std::map<uint32_t, store::Inserter*> inserters_;
  uint64_t inserted_ = 0;
};

}  // namespace strata::bench
