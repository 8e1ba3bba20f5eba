#include "macro/ground_truth.hpp"

#include <cblas.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "macro/failure.hpp"

namespace strata::bench {
namespace {

constexpr uint64_t base_block = 2048;
constexpr uint64_t query_block = 256;

// Scores are monotone in the distance for one query: |x|^2 - 2qx (l2), -qx (ip, and cosine on rows of length 1).
struct Candidate {
  float lower;  // the exact score is not below
  int32_t row;
};

// Rows that may be among the k nearest. A row is dropped only when k rows are surely nearer.
class CandidateSet {
 public:
  explicit CandidateSet(uint32_t k) : k_(k) { uppers_.reserve(k + 1); }
  float limit() const { return limit_; }

  void add(float score, float error, int32_t row) {
    kept_.push_back({score - error, row});
    uppers_.push_back(score + error);
    std::push_heap(uppers_.begin(), uppers_.end());
    if (uppers_.size() > k_) {
      std::pop_heap(uppers_.begin(), uppers_.end());
      uppers_.pop_back();
    }
    if (uppers_.size() == k_) limit_ = uppers_.front();
    if (kept_.size() >= prune_at_) prune();
  }

  std::vector<Candidate> const& pruned() {
    prune();
    return kept_;
  }

 private:
  void prune() {
    std::erase_if(kept_, [this](Candidate const& candidate) { return candidate.lower > limit_; });
    prune_at_ = std::max<size_t>(4 * size_t(k_) + 64, 2 * kept_.size());
  }

  uint32_t k_;
  float limit_ = std::numeric_limits<float>::infinity();
  size_t prune_at_ = 256;
  std::vector<Candidate> kept_;
  std::vector<float> uppers_;
};

struct Block {
  std::vector<float> values;  // centred (l2) or of length 1 (cosine)
  std::vector<float> norms;   // squared, of the values
  std::vector<bool> usable;
};

std::vector<double> column_means(Matrix const& base) {
  std::vector<double> means(base.dim(), 0.0);
  uint64_t const step = std::max<uint64_t>(1, base.rows() / 10000);
  uint64_t count = 0;
  for (uint64_t row = 0; row < base.rows(); row += step, ++count) {
    for (uint32_t i = 0; i < base.dim(); ++i) means[i] += base.row(row)[i];
  }
  for (double& mean : means) mean /= double(count);
  return means;
}

// Centring keeps the numbers that cancel small; it does not change l2 distances.
Block prepare_block(Matrix const& matrix, uint64_t first, uint64_t rows, Metric metric,
                    std::vector<double> const& means) {
  uint32_t const dim = matrix.dim();
  Block block;
  block.values.resize(rows * dim);
  block.norms.resize(rows);
  block.usable.assign(rows, true);
  for (uint64_t row = 0; row < rows; ++row) {
    float const* input = matrix.row(first + row);
    float* output = block.values.data() + row * dim;
    for (uint32_t i = 0; i < dim; ++i) {
      output[i] = metric == Metric::l2 ? float(double(input[i]) - means[i]) : input[i];
    }
    if (metric == Metric::cosine) normalize(output, dim);
    double const norm = dot_product(output, output, dim);
    block.norms[row] = float(norm);
    if (metric == Metric::cosine && norm == 0) block.usable[row] = false;
  }
  return block;
}

// Bound of the rounding of a float32 inner product of n terms and of the sums around it, in units of |q||x|: twice the
// classical n*u with u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); centring adds a few u.
float error_factor(uint32_t dim) {
  return 2.0F * float(dim + 16) * 0x1.0p-24F;
}

void scan_block(Block const& queries, uint64_t query_count, Block const& base, uint64_t first_row, uint64_t row_count,
                uint32_t dim, Metric metric, std::vector<float>& products, CandidateSet* sets) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, int(query_count), int(row_count), int(dim), 1.0F,
              queries.values.data(), int(dim), base.values.data(), int(dim), 0.0F, products.data(), int(row_count));
  float const factor = error_factor(dim);
  std::vector<float> lengths(row_count);
  for (uint64_t row = 0; row < row_count; ++row) lengths[row] = std::sqrt(base.norms[row]);
  for (uint64_t query = 0; query < query_count; ++query) {
    CandidateSet& set = sets[query];
    float const query_length = std::sqrt(queries.norms[query]);
    float const* line = products.data() + query * row_count;
    for (uint64_t row = 0; row < row_count; ++row) {
      float score, error;
      if (metric == Metric::l2) {
        score = base.norms[row] - 2.0F * line[row];
        error = factor * (2.0F * query_length + lengths[row]) * lengths[row];
      } else {
        score = -line[row];
        error = factor * query_length * lengths[row];
      }
      if (score - error > set.limit() || !base.usable[row]) continue;
      set.add(score, error, int32_t(first_row + row));
    }
  }
}

