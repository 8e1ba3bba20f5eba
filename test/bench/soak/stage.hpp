// What the threads of one soak share, and the threads.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "macro/pg_client.hpp"
#include "macro/progress.hpp"
#include "soak/drift.hpp"
#include "soak/population.hpp"
#include "soak/soak.hpp"

namespace strata::bench {

// A session that searches the soaked table through its index.
class SoakSession : public Session {
 public:
  SoakSession(SoakOptions const& options, std::string const& dsn, std::string const& database,
              NamedValues const& setting);
  void search_row(float const* row, std::vector<int64_t>* ids);
  void search(uint32_t query, std::vector<int64_t>* ids) override { search_row(queries_->row(query), ids); }
  int64_t cpu_ns() override { return local_ ? process_cpu_ns(connection_.backend_pid()) : -1; }
  void set_queries(Matrix const* queries) { queries_ = queries; }
  Connection& connection() { return connection_; }

 private:
  Connection connection_;
  Matrix const* queries_ = nullptr;
  uint32_t dim_;
  std::string wire_;
  bool local_ = false;
};

// Time that counts: stands still while another engine is on turn.
class TurnClock {
 public:
  double seconds() const {
    std::lock_guard guard(lock_);
    return passed_ + (runs_ ? watch_.seconds() : 0);
  }
  void restart() {
    std::lock_guard guard(lock_);
    passed_ = 0;
    watch_ = Stopwatch();
    runs_ = true;
  }
  void stop() {
    std::lock_guard guard(lock_);
    if (runs_) passed_ += watch_.seconds();
    runs_ = false;
  }
  void go_on() {
    std::lock_guard guard(lock_);
    if (!runs_) watch_ = Stopwatch();
    runs_ = true;
  }

 private:
  mutable std::mutex lock_;
  double passed_ = 0;
  Stopwatch watch_;
  bool runs_ = true;
};

struct Stage {
  Stage(SoakOptions const& given, std::string server, std::string name)
      : options(given),
        dsn(std::move(server)),
        database(std::move(name)),
        source(given.rows, given.dim, given.seed),
        population(given.rows + given.rows / 16 + 1024, given.dim) {}

  SoakOptions const& options;
  std::string dsn, database;
  NamedValues setting;
  DriftingSource source;
  Population population;
  Gate gate;
  TurnClock clock;  // started anew when the load begins
  Stopwatch wall;   // never stands still

  std::atomic<bool> stop = false;
  std::atomic<bool> is_on_turn = true;
  std::atomic<bool> is_checking = false, is_merging = false, is_vacuuming = false;
  std::atomic<uint64_t> written = 0, dead = 0, late = 0;
  std::atomic<uint64_t> merging_ms = 0;
  std::mutex lock;
  std::exception_ptr error;                         // under lock
  double vacuum_seconds = 0;                        // under lock, of finished ones
  double vacuum_since = -1;                         // under lock, by `wall`; -1: none is running
  uint32_t vacuums = 0;                             // under lock
  std::vector<std::vector<uint64_t>> latencies_ns;  // under lock, of the interval, by Background

  double vacuum_seconds_so_far() const;  // under lock
  double churn_seconds() const;          // of this engine
  double place() const;                  // of the distribution now
  Background background() const;
  void remember_error();
  // One row that is distributed like those of the table. Only with the gate closed, or before writers start.
  void draw_like_table(Generator& random, float* row) const;
};

void search_loop(Stage& stage, uint32_t client);
void write_loop(Stage& stage, uint32_t writer);
void vacuum_loop(Stage& stage);
// Watches whether strata merges, seals or trains.
void watch_loop(Stage& stage);

}  // namespace strata::bench
