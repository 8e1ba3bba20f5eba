#include "core/cluster/kmeans.hpp"

#include <faiss/Clustering.h>
#include <faiss/Index.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/limits.hpp"
#include "core/base/random.hpp"
#include "core/cluster/assign_codes.hpp"
#include "core/cluster/relocate.hpp"

#include "core/base/core_only.hpp"

// Of the OpenMP runtime that FAISS is built with; declared here because not every compiler ships omp.h.
extern "C" {
int omp_get_max_threads(void);
void omp_set_num_threads(int);
}

namespace strata::cluster {
namespace {

constexpr uint32_t repair_step_count = 4;
constexpr double component_max = 1e16;  // assign.hpp

struct Stopped {};  // unwinds FAISS's loop; never leaves this file

class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(OneThread const&) = delete;
  OneThread& operator=(OneThread const&) = delete;

 private:
  int before_;
};

// Memory for one prepared set of centroids at a time: of floats, or for rows that are codes.
size_t set_size(uint32_t dim, uint32_t list_count) {
  size_t size = centroid_set_size(dim, list_count);
  return dim % 16 == 0 ? std::max(size, code_set_size(dim, list_count)) : size;
}
size_t scratch_size(uint32_t dim, uint32_t list_count) {
  size_t size = assign_scratch_size(dim, list_count);
  return dim % 16 == 0 ? std::max(size, code_scratch_size(dim, list_count)) : size;
}

// Nearest centroids in batches, with the question whether to stop between them.
class Assigner {
 public:
  Assigner(uint32_t dim, uint32_t list_count, TrainOptions const& options)
      : dim_(dim), options_(options), set_memory_(set_size(dim, list_count)), scratch_(scratch_size(dim, list_count)) {
    constexpr size_t batch_work = size_t{1} << 29;  // products a batch: a few milliseconds with AVX, tens without
    size_t rows = batch_work / (size_t{dim} * list_count);
    batch_rows_ = rows < 192 ? 192 : rows > batch_rows_max ? batch_rows_max : rows;
  }

  // For `rows`, which must stay as they are, or in their place for rows given in batches.
  void prepare(float const* centroids, uint32_t list_count, bool for_codes) {
    if (for_codes) {
      codes_ = prepare_codes(dim_, centroids, list_count, set_memory_.data());
    } else {
      set_ = prepare_centroids(dim_, centroids, list_count, set_memory_.data());
    }
  }

  // Calls take(first row, row count) after each batch, whose results are in lists() and distances2(). Requires
  // prepare() for rows of the kind.
  template <class Take>
  void run(Rows const& rows, Take&& take) {
    for (size_t begin = 0; begin < rows.count; begin += batch_rows_) {
      pause();
      size_t count = rows.count - begin < batch_rows_ ? rows.count - begin : batch_rows_;
      if (rows.floats == nullptr) {
        assign_codes(codes_, rows.codes + begin * rows.stride, rows.stride, count, lists_, distances2_,
                     scratch_.data());
      } else {
        assign_nearest(set_, rows.floats + begin * dim_, count, lists_, distances2_, scratch_.data());
      }
      take(begin, count);
    }
  }

  void pause() const {
    if (options_.should_stop != nullptr && options_.should_stop(options_.context)) throw Stopped{};
  }

  // The nearest other list of each list; itself when there is no other.
  void neighbours(float const* centroids, uint32_t list_count, uint32_t* neighbours) {
    prepare(centroids, list_count, false);
    uint32_t seconds[batch_rows_max];
    for (uint32_t begin = 0; begin < list_count; begin += static_cast<uint32_t>(batch_rows_)) {
      pause();
      size_t count = list_count - begin < batch_rows_ ? list_count - begin : batch_rows_;
      assign_two(set_, centroids + size_t{begin} * dim_, count, 0.0f, lists_, nullptr, seconds, nullptr,
                 scratch_.data());
      // An equal centroid may come first; then the list itself may be second.
      for (uint32_t i = 0; i < count; ++i) neighbours[begin + i] = lists_[i] == begin + i ? seconds[i] : lists_[i];
    }
  }

  uint32_t const* lists() const { return lists_; }
  float const* distances2() const { return distances2_; }
  static constexpr size_t batch_rows_max = 4096;

