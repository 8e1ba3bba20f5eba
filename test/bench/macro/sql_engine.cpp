#include "macro/sql_engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <thread>

#include "macro/failure.hpp"
#include "macro/progress.hpp"
#include "macro/sql_writes.hpp"
#include "macro/text_table.hpp"

namespace strata::bench {
namespace {

char const* operator_of(Metric metric) {
  return metric == Metric::l2 ? "<->" : metric == Metric::ip ? "<#>" : "<=>";
}

char const* opclass_suffix(Metric metric) {
  return metric == Metric::l2 ? "l2_ops" : metric == Metric::ip ? "ip_ops" : "cosine_ops";
}

char const* type_name(Column column) {
  return column == Column::halfvec ? "halfvec" : "vector";
}

class SqlSession : public Session {
 public:
  SqlSession(Workbench const& bench, std::string const& database, Task const& task, NamedValues const& setting)
      : bench_(bench), connection_(bench.dsn, database) {
    Options const& options = bench.options;
    // The index under test shall answer, whatever the planner thinks of its cost; the caller checks that it does.
    connection_.exec(
        "SET enable_seqscan = off; SET enable_sort = off; SET jit = off; "
        "SET max_parallel_workers_per_gather = 0");
    for (NamedValues const* values : {&options.session_settings, &setting}) {
      for (auto const& [name, value] : *values)
        connection_.exec("SET " + name + " = " + connection_.quote_literal(value));
    }
    std::string const filter = task.is_filtered() ? concat(" WHERE label = ", task.label) : "";
    sql_ = concat("SELECT id FROM items", filter, " ORDER BY v ", operator_of(options.metric),
                  " $1::", type_name(options.column), " LIMIT ", task.k);
    connection_.prepare("search", sql_);
    for (uint64_t query = 0; query < bench.queries.rows(); ++query) {
      std::string wire;
      append_wire_vector(wire, bench.queries.row(query), bench.queries.dim(), options.column);
      wires_.push_back(std::move(wire));
    }
    local_ = connection_.is_local();
  }

  void search(uint32_t query, std::vector<int64_t>* ids) override {
    std::string const& wire = wires_[query];
    PgResult const result = connection_.run_prepared("search", {{wire.data(), int(wire.size())}});
    int const rows = PQntuples(result.get());
    ids->resize(size_t(rows));
    for (int row = 0; row < rows; ++row) {
      uint64_t big_endian;
      std::memcpy(&big_endian, PQgetvalue(result.get(), row, 0), sizeof big_endian);
      (*ids)[size_t(row)] = int64_t(__builtin_bswap64(big_endian));
    }
  }

  int64_t cpu_ns() override { return local_ ? process_cpu_ns(connection_.backend_pid()) : -1; }

  // Whether the plan of the first query reads the index under test.
  bool plan_uses_index() {
    std::string literal = "'[";
    for (uint32_t i = 0; i < bench_.queries.dim(); ++i) {
      char number[32];
      std::snprintf(number, sizeof number, "%s%.9g", i == 0 ? "" : ",", double(bench_.queries.row(0)[i]));
      literal += number;
    }
    std::string statement = sql_;
    statement.replace(statement.find("$1"), 2, literal + "]'");
    PgResult const plan = connection_.exec("EXPLAIN (COSTS off) " + statement);
    for (int row = 0; row < PQntuples(plan.get()); ++row) {
      if (std::strstr(PQgetvalue(plan.get(), row, 0), "items_v") != nullptr) return true;
    }
    return false;
  }

 private:
  Workbench const& bench_;
  Connection connection_;
  std::string sql_;
  std::vector<std::string> wires_;
  bool local_ = false;
};

class SqlRun {
 public:
  SqlRun(SqlEngineSpec spec, Workbench const& bench)
      : spec_(std::move(spec)), bench_(bench), database_("strata_bench_" + spec_.extension) {
    result_.name = spec_.name;
    result_.raw_bytes = int64_t(bench.base.value_count()) * (bench.options.column == Column::halfvec ? 2 : 4);
    for (EngineText const& with : bench.options.with) {
      if (with.engine == spec_.name) spec_.with = merge_option(spec_.with, with.text);
    }
    bool const replaced = std::any_of(bench.options.sweeps.begin(), bench.options.sweeps.end(),
                                      [&](Sweep const& sweep) { return sweep.engine == spec_.name; });
    if (replaced) {
      spec_.sweeps.clear();
      for (Sweep const& sweep : bench.options.sweeps) {
        if (sweep.engine == spec_.name) spec_.sweeps.push_back(sweep);
      }
    } else {
      only_first_sweep_that_exists_ = true;
    }
  }

  EngineResult run() {
    try {  // what was measured before an error is kept
      if (make_database()) {
        {
          Connection connection(bench_.dsn, database_);
          load_and_build(connection);
          search_all(connection);
        }
        search_after_restarts();
        Connection connection(bench_.dsn, database_);
        run_writes(connection);
      }
    } catch (std::exception const& error) {
      result_.failure = error.what();
    }
    if (!interrupted) drop_database();
    return std::move(result_);
  }

