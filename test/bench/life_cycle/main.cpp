// What the life of an index costs: inserts, VACUUM, updates, searches beside merges, and size after all rows were
// replaced; each as a ratio to the table without index, or to the index built anew. See ../README.md.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <thread>

#include "macro/failure.hpp"
#include "macro/generate.hpp"
#include "macro/program.hpp"
#include "macro/progress.hpp"
#include "macro/server_program.hpp"
#include "macro/sql_engine.hpp"
#include "macro/sql_writes.hpp"
#include "macro/text_table.hpp"
#include "soak/stage.hpp"

namespace strata::bench {
namespace {

constexpr char const* own_usage =
    "usage: life [options]\n\n"
    "  --replace LIST        engines whose rows are all replaced: hours for hnsw (strata); none\n"
    "  --update X            share of new rows of the update (0.001)\n\n"
    "and of test/bench/run: --rows (1000000), --dim (128), --queries (1000), --engines (strata), --seconds (10),\n"
    "--insert-rows (5000), --insert-clients (1,2,8), --insert-rounds (3), --vacuum (0.01,0.1), --settle (60), --k,\n"
    "--seed, --with, --dsn, --pg-config, --workdir, --server-user, --shared-buffers, --maintenance-work-mem, "
    "--server\n";

struct LifeOptions {
  Options run;
  SoakOptions search;
  std::string replace = "strata";
  double update_share = 0.001;
};

// Every figure in the order it was first measured, and what each engine reached.
class Figures {
 public:
  void add(std::string const& engine, std::string const& name, std::string const& bar, std::string const& value) {
    progress(engine, ": ", name, " ", value);
    if (values_.find(name) == values_.end()) order_.emplace_back(name, bar);
    values_[name][engine] = value;
  }
  void add(std::string const& engine, std::string const& name, std::string const& bar, double value) {
    add(engine, name, bar, format_short(value));
  }
  std::string str(std::vector<std::string> const& engines) const {
    std::vector<std::string> header = {"figure", "bar"};
    header.insert(header.end(), engines.begin(), engines.end());
    TextTable table(header);
    for (auto const& [name, bar] : order_) {
      std::vector<std::string> line = {name, bar};
      for (std::string const& engine : engines) {
        auto const& of_engine = values_.at(name);
        auto const found = of_engine.find(engine);
        line.push_back(found == of_engine.end() ? "-" : found->second);
      }
      table.add(line);
    }
    return table.str();
  }

 private:
  std::vector<std::pair<std::string, std::string>> order_;
  std::map<std::string, std::map<std::string, std::string>> values_;
};

class LifeRun {
 public:
  LifeRun(SqlEngineSpec spec, LifeOptions const& options, Workbench const& bench, Figures& figures)
      : spec_(std::move(spec)),
        options_(options),
        bench_(bench),
        figures_(figures),
        database_("strata_life_" + spec_.method),
        writes_(bench, spec_.name, database_) {
    // Near recall 0.95 on the made-up rows; only ratios of one engine to itself depend on it.
    if (spec_.method == "hnsw") setting_ = {{"hnsw.ef_search", "100"}};
    if (spec_.method == "ivfflat") setting_ = {{"ivfflat.probes", "20"}};
  }

  void run() {
    if (!make_database()) return;
    connection_ = std::make_unique<Connection>(bench_.dsn, database_);
    load_and_build();
    measure_inserts();
    measure_vacuums();
    measure_update();
    if (is_strata()) measure_merging();
    if (options_.replace.find(spec_.name) != std::string::npos) measure_replacement();
    connection_.reset();
    Connection(bench_.dsn, "").exec("DROP DATABASE " + database_ + " WITH (FORCE)");
  }

 private:
  bool is_strata() const { return spec_.method == "ivf"; }
  void add(std::string const& name, std::string const& bar, double value) {
    figures_.add(spec_.name, name, bar, value);
  }

  bool make_database() {
    Connection server(bench_.dsn, "");
    if (server.value("SELECT 1 FROM pg_available_extensions WHERE name = " + server.quote_literal(spec_.extension))
            .empty()) {
      progress(spec_.name, ": the extension ", spec_.extension, " is not installed in this server");
      return false;
    }
    server.exec("DROP DATABASE IF EXISTS " + database_);
    server.exec("CREATE DATABASE " + database_ + " TEMPLATE template0");
    Connection(bench_.dsn, database_).exec("CREATE EXTENSION " + spec_.extension);
    return true;
  }

  void copy_rows(Connection& connection, std::string const& table, Matrix const& rows, uint64_t first, uint64_t last,
                 int64_t first_id) {
    CopyWriter writer(connection, table, Column::vector);
    for (uint64_t row = first; row < last; ++row) {
      if (row % 4096 == 0) check_interrupted();
      writer.add(first_id + int64_t(row), rows.row(row), rows.dim());
    }
    writer.finish();
  }