 private:
  uint32_t dim_;
  TrainOptions const& options_;
  std::vector<char> set_memory_;
  std::vector<char> scratch_;
  size_t batch_rows_;
  CentroidSet set_;
  CodeSet codes_;
  uint32_t lists_[batch_rows_max];
  float distances2_[batch_rows_max];
};

// FAISS 1.7 declares its row numbers in faiss::Index, later ones in faiss.
using idx_t = decltype(faiss::Index::ntotal);

// What FAISS's Clustering needs of an index, and as its codec the access to every n-th of our rows. Measured on one
// Sapphire Rapids core with AVX-512, against FAISS's own IndexFlatL2 over serial OpenBLAS 0.3.21, 11 steps, 1024 lists,
// floats: 100,000 x 128 in 2.1 s against 12.1 s, 20,000 x 768 in 2.6 s against 11.6 s.
class AssignIndex : public faiss::Index {
 public:
  AssignIndex(Rows const& rows, size_t step, Assigner& assigner)
      : faiss::Index(static_cast<idx_t>(rows.dim), faiss::METRIC_L2), rows_(rows), step_(step), assigner_(assigner) {}

  // What FAISS takes for the array of encoded rows; it steps through it in units of sa_code_size().
  uint8_t const* start() const {
    return rows_.floats != nullptr ? reinterpret_cast<uint8_t const*>(rows_.floats)
                                   : reinterpret_cast<uint8_t const*>(rows_.codes);
  }
  size_t sa_code_size() const override {
    return step_ * (rows_.floats != nullptr ? rows_.dim * sizeof(float) : rows_.stride);
  }
  void sa_decode(idx_t n, uint8_t const* bytes, float* x) const override {
    size_t row = static_cast<size_t>(bytes - start()) / (sa_code_size() / step_);
    for (idx_t i = 0; i < n; ++i, row += step_, x += rows_.dim) {
      float const* source = rows_.read(row, x);
      if (source != x) std::memcpy(x, source, rows_.dim * sizeof(float));
    }
  }

  // Centroids of the next step.
  void add(idx_t n, float const* x) override {
    assigner_.prepare(x, static_cast<uint32_t>(n), rows_.floats == nullptr);
    next_row_ = 0;
    ntotal = n;
  }

  void reset() override { ntotal = 0; }

  // k is always 1, and the rows come in their order. `x` are the rows decoded, `labels` the lists.
  void search(idx_t n, float const* x, idx_t, float* distances, idx_t* labels,
              faiss::SearchParameters const*) const override {
    size_t count = static_cast<size_t>(n);
    Rows rows = float_rows(rows_.dim, x, count);
    if (rows_.floats == nullptr) {
      rows = {rows_.dim, count, nullptr, rows_.codes + next_row_ * sa_code_size(), sa_code_size()};
    }
    next_row_ += count;
    assigner_.run(rows, [&](size_t begin, size_t taken) {
      std::memcpy(distances + begin, assigner_.distances2(), taken * sizeof(float));
      for (size_t i = 0; i < taken; ++i) labels[begin + i] = assigner_.lists()[i];
    });
  }

 private:
  Rows const& rows_;
  size_t step_;
  Assigner& assigner_;
  mutable size_t next_row_ = 0;
};

// The later steps, in double precision; lists move to where they are worth more, and none is left empty. On 64,000 x 64
// in 1,000 lists, drawn from as many separate clusters, this brings the mean squared residual from 11 to 1.0, where
// 0.64 is the clusters' own; on GloVe and Fashion-MNIST it gains 0.1 and 1 %. It adds a tenth to a third to the time.
class Finisher {
 public:
  Finisher(Rows const& rows, bool spherical, Assigner& assigner, float* centroids, uint32_t list_count)
      : dim_(rows.dim),
        rows_(rows),
        spherical_(spherical),
        assigner_(assigner),
        centroids_(centroids),
        list_count_(list_count),
        lists_(rows.count),
        order_(rows.count),
        starts_(list_count + size_t{1}),
        stats_(list_count),
        neighbours_(list_count),
        mean_(rows.dim),
        row_(rows.dim),
        relocator_(rows.dim, list_count) {}

  // Lloyd steps; lists move after each of them but the last, as long as it is more than a few. Further steps follow
  // while lists are empty and can move.
  TrainResult run(uint32_t step_count, float* residuals2, uint32_t* row_counts) {
    bool worth_moving = true;
    for (uint32_t step = 0;; ++step) {
      assign();
      bool any_empty = false;
      for (ListStats const& list : stats_) any_empty |= list.row_count == 0;
      bool done = step >= step_count;
      if (done && (!any_empty || step >= step_count + repair_step_count)) break;
      update_means();
      if (!any_empty && (!worth_moving || step + 1 >= step_count)) continue;
      uint32_t moved_count = relocate();
      worth_moving = moved_count > list_count_ / 100;
      if (done && moved_count == 0) break;
    }
    return drop_empty(residuals2, row_counts);
  }