 private:
  // "lists = 10, x = 1" with "lists=20" becomes "x = 1, lists=20".
  static std::string merge_option(std::string const& options, std::string const& added) {
    auto name_of = [](std::string text) {
      text = text.substr(0, text.find('='));
      std::erase(text, ' ');
      return text;
    };
    std::string merged;
    size_t at = 0;
    while (at < options.size()) {
      size_t const end = std::min(options.find(',', at), options.size());
      std::string part = options.substr(at, end - at);
      part.erase(0, part.find_first_not_of(' '));
      if (name_of(part) != name_of(added)) merged += part + ", ";
      at = end + 1;
    }
    return merged + added;
  }

  bool make_database() {
    Connection connection(bench_.dsn, "");
    std::string const version = connection.value("SELECT default_version FROM pg_available_extensions WHERE name = " +
                                                 connection.quote_literal(spec_.extension));
    if (version.empty()) {
      result_.skipped = "the extension " + spec_.extension + " is not installed in this server";
      return false;
    }
    result_.version = version;
    connection.exec("DROP DATABASE IF EXISTS " + connection.quote_name(database_));
    connection.exec("CREATE DATABASE " + connection.quote_name(database_) + " TEMPLATE template0");
    Connection inside(bench_.dsn, database_);
    inside.exec("CREATE EXTENSION " + connection.quote_name(spec_.extension));
    if (inside.value("SELECT 1 FROM pg_am WHERE amname = " + inside.quote_literal(spec_.method)).empty()) {
      result_.skipped = "the extension " + spec_.extension + " " + version + " has no access method " + spec_.method;
      return false;
    }
    return true;
  }

  void drop_database() {
    try {
      Connection connection(bench_.dsn, "");
      connection.exec("DROP DATABASE IF EXISTS " + connection.quote_name(database_) + " WITH (FORCE)");
    } catch (std::exception const& error) {
      result_.notes.push_back(concat("database ", database_, " was not dropped: ", error.what()));
    }
  }

  bool has_labels() const { return !bench_.labels.empty(); }

  void create_index(Connection& connection) {
    std::string sql =
        concat("CREATE INDEX items_v ON items USING ", spec_.method, " (v ", type_name(bench_.options.column), "_",
               opclass_suffix(bench_.options.metric), has_labels() && spec_.filter_in_index ? ", label)" : ")");
    if (!spec_.with.empty()) sql += " WITH (" + spec_.with + ")";
    connection.exec(sql);
  }

  void load_and_build(Connection& connection) {
    Options const& options = bench_.options;
    connection.exec(concat("CREATE TABLE items (id bigint PRIMARY KEY, v ", type_name(options.column), "(",
                           bench_.base.dim(), ")", has_labels() ? ", label int" : "", ")"));
    if (!options.storage.empty()) connection.exec("ALTER TABLE items ALTER v SET STORAGE " + options.storage);
    connection.exec("CREATE TABLE items_plain (LIKE items INCLUDING ALL)");
    if (options.index_before_load) create_index(connection);
    progress(spec_.name, ": loading ", bench_.base.rows(), " rows");
    Stopwatch load;
    CopyWriter writer(connection, "items", options.column, has_labels());
    for (uint64_t row = 0; row < bench_.base.rows(); ++row) {
      if (row % 4096 == 0) check_interrupted();
      writer.add(int64_t(row), bench_.base.row(row), bench_.base.dim(), has_labels() ? bench_.labels[row] : -1);
    }
    writer.finish();
    result_.load_seconds = load.seconds();
    connection.exec("VACUUM (ANALYZE) items");
    if (!options.index_before_load) {
      progress(spec_.name, ": building the index");
      Stopwatch build;
      create_index(connection);
      result_.build_seconds = build.seconds();
    }
    for (EngineText const& after : options.after_build) {
      if (after.engine != spec_.name) continue;
      Stopwatch watch;
      connection.exec(after.text);
      result_.notes.push_back(concat("after build: ", after.text, " took ", watch.seconds(), " s"));
    }
    if (options.settle_seconds > 0) {
      std::this_thread::sleep_for(std::chrono::duration<double>(options.settle_seconds));
    }
    connection.exec("CHECKPOINT");
    result_.definition = connection.value("SELECT pg_get_indexdef('items_v'::regclass)");
    result_.index_bytes = int64_t(connection.number("SELECT pg_total_relation_size('items_v')"));
  }

  std::vector<Sweep> existing_sweeps(Connection& connection) {
    connection.exec("SELECT '[1]'::vector");  // loads the library, which defines its settings
    std::vector<Sweep> existing;
    for (Sweep const& sweep : spec_.sweeps) {
      if (connection.value("SELECT 1 FROM pg_settings WHERE name = " + connection.quote_literal(sweep.setting))
              .empty()) {
        result_.notes.push_back("the setting " + sweep.setting + " does not exist in this build: not swept");
      } else if (!only_first_sweep_that_exists_ || existing.empty()) {
        existing.push_back(sweep);
      }
    }
    return existing;
  }

