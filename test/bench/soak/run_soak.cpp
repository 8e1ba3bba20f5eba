// One engine through the soak: load, build, tune, hours of churn, and the same index built anew at the end.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "macro/failure.hpp"
#include "macro/sql_engine.hpp"
#include "soak/stage.hpp"

namespace strata::bench {
namespace {

class SoakRun {
 public:
  SoakRun(SqlEngineSpec spec, SoakOptions const& options, std::string const& dsn)
      : spec_(std::move(spec)),
        options_(options),
        stage_(options, dsn, "strata_soak_" + spec_.method),
        random_(options.seed + 77) {
    stage_.latencies_ns.resize(4);
    result_.name = spec_.name;
  }

  SoakResult run() {
    prepare();
    begin();
    while (take_turn(stage_.churn_seconds())) {
    }
    return end();
  }

  // False when this engine takes no part.
  bool prepare() {
    return guarded([&] {
      if (!make_database()) return;
      connection_ = std::make_unique<Connection>(stage_.dsn, stage_.database);
      load_and_build(*connection_);
      tune();
    });
  }

  // Starts the sessions; they do nothing before the first turn.
  void begin() {
    stage_.is_on_turn = false;
    stage_.clock.restart();
    stage_.clock.stop();
    guarded([&] { start_sessions(); });
  }

  // Lets them work for so long. Returns whether they have more to do.
  bool take_turn(double seconds) {
    guarded([&] { work_for(seconds); });
    return runs() && stage_.clock.seconds() < stage_.churn_seconds();
  }

  SoakResult end() {
    stage_.stop = true;
    for (std::thread& thread : threads_) thread.join();
    guarded([&] {
      result_.vacuum_seconds = stage_.vacuum_seconds;
      result_.vacuums = stage_.vacuums;
      if (stage_.error) std::rethrow_exception(stage_.error);
      check_interrupted();
      compare_with_fresh(*connection_);
    });
    connection_.reset();
    session_.reset();
    if (!interrupted && result_.skipped.empty()) drop_database();
    return std::move(result_);
  }

 private:
  bool runs() const { return result_.failure.empty() && result_.skipped.empty() && !stage_.stop; }

  // Does nothing once something has failed.
  template <class Body>
  bool guarded(Body body) {
    if (!result_.failure.empty() || !result_.skipped.empty()) return false;
    try {
      body();
    } catch (std::exception const& error) {
      result_.failure = error.what();
      stage_.stop = true;
    }
    return result_.failure.empty() && result_.skipped.empty();
  }

  bool is_strata() const { return spec_.extension == "strata"; }

  bool make_database() {
    Connection connection(stage_.dsn, "");
    if (connection
            .value("SELECT 1 FROM pg_available_extensions WHERE name = " + connection.quote_literal(spec_.extension))
            .empty()) {
      result_.skipped = "the extension " + spec_.extension + " is not installed in this server";
      return false;
    }
    connection.exec("DROP DATABASE IF EXISTS " + stage_.database);
    connection.exec("CREATE DATABASE " + stage_.database + " TEMPLATE template0");
    Connection(stage_.dsn, stage_.database).exec("CREATE EXTENSION " + spec_.extension);
    return true;
  }

  void drop_database() {
    try {
      Connection(stage_.dsn, "").exec("DROP DATABASE IF EXISTS " + stage_.database + " WITH (FORCE)");
    } catch (std::exception const& error) {
      progress("database ", stage_.database, " was not dropped: ", error.what());
    }
  }

  void load_and_build(Connection& connection) {
    connection.exec(concat("CREATE TABLE items (id bigint PRIMARY KEY, v vector(", options_.dim, "))"));
    std::string const create = concat("CREATE INDEX items_v ON items USING ", spec_.method, " (v vector_l2_ops)",
                                      spec_.with.empty() ? "" : " WITH (" + spec_.with + ")");
    if (options_.index_before_load) connection.exec(create);
    progress(spec_.name, ": loading ", options_.rows, " rows");
    Generator random(options_.seed);
    std::vector<float> row(options_.dim);
    CopyWriter writer(connection, "items", Column::vector);
    for (uint64_t id = 0; id < options_.rows; ++id) {
      if (id % 4096 == 0) check_interrupted();
      stage_.source.draw(0, random, row.data());
      writer.add(int64_t(id), row.data(), options_.dim);
      stage_.population.put(int64_t(id), row.data(), 0);
    }
    writer.finish();
    connection.exec("VACUUM (ANALYZE) items");
    Stopwatch watch;
    if (!options_.index_before_load) connection.exec(create);
    progress(spec_.name, ": index built in ", watch.seconds(), " s");
    connection.exec("CHECKPOINT");
  }

  Matrix draw_queries(uint32_t count) {
    Matrix queries(count, options_.dim);
    for (uint64_t i = 0; i < count; ++i) stage_.draw_like_table(random_, queries.row(i));
    return queries;
  }