 private:
  struct ListStats {
    uint32_t row_count;
    double cost;  // sum of squared distances
  };

  void assign() {
    for (ListStats& list : stats_) list = {0, 0.0};
    assigner_.prepare(centroids_, list_count_, rows_.floats == nullptr);
    assigner_.run(rows_, [&](size_t begin, size_t count) {
      for (size_t i = 0; i < count; ++i) {
        uint32_t list = assigner_.lists()[i];
        lists_[begin + i] = list;
        ++stats_[list].row_count;
        stats_[list].cost += assigner_.distances2()[i];
      }
    });
  }

  void update_means() {
    starts_[0] = 0;
    for (uint32_t j = 0; j < list_count_; ++j) starts_[j + 1] = starts_[j] + stats_[j].row_count;
    for (size_t i = 0; i < rows_.count; ++i) order_[starts_[lists_[i]]++] = static_cast<uint32_t>(i);
    for (uint32_t j = list_count_; j > 0; --j) starts_[j] = starts_[j - 1];  // they had moved to the ends
    starts_[0] = 0;
    for (uint32_t j = 0; j < list_count_; ++j) {
      if (starts_[j + 1] > starts_[j]) update_mean(j, starts_[j], starts_[j + 1]);
    }
  }

  void update_mean(uint32_t list, size_t begin, size_t end) {
    for (double& m : mean_) m = 0.0;
    for (size_t i = begin; i < end; ++i) {
      float const* row = rows_.read(order_[i], row_.data());
      for (uint32_t d = 0; d < dim_; ++d) mean_[d] += row[d];
    }
    double scale = 1.0 / static_cast<double>(end - begin);
    float* centroid = centroids_ + size_t{list} * dim_;
    for (uint32_t d = 0; d < dim_; ++d) centroid[d] = static_cast<float>(mean_[d] * scale);
    if (spherical_) normalise(centroid);
  }

  void normalise(float* centroid) const {
    double norm2 = 0.0;
    for (uint32_t d = 0; d < dim_; ++d) norm2 += double{centroid[d]} * centroid[d];
    if (!(norm2 > 0.0)) return;
    double scale = 1.0 / std::sqrt(norm2);
    for (uint32_t d = 0; d < dim_; ++d) centroid[d] = static_cast<float>(centroid[d] * scale);
  }

  // Returns how many lists moved. Requires update_means on the assignment in force.
  uint32_t relocate() {
    assigner_.neighbours(centroids_, list_count_, neighbours_.data());
    GroupedRows grouped = {rows_, list_count_, order_.data(), starts_.data(), neighbours_.data()};
    uint32_t moved_count = relocator_.run(grouped, centroids_, [&] { assigner_.pause(); });
    if (spherical_ && moved_count > 0) {
      for (uint32_t j = 0; j < list_count_; ++j) normalise(centroids_ + size_t{j} * dim_);
    }
    return moved_count;
  }

  TrainResult drop_empty(float* residuals2, uint32_t* row_counts) {
    TrainResult result;
    double cost = 0.0;
    for (uint32_t j = 0; j < list_count_; ++j) {
      if (stats_[j].row_count == 0) continue;
      if (result.list_count != j) {
        std::memcpy(centroids_ + size_t{result.list_count} * dim_, centroids_ + size_t{j} * dim_, dim_ * sizeof(float));
      }
      if (residuals2 != nullptr)
        residuals2[result.list_count] = static_cast<float>(stats_[j].cost / stats_[j].row_count);
      if (row_counts != nullptr) row_counts[result.list_count] = stats_[j].row_count;
      ++result.list_count;
      cost += stats_[j].cost;
      if (stats_[j].row_count > result.list_rows_max) result.list_rows_max = stats_[j].row_count;
    }
    result.mean_residual2 = cost / static_cast<double>(rows_.count);
    return result;
  }

