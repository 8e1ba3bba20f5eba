#include "macro/faiss_engine.hpp"

#include <faiss/Index.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexRefine.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <omp.h>
#include <time.h>

#include <algorithm>
#include <cmath>

#include "macro/failure.hpp"
#include "macro/progress.hpp"

namespace strata::bench {
namespace {

// Cosine is answered as inner product of rows of length 1.
Matrix prepared_rows(Matrix const& rows, Metric metric) {
  Matrix prepared(rows.rows(), rows.dim());
  std::copy(rows.data(), rows.data() + rows.value_count(), prepared.row(0));
  if (metric == Metric::cosine) {
    for (uint64_t row = 0; row < rows.rows(); ++row) normalize(prepared.row(row), rows.dim());
  }
  return prepared;
}

// Sub-quantizers of 4 bits: one a dimension when there are few, else two dimensions each where D allows it.
size_t subquantizer_count(uint32_t dim, uint64_t told) {
  if (told != 0) {
    if (dim % told != 0) throw Failure("--faiss-codes ", told, " does not divide the dimension ", dim);
    return told;
  }
  for (uint32_t width = dim <= 16 ? 1 : 2; width <= 4; ++width) {
    if (dim % width == 0) return dim / width;
  }
  return dim;
}

class CountingWriter : public faiss::IOWriter {
 public:
  size_t operator()(void const*, size_t size, size_t items) override {
    bytes += size * items;
    return items;
  }
  uint64_t bytes = 0;
};

class FaissSession : public Session {
 public:
  FaissSession(faiss::Index const& index, Matrix const& queries, uint32_t k)
      : index_(index), queries_(queries), distances_(k), labels_(k) {
    omp_set_num_threads(1);  // counts for this thread only
  }

  void search(uint32_t query, std::vector<int64_t>* ids) override {
    index_.search(1, queries_.row(query), faiss::Index::idx_t(labels_.size()), distances_.data(), labels_.data());
    ids->clear();
    for (faiss::Index::idx_t label : labels_) {
      if (label >= 0) ids->push_back(label);
    }
  }

  int64_t cpu_ns() override {
    timespec now;
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
  }

 private:
  faiss::Index const& index_;
  Matrix const& queries_;
  std::vector<float> distances_;
  std::vector<faiss::Index::idx_t> labels_;
};

class FaissRun {
 public:
  FaissRun(std::string const& name, Workbench const& bench)
      : bench_(bench),
        with_codes_(name == "faiss-ivfpq"),
        queries_(prepared_rows(bench.queries, bench.options.metric)) {
    result_.name = name;
    result_.version = concat(FAISS_VERSION_MAJOR, ".", FAISS_VERSION_MINOR, ".", FAISS_VERSION_PATCH);
    result_.raw_bytes = int64_t(bench.base.value_count()) * 4;
    uint64_t const rows = bench.base.rows();
    lists_ =
        bench.options.faiss_lists != 0 ? bench.options.faiss_lists : uint64_t(std::lround(2 * std::sqrt(double(rows))));
    lists_ = std::clamp<uint64_t>(lists_, 1, rows);
  }

  EngineResult run() {
    omp_set_num_threads(1);
    build();
    for (Task const& task : bench_.tasks) {
      if (!task.is_filtered()) sweep(task.k, task.judge);
    }
    return std::move(result_);
  }

