// Recall, speed and cost of vector indexes on one data set, all engines in one run: see ../README.md.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "macro/failure.hpp"
#include "macro/faiss_engine.hpp"
#include "macro/generate.hpp"
#include "macro/options.hpp"
#include "macro/program.hpp"
#include "macro/progress.hpp"
#include "macro/report.hpp"
#include "macro/server_program.hpp"
#include "macro/spinners.hpp"
#include "macro/sql_engine.hpp"

namespace strata::bench {
namespace {

struct DataSet {
  Matrix base, queries;
  NeighborTable truth;
  std::vector<int32_t> labels;
  std::vector<Task> tasks;
};

void load_data(Options const& options, DataSet& data) {
  progress("reading ", options.base_path);
  data.base = read_vectors(options.base_path, options.read);
  if (options.held_out_queries != 0) {
    data.queries = take_last_rows(data.base, options.held_out_queries);
  } else {
    ReadOptions read = options.read;
    read.row_limit = 0;
    read.dim = data.base.dim();
    data.queries = read_vectors(options.query_path, read);
  }
  uint32_t const deepest = *std::max_element(options.k.begin(), options.k.end());
  uint64_t const wanted_queries =
      options.query_limit == 0 ? data.queries.rows() : std::min(options.query_limit, data.queries.rows());
  if (!options.truth_path.empty()) {
    data.truth = read_neighbors(options.truth_path, data.queries.rows(), data.base.rows());
    data.queries.resize(wanted_queries);
  } else {
    data.queries.resize(wanted_queries);
    progress("ground truth of ", data.queries.rows(), " queries over ", data.base.rows(), " rows");
    data.truth = cached_neighbors(data.base, data.queries, options.metric, std::max(100U, deepest), options.cache_dir);
  }
  data.labels = options.filter_by_region ? make_region_labels(data.base, options.filter_shares, options.seed)
                                         : make_labels(data.base.rows(), options.filter_shares, options.seed);
  data.tasks = make_tasks(options, data.base, data.queries, data.truth, data.labels);
}

EngineResult run_engine(std::string const& name, Workbench const& bench) {
  uint64_t const rows = bench.base.rows();
  if (name == "strata") return run_sql_engine(strata_spec(rows), bench);
  if (name == "pgvector-ivfflat") return run_sql_engine(pgvector_ivfflat_spec(rows), bench);
  if (name == "pgvector-hnsw") return run_sql_engine(pgvector_hnsw_spec(rows), bench);
  return run_faiss_engine(name, bench);
}

Facts collect_facts(Options const& options, DataSet const& data, PrivateServer const* server, std::string const& dsn) {
  Facts facts;
  facts.emplace_back("command", options.command_line);
  char const* commit = std::getenv("STRATA_BENCH_COMMIT");
  facts.emplace_back("commit", commit == nullptr || commit[0] == '\0' ? "unknown" : commit);
  for (auto const& fact : machine_facts()) facts.push_back(fact);
  facts.emplace_back(
      "data", concat(options.base_path, ": ", data.base.rows(), " rows x ", data.base.dim(), ", ", data.queries.rows(),
                     options.held_out_queries != 0 ? " held-out" : "", " queries, ", metric_name(options.metric),
                     ", column type ", options.column == Column::halfvec ? "halfvec" : "vector"));
  if (!dsn.empty()) {
    Connection connection(dsn, "");
    facts.emplace_back("server", connection.value("SELECT version()"));
    facts.emplace_back("settings", server != nullptr ? server->settings_text() : "of the server given by --dsn");
  }
  return facts;
}

void write_file(std::string const& path, std::string const& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Failure("cannot write \"", path, "\"");
}

// After every engine, so that a long run that is stopped keeps what it has.
void write_reports(Options const& options, Facts const& facts, std::vector<EngineResult> const& results) {
  if (options.out_dir.empty()) return;
  write_file(options.out_dir + "/results.json", json_report(facts, results));
  write_file(options.out_dir + "/results.csv", csv_report(results));
}

int run_benchmark(Options const& options) {
  if (!options.out_dir.empty()) std::filesystem::create_directories(options.out_dir);
  DataSet data;
  load_data(options, data);
  bool needs_server = false;
  for (std::string const& name : options.engines) needs_server = needs_server || !name.starts_with("faiss");
  std::optional<PrivateServer> server;
  std::string dsn = options.dsn;
  if (needs_server && dsn.empty()) {
    progress("starting a private server");
    server.emplace(options.server);
    dsn = server->dsn();
  }
  std::optional<Spinners> spinners;
  if (options.idle_spins) spinners.emplace();
  Facts const facts = collect_facts(options, data, server ? &*server : nullptr, needs_server ? dsn : "");
  for (auto const& [name, value] : facts) std::cout << name << ": " << value << "\n";
  std::cout << std::endl;
  Workbench const bench{options, data.base, data.queries, data.tasks, data.labels, dsn, server ? &*server : nullptr};
  std::vector<EngineResult> results;
  bool all_good = true;
  for (std::string const& name : options.engines) {
    check_interrupted();
    try {
      results.push_back(run_engine(name, bench));
    } catch (std::exception const& error) {
      results.push_back({});
      results.back().name = name;
      results.back().failure = error.what();
    }
    all_good = all_good && results.back().failure.empty();
    std::cout << engine_tables(results.back()) << std::flush;
    write_reports(options, facts, results);
  }
  check_interrupted();
  std::cout << ratio_tables(results) << std::flush;
  return all_good ? 0 : 1;
}

int run(int argc, char** argv) {
  if (asks_for_help(argc, argv)) {
    std::cout << usage();
    return 0;
  }
  Options const options = parse_options(argc, argv);
  if (!options.generate_shape.empty()) {
    write_vectors(options.output_path,
                  generate(options.generate_shape, options.generate_rows, options.read.dim, options.seed));
    return 0;
  }
  install_signal_handlers();
  return run_benchmark(options);
}

}  // namespace
}  // namespace strata::bench

int main(int argc, char** argv) {
  return strata::bench::run_program("bench", [&] { return strata::bench::run(argc, argv); });
}