  void load_and_build() {
    connection_->exec(concat("CREATE TABLE items (id bigint PRIMARY KEY, v vector(", bench_.base.dim(), "))"));
    connection_->exec("CREATE TABLE items_plain (LIKE items INCLUDING ALL)");
    Stopwatch load;
    copy_rows(*connection_, "items", bench_.base, 0, bench_.base.rows(), 0);
    connection_->exec("VACUUM (ANALYZE) items");
    add("load s", "", load.seconds());
    Stopwatch build;
    connection_->exec(concat("CREATE INDEX items_v ON items USING ", spec_.method, " (v vector_l2_ops)",
                             spec_.with.empty() ? "" : " WITH (" + spec_.with + ")"));
    add("CREATE INDEX s", "", build.seconds());
    add("index MB", "", index_bytes() / 1e6);
  }

  double index_bytes() { return connection_->number("SELECT pg_relation_size('items_v')"); }

  void measure_inserts() {
    for (WriteResult const& write : writes_.measure_inserts(*connection_)) {
      std::string const name = concat(write.how, " insert, ", write.clients, " clients");
      char const* const bar = write.how == "copy" ? "2.5" : write.how == "single-row" ? "1.3" : "";
      add(name + ", us a row", "", write.us_per_row);
      add(name + " / without index", bar, write.us_per_row / write.plain_us_per_row);
    }
  }

  void measure_vacuums() {
    for (VacuumResult const& vacuum : writes_.measure_vacuums(*connection_)) {
      add(concat("VACUUM after deleting ", vacuum.share * 100, " %, s"), "hnsw / 50, ivfflat", vacuum.vacuum_seconds);
    }
  }

  Speed speed() {
    OpenSession const open = [&] {
      auto session = std::make_unique<SoakSession>(options_.search, bench_.dsn, database_, setting_);
      session->set_queries(&bench_.queries);
      return session;
    };
    return measure_speed_median(open, 1, options_.run.seconds / 3, uint32_t(bench_.queries.rows()), 3);
  }

  double rebuild() {
    Stopwatch watch;
    connection_->exec("REINDEX INDEX items_v");
    return watch.seconds();
  }

  // New rows into a freshly built index: until a search finds them, and until they are in lists like the others.
  void measure_update() {
    double const full_seconds = rebuild();
    add("full rebuild s", "", full_seconds);
    connection_->exec("CHECKPOINT");
    Speed const full = speed();
    uint64_t const count = std::max<uint64_t>(1, uint64_t(double(bench_.base.rows()) * options_.update_share));
    Matrix const rows = make_insert_rows(bench_.base, count, options_.run.seed + 7);
    connection_->exec("CREATE TEMPORARY TABLE staging (LIKE items)");
    copy_rows(*connection_, "staging", rows, 0, count, int64_t(1) << 42);
    connection_->exec("SELECT count(*) FROM staging");
    Stopwatch watch;
    connection_->exec("INSERT INTO items SELECT * FROM staging");
    double const searchable = watch.seconds();
    expect_found(rows);
    watch = Stopwatch();
    if (is_strata()) connection_->exec("CALL strata.build_incremental('items_v')");
    double const indexed = searchable + (is_strata() ? watch.seconds() : 0);
    Speed const after = speed();
    connection_->exec("DROP TABLE staging");
    add(concat(count, " new rows searchable, ms"), "", searchable * 1e3);
    add(concat(count, " new rows indexed, ms"), "", indexed * 1e3);
    add("full rebuild / until searchable", "500", full_seconds / searchable);
    add("full rebuild / until indexed", "15", full_seconds / indexed);
    add("queries/s, freshly built", "", full.queries_per_second);
    add("queries/s after the update / freshly built", "0.95", after.queries_per_second / full.queries_per_second);
    if (full.cpu_us_per_query > 0) {
      add("the same in processor time", "0.95", full.cpu_us_per_query / after.cpu_us_per_query);
    }
  }

  void expect_found(Matrix const& rows) {
    SoakSession session(options_.search, bench_.dsn, database_, setting_);
    std::vector<int64_t> ids;
    uint64_t const count = std::min<uint64_t>(rows.rows(), 20);
    uint64_t found = 0;
    for (uint64_t row = 0; row < count; ++row) {
      session.search_row(rows.row(row), &ids);
      found += !ids.empty() && ids[0] == (int64_t(1) << 42) + int64_t(row) ? 1 : 0;
    }
    if (is_strata() && found < count) throw Failure("a search did not find a row that was just committed");
  }

  // Searches while another session copies rows in, seals and merges them, without pause.
  void measure_merging() {
    Speed const quiet = speed();
    std::atomic<bool> stop = false;
    std::exception_ptr error;
    uint64_t merges = 0;
    uint64_t const batch = std::max<uint64_t>(1000, bench_.base.rows() / 100);
    std::thread merger([&] {
      try {
        Connection connection(bench_.dsn, database_);
        for (int64_t first_id = int64_t(1) << 43; !stop; first_id += int64_t(batch), ++merges) {
          copy_rows(connection, "items", make_insert_rows(bench_.base, batch, uint64_t(first_id)), 0, batch, first_id);
          connection.exec("SELECT strata.flush('items_v')");
          connection.exec("CALL strata.merge('items_v')");
        }
      } catch (...) {
        error = std::current_exception();
      }
    });
    Speed const busy = speed();
    stop = true;
    merger.join();
    if (error) std::rethrow_exception(error);
    add("merges meanwhile", "", double(merges));
    add("p99 ms, quiet", "", quiet.p99_us / 1e3);
    add("p99 ms, merging", "", busy.p99_us / 1e3);
    add("p99 merging / quiet", "2", busy.p99_us / quiet.p99_us);
    add("p50 merging / quiet", "", busy.p50_us / quiet.p50_us);
  }