  uint32_t dim_;
  Rows const& rows_;
  bool spherical_;
  Assigner& assigner_;
  float* centroids_;
  uint32_t list_count_;
  std::vector<uint32_t> lists_;
  std::vector<uint32_t> order_;
  std::vector<size_t> starts_;
  std::vector<ListStats> stats_;
  std::vector<uint32_t> neighbours_;
  std::vector<double> mean_;
  std::vector<float> row_;
  Relocator relocator_;
};

bool is_in_range(Rows const& rows, size_t row) {
  if (rows.floats == nullptr) {
    quant::RefineRowDisk head;
    std::memcpy(&head, rows.codes + row * rows.stride, sizeof head);
    return std::fabs(head.scale) * 127.5 <= component_max;
  }
  float const* components = rows.floats + row * rows.dim;
  for (uint32_t d = 0; d < rows.dim; ++d) {
    if (!(std::fabs(components[d]) <= component_max)) return false;
  }
  return true;
}

Status check_input(Rows const& rows, TrainOptions const& options) {
  if (rows.dim == 0 || rows.dim > vector_dim_max || options.list_count == 0 || options.list_count > list_count_max) {
    return {Code::limit, "number of dimensions or lists out of range", 0};
  }
  if (rows.count == 0) return invalid("no rows to train on");
  if (rows.count > INT_MAX) return {Code::limit, "too many rows to train on", rows.count};
  if (options.iteration_count == 0) return invalid("no iterations to train with");
  for (size_t row = 0; row < rows.count; ++row) {
    if (!is_in_range(rows, row)) {
      return invalid("a training row has a component that is not finite or too large", row);
    }
  }
  return {};
}

// FAISS makes the first steps, where its cheaper single precision means will do; the Finisher the others.
constexpr uint32_t faiss_step_count(uint32_t iteration_count) {
  return iteration_count * 2 / 5;
}
constexpr size_t early_rows_per_list = 16;
constexpr size_t decode_rows = 256;  // that FAISS has decoded at a time

void run_faiss(Rows const& rows, uint32_t list_count, TrainOptions const& options, Assigner& assigner,
               float* centroids) {
  faiss::Clustering clustering(static_cast<int>(rows.dim), static_cast<int>(list_count));
  clustering.niter = static_cast<int>(faiss_step_count(options.iteration_count));
  clustering.nredo = 1;
  clustering.verbose = false;
  clustering.spherical = options.spherical;
  clustering.min_points_per_centroid = 1;        // fewer would be reported on stderr
  clustering.max_points_per_centroid = INT_MAX;  // fewer would make FAISS copy a sample
  clustering.decode_block_size = decode_rows;
  clustering.seed = static_cast<int>(mix64(options.seed) & 0x3FFFFFFF);
  size_t step = std::max(rows.count / (list_count * early_rows_per_list), size_t{1});
  AssignIndex index(rows, step, assigner);
  clustering.train_encoded(static_cast<idx_t>(rows.count / step), index.start(), &index, index);
  std::memcpy(centroids, clustering.centroids.data(), size_t{list_count} * rows.dim * sizeof(float));
}

}  // namespace

size_t train_memory_size(uint32_t dim, size_t row_count, uint32_t list_count) {
  uint32_t lists = row_count < list_count ? static_cast<uint32_t>(row_count) : list_count;
  if (lists == 0) return 0;
  constexpr size_t per_row = 16;   // FAISS: label 8, distance 4, permutation 4; the Finisher afterwards: 8
  constexpr size_t per_list = 64;  // sizes, costs, starts
  constexpr size_t fixed = 64 * 1024;
  return set_size(dim, lists) + scratch_size(dim, lists) + size_t{lists} * dim * sizeof(float) + row_count * per_row +
         lists * per_list + Relocator::memory_size(dim, lists) + decode_rows * dim * sizeof(float) +
         dim * (sizeof(double) + sizeof(float)) + fixed;
}

Status train_centroids(Rows const& rows, TrainOptions const& options, float* centroids, TrainResult& result) {
  Status status = check_input(rows, options);
  if (!status.ok()) return status;
  size_t memory_size = train_memory_size(rows.dim, rows.count, options.list_count);
  if (memory_size > options.memory_max_bytes) {
    return {Code::out_of_memory, "training does not fit into the memory it may use", memory_size};
  }
  uint32_t list_count = rows.count < options.list_count ? static_cast<uint32_t>(rows.count) : options.list_count;
  OneThread one_thread;
  try {
    Assigner assigner(rows.dim, list_count, options);
    run_faiss(rows, list_count, options, assigner, centroids);
    Finisher finisher(rows, options.spherical, assigner, centroids, list_count);
    result = finisher.run(options.iteration_count - faiss_step_count(options.iteration_count), options.residuals2,
                          options.row_counts);
  } catch (Stopped const&) {
    return {Code::interrupted, "training was interrupted", 0};
  } catch (faiss::FaissException const&) {
    return invalid("k-means refused its input");
  }
  return {};
}

}  // namespace strata::cluster