void rank_candidates(Matrix const& base, float const* query, Metric metric, std::vector<Candidate> const& candidates,
                     uint32_t k, std::vector<int32_t>* ids) {
  std::vector<std::pair<double, int32_t>> ranked;
  ranked.reserve(candidates.size());
  for (Candidate const& candidate : candidates) {
    double const distance = exact_distance(metric, query, base.row(uint64_t(candidate.row)), base.dim());
    if (!std::isnan(distance)) ranked.emplace_back(distance, candidate.row);
  }
  size_t const count = std::min<size_t>(k, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + long(count), ranked.end());
  for (size_t i = 0; i < count; ++i) ids->push_back(ranked[i].second);
}

uint64_t count_usable(Matrix const& base, Metric metric) {
  if (metric != Metric::cosine) return base.rows();
  uint64_t usable = 0;
  for (uint64_t row = 0; row < base.rows(); ++row) {
    usable += dot_product(base.row(row), base.row(row), base.dim()) > 0;
  }
  return usable;
}

void check_queries(Matrix const& base, Matrix const& queries, Metric metric) {
  if (base.dim() != queries.dim()) {
    throw Failure("the base has dimension ", base.dim(), ", the queries have ", queries.dim());
  }
  if (metric != Metric::cosine) return;
  for (uint64_t query = 0; query < queries.rows(); ++query) {
    if (!(dot_product(queries.row(query), queries.row(query), queries.dim()) > 0)) {
      throw Failure("query ", query, " is a zero vector, which has no cosine distance");
    }
  }
}