  // Recall against exact search; writers must stand still. An answer that names a row which is not in the table, or one
  // twice, is an error and not a miss.
  double recall_of(SoakSession& session, Matrix const& queries) {
    Matrix const& rows = stage_.population.rows();
    NeighborTable const truth = compute_neighbors(rows, queries, Metric::l2, options_.k);
    RecallJudge const judge(rows, queries, Metric::l2, truth, options_.k);
    std::vector<int64_t> ids;
    double sum = 0;
    for (uint64_t query = 0; query < queries.rows(); ++query) {
      session.search_row(queries.row(query), &ids);
      for (int64_t& id : ids) {
        int64_t const slot = stage_.population.slot_of(id);
        if (slot < 0) throw Failure("a search returned row ", id, ", which is not in the table");
        id = slot;
      }
      std::vector<int64_t> sorted = ids;
      std::sort(sorted.begin(), sorted.end());
      if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
        throw Failure("a search returned a row twice");
      }
      sum += judge.recall(query, ids);
    }
    return sum / double(queries.rows());
  }

  // The cheapest setting that reaches the recall on the table as loaded; what a careful user would set.
  void tune() {
    if (is_strata()) {
      result_.setting = "defaults";
      return;
    }
    Matrix const queries = draw_queries(std::max(options_.recall_queries, 200U));
    Sweep const& sweep = spec_.sweeps.front();
    for (std::string const& value : sweep.values) {
      stage_.setting = {{sweep.setting, value}};
      SoakSession session(options_, stage_.dsn, stage_.database, stage_.setting);
      double const recall = recall_of(session, queries);
      progress(spec_.name, ": ", setting_label(stage_.setting), " recall ", recall);
      if (recall >= options_.recall) break;
    }
    result_.setting = setting_label(stage_.setting);
  }

  template <class Body>
  void start(Body body) {
    threads_.emplace_back([this, body] {
      try {
        body();
      } catch (...) {
        stage_.remember_error();
      }
    });
  }

  void start_sessions() {
    session_ = std::make_unique<SoakSession>(options_, stage_.dsn, stage_.database, stage_.setting);
    std::cout << spec_.name << ", " << result_.setting << "\n" << sample_header() << std::flush;
    if (is_strata()) start([this] { watch_loop(stage_); });
    start([this] { vacuum_loop(stage_); });
    for (uint32_t i = 0; i < options_.clients; ++i) start([this, i] { search_loop(stage_, i); });
    for (uint32_t i = 0; i < options_.writers; ++i) start([this, i] { write_loop(stage_, i); });
  }

  void work_for(double seconds) {
    double const end = std::min(stage_.churn_seconds(), stage_.clock.seconds() + seconds);
    double const wal = wal_bytes(*connection_);  // that of others, since the last turn, is not ours
    if (last_wal_ < 0) last_wal_ = wal;
    if (wal_at_pause_ >= 0) last_wal_ += wal - wal_at_pause_;
    for (;;) {
      stage_.clock.go_on();
      stage_.is_on_turn = true;
      double const next = std::min(end, last_time_ + options_.interval_seconds);
      while (stage_.clock.seconds() < next && !stage_.stop && !interrupted) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      stage_.clock.stop();
      stage_.is_on_turn = false;
      if (stage_.stop || interrupted) break;
      double const now = stage_.clock.seconds();
      if (now >= last_time_ + options_.interval_seconds || now >= stage_.churn_seconds()) take_sample(*connection_);
      if (now >= end) break;
    }
    wal_at_pause_ = wal_bytes(*connection_);
  }

  static double wal_bytes(Connection& connection) {
    return connection.number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')");
  }

  Latency latency_of(Background kind, uint64_t* count) {
    std::vector<uint64_t>& values = stage_.latencies_ns[size_t(kind)];
    *count += values.size();
    if (values.empty()) return {};
    return {percentile(values, 0.5) / 1e3, percentile(values, 0.99) / 1e3};
  }

