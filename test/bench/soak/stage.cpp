#include "soak/stage.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "macro/failure.hpp"

namespace strata::bench {
namespace {

void pause_ms(int64_t ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

// The rows of one writer and what it does with them. Rows belong to one writer each, by id, so none waits for another.
class Writer {
 public:
  Writer(Stage& stage, uint32_t number)
      : stage_(stage),
        random_(stage.options.seed * 1000003 + number),
        connection_(stage.dsn, stage.database),
        row_(stage.options.dim) {
    uint32_t const step = stage.options.writers;
    for (uint64_t id = number; id < stage.options.rows; id += step) ids_.push_back(int64_t(id));
    first_count_ = ids_.size();
    next_id_ = int64_t((stage.options.rows + step - 1) / step * step + number);
    connection_.prepare("add", "INSERT INTO items (id, v) VALUES ($1::bigint, $2::vector)");
    connection_.prepare("change", "UPDATE items SET v = $2::vector WHERE id = $1::bigint");
    connection_.prepare("remove", "DELETE FROM items WHERE id = $1::bigint");
  }

  void write_batch() {
    Gate::Pass pass(stage_.gate);
    connection_.exec("BEGIN");
    for (uint32_t i = 0; i < stage_.options.batch; ++i) write_row();
    connection_.exec("COMMIT");
    stage_.written += stage_.options.batch;
  }

 private:
  // Two inserts and two deletes for each update; the number of rows stays within a twentieth of the first one.
  void write_row() {
    uint64_t const kind = random_.below(5);
    bool const too_many = ids_.size() > first_count_ + first_count_ / 20;
    bool const too_few = ids_.size() < first_count_ - first_count_ / 20;
    if (kind == 0) {
      update();
    } else if ((kind <= 2 && !too_many) || too_few || ids_.empty()) {
      insert();
    } else {
      remove();
    }
  }

  void insert() {
    int64_t const id = next_id_;
    next_id_ += stage_.options.writers;
    double const place = stage_.place();
    stage_.source.draw(place, random_, row_.data());
    run("add", id, true);
    ids_.push_back(id);
    stage_.population.put(id, row_.data(), place);
  }

  void update() {
    if (ids_.empty()) return;
    int64_t const id = ids_[random_.below(ids_.size())];
    double const place = stage_.place();
    stage_.source.draw(place, random_, row_.data());
    run("change", id, true);
    stage_.population.put(id, row_.data(), place);
    ++stage_.dead;
  }

  void remove() {
    if (ids_.empty()) return;
    std::swap(ids_[random_.below(ids_.size())], ids_.back());
    int64_t const id = ids_.back();
    ids_.pop_back();
    run("remove", id, false);
    stage_.population.remove(id);
    ++stage_.dead;
  }

  void run(char const* statement, int64_t id, bool with_vector) {
    uint64_t const wire_id = __builtin_bswap64(uint64_t(id));
    std::vector<std::pair<char const*, int>> parameters = {{reinterpret_cast<char const*>(&wire_id), 8}};
    wire_.clear();
    if (with_vector) {
      append_wire_vector(wire_, row_.data(), stage_.options.dim, Column::vector);
      parameters.emplace_back(wire_.data(), int(wire_.size()));
    }
    PgResult const result = connection_.run_prepared(statement, parameters);
    if (std::strcmp(PQcmdTuples(result.get()), "1") != 0) throw Failure("row ", id, " was not there to ", statement);
  }

  Stage& stage_;
  Generator random_;
  Connection connection_;
  std::vector<float> row_;
  std::vector<int64_t> ids_;
  std::string wire_;
  uint64_t first_count_ = 0;
  int64_t next_id_ = 0;
};

}  // namespace

SoakSession::SoakSession(SoakOptions const& options, std::string const& dsn, std::string const& database,
                         NamedValues const& setting)
    : connection_(dsn, database), dim_(options.dim) {
  connection_.exec("SELECT '[1]'::vector");  // loads the library, which defines its settings
  connection_.exec(
      "SET enable_seqscan = off; SET enable_sort = off; SET jit = off; SET max_parallel_workers_per_gather = 0");
  for (auto const& [name, value] : setting) {
    connection_.exec("SET " + name + " = " + connection_.quote_literal(value));
  }
  connection_.prepare("search", concat("SELECT id FROM items ORDER BY v <-> $1::vector LIMIT ", options.k));
  local_ = connection_.is_local();
}

void SoakSession::search_row(float const* row, std::vector<int64_t>* ids) {
  wire_.clear();
  append_wire_vector(wire_, row, dim_, Column::vector);
  PgResult const result = connection_.run_prepared("search", {{wire_.data(), int(wire_.size())}});
  ids->resize(size_t(PQntuples(result.get())));
  for (size_t i = 0; i < ids->size(); ++i) {
    uint64_t big_endian;
    std::memcpy(&big_endian, PQgetvalue(result.get(), int(i), 0), sizeof big_endian);
    (*ids)[i] = int64_t(__builtin_bswap64(big_endian));
  }
}

double Stage::churn_seconds() const {
  return options.minutes * 60 / (options.slice_seconds > 0 ? double(options.engines.size()) : 1);
}

double Stage::place() const {
  return options.drift * std::min(1.0, clock.seconds() / churn_seconds());
}

Background Stage::background() const {
  if (is_checking) return Background::check;
  if (is_merging) return Background::merge;
  return is_vacuuming ? Background::vacuum : Background::none;
}

double Stage::vacuum_seconds_so_far() const {
  return vacuum_seconds + (vacuum_since < 0 ? 0 : wall.seconds() - vacuum_since);
}

void Stage::remember_error() {
  std::lock_guard guard(lock);
  if (!error) error = std::current_exception();
  stop = true;
}

void Stage::draw_like_table(Generator& random, float* row) const {
  source.draw(population.place(random.below(population.rows().rows())), random, row);
}

void search_loop(Stage& stage, uint32_t client) {
  SoakSession session(stage.options, stage.dsn, stage.database, stage.setting);
  Generator random(stage.options.seed * 7919 + client);
  std::vector<float> row(stage.options.dim);
  std::vector<int64_t> ids;
  while (!stage.stop) {
    if (stage.is_checking || !stage.is_on_turn) {
      pause_ms(1);
      continue;
    }
    // Between the first distribution and the present one, as the rows of the table are.
    stage.source.draw(stage.place() * random.unit(), random, row.data());
    Background const before = stage.background();
    auto const start = std::chrono::steady_clock::now();
    session.search_row(row.data(), &ids);
    auto const took = std::chrono::steady_clock::now() - start;
    Background const during = std::max(before, stage.background());
    std::lock_guard guard(stage.lock);
    stage.latencies_ns[size_t(during)].push_back(
        uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
  }
}

void write_loop(Stage& stage, uint32_t number) {
  Writer writer(stage, number);
  double const period = stage.options.rate > 0 ? stage.options.batch * stage.options.writers / stage.options.rate : 0;
  double const begun = stage.clock.seconds();
  uint64_t batches = 0, reported_late = 0;
  while (!stage.stop) {
    if (!stage.is_on_turn) {
      pause_ms(1);
      continue;
    }
    double const due = begun + period * double(batches);
    if (double const ahead = due - stage.clock.seconds(); ahead > 0) {
      std::this_thread::sleep_for(std::chrono::duration<double>(std::min(ahead, 0.1)));
      if (ahead > 0.1) continue;
    }
    writer.write_batch();
    ++batches;
    uint64_t const asked = period > 0 ? uint64_t((stage.clock.seconds() - begun) / period) : batches;
    uint64_t const late = asked > batches ? (asked - batches) * stage.options.batch : 0;
    stage.late += late - reported_late;  // wraps when it falls, as the sum does
    reported_late = late;
  }
}

void vacuum_loop(Stage& stage) {
  Connection connection(stage.dsn, stage.database);
  uint64_t vacuumed = 0;
  while (!stage.stop) {
    uint64_t const dead = stage.dead;
    if (!stage.is_on_turn || double(dead - vacuumed) < stage.options.vacuum_share * double(stage.options.rows)) {
      pause_ms(100);
      continue;
    }
    stage.is_vacuuming = true;
    {
      std::lock_guard guard(stage.lock);
      stage.vacuum_since = stage.wall.seconds();
    }
    connection.exec("VACUUM (INDEX_CLEANUP on) items");
    stage.is_vacuuming = false;
    vacuumed = dead;
    std::lock_guard guard(stage.lock);
    stage.vacuum_seconds = stage.vacuum_seconds_so_far();
    stage.vacuum_since = -1;
    ++stage.vacuums;
  }
}

void watch_loop(Stage& stage) {
  Connection connection(stage.dsn, stage.database);
  connection.prepare("look", "SELECT 1 FROM strata.progress WHERE task <> 'build' LIMIT 1");
  Stopwatch watch;
  while (!stage.stop) {
    if (!stage.is_on_turn) {
      pause_ms(1);
      continue;
    }
    stage.is_merging = PQntuples(connection.run_prepared("look", {}).get()) > 0;
    double const before = watch.seconds();
    pause_ms(50);
    if (stage.is_merging) stage.merging_ms += uint64_t((watch.seconds() - before) * 1000);
  }
  stage.is_merging = false;
}

}  // namespace strata::bench