  // All rows go and others, of another distribution, come, a tenth at a time.
  void measure_replacement() {
    connection_->exec("DELETE FROM items WHERE id >= " + std::to_string(bench_.base.rows()));
    Matrix const rows = generate("clustered", bench_.base.rows(), bench_.base.dim(), options_.run.seed + 99);
    constexpr uint64_t parts = 10;
    for (uint64_t part = 0; part < parts; ++part) {
      uint64_t const first = rows.rows() * part / parts, last = rows.rows() * (part + 1) / parts;
      connection_->exec(concat("DELETE FROM items WHERE id >= ", first, " AND id < ", last));
      copy_rows(*connection_, "items", rows, first, last, int64_t(1) << 44);
      connection_->exec("VACUUM (INDEX_CLEANUP on) items");
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.run.settle_seconds));
    double const replaced = index_bytes();
    rebuild();
    add("index bytes after 100 % replaced / freshly built", "1.3", replaced / index_bytes());
  }

  SqlEngineSpec spec_;
  LifeOptions const& options_;
  Workbench const& bench_;
  Figures& figures_;
  std::string database_;
  WriteBench writes_;
  NamedValues setting_;
  std::unique_ptr<Connection> connection_;
};

LifeOptions parse_life_options(int argc, char** argv) {
  LifeOptions options;
  std::vector<std::string> words = {
      "life",  "--base",        "made up",   "--queries", "1000",     "--rows",    "1000000",
      "--dim", "128",           "--engines", "strata",    "--vacuum", "0.01,0.1",  "--insert-clients",
      "1,2,8", "--insert-rows", "5000",      "--settle",  "60",       "--seconds", "10"};
  for (int i = 1; i < argc; ++i) {
    std::string const word = argv[i];
    bool const is_own = word == "--replace" || word == "--update";
    if (is_own && i + 1 == argc) throw Failure(word, " needs a value");
    if (word == "--replace") {
      options.replace = argv[++i];
    } else if (word == "--update") {
      options.update_share = std::atof(argv[++i]);
      if (!(options.update_share > 0 && options.update_share <= 1)) throw Failure("--update needs a share above 0");
    } else {
      words.push_back(word);
    }
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  options.run = parse_options(int(arguments.size()), arguments.data());
  options.search.dim = options.run.read.dim;
  options.search.k = options.run.k.front();
  return options;
}

SqlEngineSpec spec_of(std::string const& engine, uint64_t rows) {
  if (engine == "strata") return strata_spec(rows);
  if (engine == "pgvector-ivfflat") return pgvector_ivfflat_spec(rows);
  if (engine == "pgvector-hnsw") return pgvector_hnsw_spec(rows);
  throw Failure("engine \"", engine, "\" is no index of a server");
}

int run(int argc, char** argv) {
  if (asks_for_help(argc, argv)) {
    std::cout << own_usage;
    return 0;
  }
  LifeOptions const options = parse_life_options(argc, argv);
  install_signal_handlers();

  std::optional<PrivateServer> server;
  std::string dsn = options.run.dsn;
  if (dsn.empty()) {
    server.emplace(options.run.server);
    dsn = server->dsn();
  }
  print_origin(std::cout);
  std::cout << "settings: " << (server ? server->settings_text() : "of the server given by --dsn") << std::endl;

  progress("making up ", options.run.read.row_limit, " rows");
  Matrix base = generate("clustered", options.run.read.row_limit + options.run.held_out_queries, options.run.read.dim,
                         options.run.seed);
  Matrix const queries = take_last_rows(base, options.run.held_out_queries);
  std::vector<Task> const tasks;
  std::vector<int32_t> const labels;
  Workbench const bench{options.run, base, queries, tasks, labels, dsn};
  Figures figures;
  bool all_good = true;
  for (std::string const& engine : options.run.engines) {
    SqlEngineSpec const spec = spec_of(engine, base.rows());
    try {
      LifeRun(spec, options, bench, figures).run();
    } catch (std::exception const& error) {
      std::cout << engine << " failed: " << error.what() << "\n";
      all_good = false;
    }
    std::cout << "\n" << figures.str(options.run.engines) << std::endl;
    check_interrupted();
  }
  return all_good ? 0 : 1;
}

}  // namespace
}  // namespace strata::bench

int main(int argc, char** argv) {
  return strata::bench::run_program("life", [&] { return strata::bench::run(argc, argv); });
}