uint64_t hash_values(uint64_t seed, void const* data, size_t byte_count) {
  constexpr uint64_t prime = 0x9e3779b97f4a7c15ULL;
  uint64_t lanes[4] = {seed, seed ^ prime, seed + prime, ~seed};
  auto const* bytes = static_cast<unsigned char const*>(data);
  size_t at = 0;
  for (; at + 32 <= byte_count; at += 32) {
    uint64_t words[4];
    std::memcpy(words, bytes + at, sizeof words);
    for (int lane = 0; lane < 4; ++lane) {
      lanes[lane] = (lanes[lane] ^ words[lane]) * prime;
      lanes[lane] ^= lanes[lane] >> 29;
    }
  }
  uint64_t hash = byte_count;
  for (; at < byte_count; ++at) hash = (hash ^ bytes[at]) * prime;
  for (uint64_t lane : lanes) {
    hash = (hash ^ lane) * prime;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

NeighborTable compute_neighbors(Matrix const& base, Matrix const& queries, Metric metric, uint32_t k) {
  check_queries(base, queries, metric);
  if (base.rows() > uint64_t(INT32_MAX)) throw Failure("more than ", INT32_MAX, " rows");
  NeighborTable table;
  table.width = uint32_t(std::min<uint64_t>(k, count_usable(base, metric)));
  if (table.width == 0) throw Failure("no row has a distance");
  std::vector<double> const means = column_means(base);
  std::vector<CandidateSet> sets(queries.rows(), CandidateSet(table.width));
  std::vector<Block> query_blocks;
  for (uint64_t first = 0; first < queries.rows(); first += query_block) {
    uint64_t const count = std::min(query_block, queries.rows() - first);
    query_blocks.push_back(prepare_block(queries, first, count, metric, means));
  }
  std::vector<float> products(query_block * base_block);
  for (uint64_t first = 0; first < base.rows(); first += base_block) {
    uint64_t const rows = std::min(base_block, base.rows() - first);
    Block const block = prepare_block(base, first, rows, metric, means);
    for (size_t i = 0; i < query_blocks.size(); ++i) {
      uint64_t const first_query = i * query_block;
      scan_block(query_blocks[i], std::min(query_block, queries.rows() - first_query), block, first, rows, base.dim(),
                 metric, products, &sets[first_query]);
    }
  }
  for (uint64_t query = 0; query < queries.rows(); ++query) {
    rank_candidates(base, queries.row(query), metric, sets[query].pruned(), table.width, &table.ids);
  }
  if (table.rows() != queries.rows()) throw Failure("a distance overflows double precision");
  return table;
}

NeighborTable cached_neighbors(Matrix const& base, Matrix const& queries, Metric metric, uint32_t k,
                               std::string const& cache_dir) {
  if (cache_dir.empty()) return compute_neighbors(base, queries, metric, k);
  uint64_t hash = hash_values(uint64_t(metric) * 1000003 + k, base.data(), base.value_count() * sizeof(float));
  hash = hash_values(hash ^ base.dim(), queries.data(), queries.value_count() * sizeof(float));
  char name[64];
  std::snprintf(name, sizeof name, "/truth-%s-k%u-%016llx.ivecs", metric_name(metric), k, (unsigned long long)hash);
  std::string const path = cache_dir + name;
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return read_neighbors(path, queries.rows(), base.rows());
  NeighborTable const table = compute_neighbors(base, queries, metric, k);
  ::mkdir(cache_dir.c_str(), 0777);
  std::string const partial = path + ".part";
  std::ofstream file(partial, std::ios::binary);
  for (uint64_t row = 0; row < table.rows(); ++row) {
    file.write(reinterpret_cast<char const*>(&table.width), sizeof table.width);
    file.write(reinterpret_cast<char const*>(table.row(row)), long(table.width * sizeof(int32_t)));
  }
  file.close();
  if (!file || std::rename(partial.c_str(), path.c_str()) != 0) {
    throw Failure("cannot write the ground truth to \"", path, "\"");
  }
  return table;
}

RecallJudge::RecallJudge(Matrix const& base, Matrix const& queries, Metric metric, NeighborTable const& truth,
                         uint32_t k)
    : base_(base), queries_(queries), metric_(metric), k_(uint32_t(std::min<uint64_t>(k, base.rows()))) {
  if (truth.rows() < queries.rows()) throw Failure("the ground truth covers only ", truth.rows(), " queries");
  if (truth.width < k_ && truth.width < count_usable(base, metric)) {
    throw Failure("the ground truth has ", truth.width, " neighbours of each query, but k is ", k);
  }
  k_ = std::min(k_, truth.width);
  limits_.reserve(queries.rows());
  for (uint64_t query = 0; query < queries.rows(); ++query) {
    // The k-th distance of a foreign file may be one of equals or off by its rounding: the largest of the k counts.
    double limit = -std::numeric_limits<double>::infinity();
    double slack = 0;
    for (uint32_t i = 0; i < k_; ++i) {
      float const* row = base.row(uint64_t(truth.row(query)[i]));
      double const distance = exact_distance(metric, queries.row(query), row, base.dim());
      if (distance > limit) {
        limit = distance;
        slack = distance_slack(metric, distance, queries.row(query), row, base.dim());
      }
    }
    limits_.push_back(limit + slack);
  }
}

double RecallJudge::recall(uint64_t query, std::vector<int64_t> const& ids) const {
  std::vector<int64_t> distinct(ids.begin(), ids.begin() + long(std::min<size_t>(ids.size(), k_)));
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  uint32_t hits = 0;
  for (int64_t id : distinct) {
    if (id < 0 || uint64_t(id) >= base_.rows()) throw Failure("a search returned row ", id, ", which was never loaded");
    if (labels_ != nullptr && (*labels_)[uint64_t(id)] != label_) {
      throw Failure("a filtered search returned row ", id, ", which the filter excludes");
    }
    double const distance = exact_distance(metric_, queries_.row(query), base_.row(uint64_t(id)), base_.dim());
    hits += distance <= limits_[query];
  }
  return double(hits) / k_;
}

}  // namespace strata::bench