  void take_sample(Connection& connection) {
    SoakSample sample;
    double const now = stage_.clock.seconds(), seconds = now - last_time_;
    sample.minute = now / 60;
    uint64_t const written = stage_.written;
    double const wal = wal_bytes(connection);
    uint64_t queries = 0;
    {
      std::lock_guard guard(stage_.lock);
      sample.quiet = latency_of(Background::none, &queries);
      sample.vacuuming = latency_of(Background::vacuum, &queries);
      sample.merging = latency_of(Background::merge, &queries);
      for (auto& values : stage_.latencies_ns) values.clear();
      double const vacuum_seconds = stage_.vacuum_seconds_so_far();
      sample.vacuum_seconds = vacuum_seconds - last_vacuum_seconds_;
      last_vacuum_seconds_ = vacuum_seconds;
    }
    sample.merging_share = double(stage_.merging_ms.exchange(0)) / 1e3 / seconds;
    sample.writes_per_second = double(written - last_written_) / seconds;
    sample.late_share = double(stage_.late) / double(std::max<uint64_t>(1, written + stage_.late));
    sample.queries_per_second = double(queries) / seconds;
    sample.wal_bytes_per_row = (wal - last_wal_) / double(std::max<uint64_t>(1, written - last_written_));
    sample.index_bytes = connection.number("SELECT pg_relation_size('items_v')");
    if (is_strata()) {
      PgResult const row = connection.exec(
          "SELECT segments, growing_rows, live_bytes, write_amplification FROM strata.stat_index "
          "WHERE index = 'items_v'::regclass");
      auto field = [&](int column) {
        return PQgetisnull(row.get(), 0, column) ? -1 : std::stod(PQgetvalue(row.get(), 0, column));
      };
      sample.segments = field(0);
      sample.growing_rows = field(1);
      sample.live_bytes = field(2);
      sample.write_amplification = field(3);
    }
    stage_.is_checking = true;
    {
      Gate::Closed closed(stage_.gate);
      sample.rows = stage_.population.count();
      sample.recall = recall_of(*session_, draw_queries(options_.recall_queries));
    }
    stage_.is_checking = false;
    last_time_ = stage_.clock.seconds();  // the check is no part of any interval
    last_written_ = stage_.written;
    last_wal_ = wal_bytes(connection);
    result_.samples.push_back(sample);
    std::cout << (options_.slice_seconds > 0 ? spec_.name + "\n" : "") << sample_line(sample, options_.dim)
              << std::flush;
  }

  SoakEnd measure_end(Connection& connection, Matrix const& queries) {
    SoakEnd end;
    SoakSession session(options_, stage_.dsn, stage_.database, stage_.setting);
    session.set_queries(&queries);
    end.recall = recall_of(session, queries);  // warms it, too
    end.index_bytes = connection.number("SELECT pg_relation_size('items_v')");
    std::vector<int64_t> ids;
    int64_t const before = session.cpu_ns();
    double codes = 0;
    uint32_t const rounds = 3;
    for (uint32_t round = 0; round < rounds; ++round) {
      for (uint32_t i = 0; i < queries.rows(); ++i) session.search(i, &ids);
    }
    if (before >= 0) {
      end.cpu_us_per_query = double(session.cpu_ns() - before) / 1e3 / rounds / double(queries.rows());
    }
    for (uint32_t i = 0; is_strata() && i < queries.rows(); ++i) {
      session.search(i, &ids);
      codes += session.connection().number("SELECT codes + growing_rows FROM strata.last_scan()");
    }
    if (is_strata()) end.codes_per_query = codes / double(queries.rows());
    return end;
  }

  void compare_with_fresh(Connection& connection) {
    connection.exec("VACUUM (INDEX_CLEANUP on) items");
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.settle_seconds));
    check_interrupted();
    Matrix const queries = draw_queries(std::max(options_.recall_queries, 500U));
    result_.churned = measure_end(connection, queries);
    if (!options_.compares_with_fresh) return;
    Stopwatch watch;
    connection.exec("REINDEX INDEX items_v");
    double const seconds = watch.seconds();
    result_.fresh = measure_end(connection, queries);
    result_.fresh.seconds = seconds;
  }

  SqlEngineSpec spec_;
  SoakOptions const& options_;
  Stage stage_;
  Generator random_;
  SoakResult result_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<SoakSession> session_;
  std::vector<std::thread> threads_;
  double last_time_ = 0, last_wal_ = -1, wal_at_pause_ = -1, last_vacuum_seconds_ = 0;
  uint64_t last_written_ = 0;
};

}  // namespace

static SqlEngineSpec spec_of(std::string const& engine, uint64_t rows) {
  return engine == "strata"          ? strata_spec(rows)
         : engine == "pgvector-hnsw" ? pgvector_hnsw_spec(rows)
                                     : pgvector_ivfflat_spec(rows);
}

SoakResult run_soak(std::string const& engine, SoakOptions const& options, std::string const& dsn) {
  return SoakRun(spec_of(engine, options.rows), options, dsn).run();
}

std::vector<SoakResult> run_soaks_in_turns(SoakOptions const& options, std::string const& dsn) {
  std::vector<std::unique_ptr<SoakRun>> runs;
  for (std::string const& engine : options.engines) {
    check_interrupted();
    runs.push_back(std::make_unique<SoakRun>(spec_of(engine, options.rows), options, dsn));
    runs.back()->prepare();
  }
  for (auto& run : runs) run->begin();
  for (bool more = true; more && !interrupted;) {
    more = false;
    for (auto& run : runs) more = run->take_turn(options.slice_seconds) || more;
  }
  std::vector<SoakResult> results;
  for (auto& run : runs) results.push_back(run->end());
  return results;
}

}  // namespace strata::bench