 private:
  void build() {
    Metric const metric = bench_.options.metric;
    uint32_t const dim = bench_.base.dim();
    progress(result_.name, ": building, ", lists_, " lists");
    Stopwatch watch;
    Matrix const rows = prepared_rows(bench_.base, metric);
    faiss::MetricType const kind = metric == Metric::l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    quantizer_ = std::make_unique<faiss::IndexFlat>(dim, kind);
    faiss::Index* built = nullptr;
    if (with_codes_) {
      size_t const codes = subquantizer_count(dim, bench_.options.faiss_codes);
      lists_index_ = std::make_unique<faiss::IndexIVFPQFastScan>(quantizer_.get(), dim, lists_, codes, 4, kind);
      refine_ = std::make_unique<faiss::IndexRefineFlat>(lists_index_.get());
      built = refine_.get();
      result_.definition = concat("IVF", lists_, " + PQ", codes, "x4fs + RFlat");
    } else {
      lists_index_ = std::make_unique<faiss::IndexIVFFlat>(quantizer_.get(), dim, lists_, kind);
      built = lists_index_.get();
      result_.definition = concat("IVF", lists_, ",Flat");
    }
    lists_index_->cp.min_points_per_centroid = 1;  // no warning on small tables
    built->train(faiss::Index::idx_t(rows.rows()), rows.data());
    built->add(faiss::Index::idx_t(rows.rows()), rows.data());
    result_.build_seconds = watch.seconds();
    CountingWriter counter;
    faiss::write_index(built, &counter);
    result_.index_bytes = int64_t(counter.bytes);
    result_.notes.push_back(
        "one thread; the size counts the index as FAISS would save it, with its copy of the vectors");
  }

  std::vector<uint32_t> sweep_values(std::string const& setting, std::vector<uint32_t> fallback) const {
    for (Sweep const& sweep : bench_.options.sweeps) {
      if (sweep.engine != result_.name || sweep.setting != setting) continue;
      fallback.clear();
      for (std::string const& value : sweep.values) fallback.push_back(uint32_t(std::stoul(value)));
    }
    return fallback;
  }

  void sweep(uint32_t k, RecallJudge const& judge) {
    std::vector<uint32_t> probes;
    for (uint32_t value = 1; value < lists_; value *= 2) probes.push_back(value);
    probes.push_back(uint32_t(lists_));
    probes = sweep_values("nprobe", probes);
    std::vector<uint32_t> const factors =
        with_codes_ ? sweep_values("k_factor", {4, 16, 64}) : std::vector<uint32_t>{1};
    for (uint32_t factor : factors) {
      if (sweep_probes(k, judge, probes, factor)) break;
    }
  }

  // True when the recall was reached at which sweeps end.
  bool sweep_probes(uint32_t k, RecallJudge const& judge, std::vector<uint32_t> const& probes, uint32_t factor) {
    double before = -1;
    uint32_t flat_steps = 0;  // the codes limit the recall, not the probes
    for (uint32_t nprobe : probes) {
      lists_index_->nprobe = nprobe;
      NamedValues setting = {{"nprobe", std::to_string(nprobe)}};
      if (with_codes_) {
        refine_->k_factor = float(factor);
        setting.emplace_back("k_factor", std::to_string(factor));
      }
      Recall const recall = search_one_setting(setting, k, judge);
      if (recall.mean >= bench_.options.stop_recall) return true;
      flat_steps = with_codes_ && recall.mean < before + 0.0005 ? flat_steps + 1 : 0;
      if (flat_steps == 2 || recall.queries < bench_.queries.rows()) return false;
      before = recall.mean;
    }
    return false;
  }

  Recall search_one_setting(NamedValues const& setting, uint32_t k, RecallJudge const& judge) {
    uint32_t const query_count = uint32_t(queries_.rows());
    faiss::Index const& index = with_codes_ ? static_cast<faiss::Index const&>(*refine_) : *lists_index_;
    auto open = [&] { return std::make_unique<FaissSession>(index, queries_, k); };
    SearchPoint point;
    point.setting = setting;
    point.k = k;
    point.recall = measure_recall(*open(), judge, query_count, bench_.options.recall_seconds);
    for (uint32_t clients : bench_.options.clients) {
      point.clients = clients;
      point.speed = measure_speed_median(open, clients, bench_.options.seconds, query_count, bench_.options.rounds);
      result_.points.push_back(point);
      progress_point(result_.name, point);
    }
    return point.recall;
  }

  Workbench const& bench_;
  bool with_codes_;
  Matrix queries_;
  uint64_t lists_ = 0;
  EngineResult result_;
  std::unique_ptr<faiss::IndexFlat> quantizer_;
  std::unique_ptr<faiss::IndexIVF> lists_index_;
  std::unique_ptr<faiss::IndexRefineFlat> refine_;
};

}  // namespace

EngineResult run_faiss_engine(std::string const& name, Workbench const& bench) {
  return FaissRun(name, bench).run();
}

}  // namespace strata::bench