  void search_all(Connection& connection) {
    std::vector<Sweep> const sweeps = existing_sweeps(connection);
    for (Task const& task : bench_.tasks) {
      search_one_setting({}, task);
      for (Sweep const& sweep : sweeps) {
        for (std::string const& value : sweep.values) {
          // hnsw returns at most ef_search rows, unless it iterates: below k it cannot answer the question.
          bool const is_short = sweep.setting == "hnsw.ef_search" && std::atol(value.c_str()) < long(task.k);
          if (is_short && !task.is_filtered()) continue;
          NamedValues setting = {{sweep.setting, value}};
          if (task.is_filtered()) {
            setting.insert(setting.end(), spec_.filter_settings.begin(), spec_.filter_settings.end());
          }
          if (search_one_setting(setting, task)) break;
        }
      }
    }
  }

  // True when a sweep needs to go no further: the recall is reached, or the setting is too slow for a full pass.
  bool search_one_setting(NamedValues const& setting, Task const& task) {
    uint32_t const queries = uint32_t(bench_.queries.rows());
    SearchPoint point;
    point.setting = setting;
    point.k = task.k;
    point.share = task.share;
    {
      SqlSession session(bench_, database_, task, setting);
      point.uses_index = session.plan_uses_index();
      point.recall = measure_recall(session, task.judge, queries, bench_.options.recall_seconds);
    }
    for (uint32_t clients : bench_.options.clients) {
      point.clients = clients;
      point.speed = measure_speed_median([&] { return std::make_unique<SqlSession>(bench_, database_, task, setting); },
                                         clients, bench_.options.seconds, queries, bench_.options.rounds);
      result_.points.push_back(point);
      progress_point(spec_.name, point);
    }
    return point.recall.mean >= bench_.options.stop_recall || point.recall.queries < queries;
  }

  struct BlocksRead {
    double index, table;
  };
  // Counters of the server so far. A session adds its own when it ends.
  BlocksRead blocks_read() {
    Connection connection(bench_.dsn, database_);
    std::string const others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for (int attempt = 0; attempt < 200 && connection.number(others) > 0; ++attempt)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return {connection.number("SELECT idx_blks_read FROM pg_statio_user_indexes WHERE indexrelname = 'items_v'"),
            connection.number("SELECT heap_blks_read + coalesce(toast_blks_read, 0) + coalesce(tidx_blks_read, 0) "
                              "FROM pg_statio_user_tables WHERE relname = 'items'")};
  }

  // One pass over the queries with default settings for each k, after each kind of restart.
  void search_after_restarts() {
    if (bench_.options.restarts.empty()) return;
    for (Restart const restart : bench_.options.restarts) {
      for (Task const& task : bench_.tasks) {
        if (!task.is_filtered()) search_after(restart, task);
      }
    }
    bench_.server->restart(0, false);
  }

  void search_after(Restart restart, Task const& task) {
    bool const cold = restart == Restart::cold;
    uint64_t const tenth_mb = std::max<uint64_t>(uint64_t(result_.index_bytes) / 10 >> 20, 1);
    uint32_t const queries = uint32_t(bench_.queries.rows());
    bench_.server->restart(cold ? 0 : tenth_mb, cold);
    RestartResult point;
    point.how = cold ? "cold" : concat("shared_buffers = ", tenth_mb, "MB");
    point.k = task.k;
    // With few buffers the state that lasts is wanted, not the first reading: a pass before fills them.
    if (!cold) {
      SqlSession session(bench_, database_, task, {});
      Speed ignored;
      measure_pass(session, task.judge, queries, &ignored);
    }
    BlocksRead const before = blocks_read();
    {
      SqlSession session(bench_, database_, task, {});
      point.recall = measure_pass(session, task.judge, queries, &point.speed);
    }
    BlocksRead const after = blocks_read();
    point.index_blocks = (after.index - before.index) / queries;
    point.table_blocks = (after.table - before.table) / queries;
    result_.restarts.push_back(point);
    progress(spec_.name, ": ", point.how, ", k=", task.k, ": ", format_short(point.speed.queries_per_second), " q/s, ",
             format_short(point.index_blocks), " index blocks read a query");
  }

  void run_writes(Connection& connection) {
    WriteBench const writes{bench_, spec_.name, database_};
    if (bench_.options.insert_rows > 0) result_.writes = writes.measure_inserts(connection);
    result_.vacuums = writes.measure_vacuums(connection);
  }

  SqlEngineSpec spec_;
  Workbench const& bench_;
  std::string database_;
  EngineResult result_;
  bool only_first_sweep_that_exists_ = false;
};

}  // namespace

EngineResult run_sql_engine(SqlEngineSpec spec, Workbench const& bench) {
  return SqlRun(std::move(spec), bench).run();
}

}  // namespace strata::bench
