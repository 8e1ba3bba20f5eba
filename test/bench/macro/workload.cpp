#include "macro/workload.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "macro/failure.hpp"

namespace strata::bench {

volatile bool interrupted = false;

void check_interrupted() {
  if (interrupted) throw Failure("interrupted");
}

double percentile(std::vector<uint64_t>& values, double share) {
  if (values.empty()) return 0;
  size_t const rank = std::min(values.size() - 1, size_t(std::ceil(share * double(values.size()))) - (share > 0));
  std::nth_element(values.begin(), values.begin() + long(rank), values.end());
  return double(values[rank]);
}

using Clock = std::chrono::steady_clock;

namespace {

// `each`: the recall of every query that was asked.
void sum_up(std::vector<double>& each, Recall& recall) {
  recall.queries = uint32_t(each.size());
  recall.mean /= double(each.size());
  std::sort(each.begin(), each.end());
  size_t const decile = std::max<size_t>(1, each.size() / 10);
  for (size_t i = 0; i < decile; ++i) recall.lowest_decile += each[i] / double(decile);
}

}  // namespace

Recall measure_recall(Session& session, RecallJudge const& judge, uint32_t query_count, double seconds) {
  Recall recall;
  std::vector<double> each;
  std::vector<int64_t> ids;
  Clock::time_point const end = Clock::now() + std::chrono::nanoseconds(int64_t(seconds * 1e9));
  for (uint32_t query = 0; query < query_count && (query < 100 || Clock::now() < end); ++query) {
    check_interrupted();
    session.search(query, &ids);
    each.push_back(judge.recall(query, ids));
    recall.mean += each.back();
    recall.short_answers += ids.size() < judge.k();
  }
  sum_up(each, recall);
  return recall;
}

Recall measure_pass(Session& session, RecallJudge const& judge, uint32_t query_count, Speed* speed) {
  Recall recall;
  std::vector<double> each;
  std::vector<uint64_t> latencies;
  std::vector<int64_t> ids;
  uint64_t spent = 0;
  int64_t const cpu_before = session.cpu_ns();
  for (uint32_t query = 0; query < query_count; ++query) {
    check_interrupted();
    Clock::time_point const start = Clock::now();
    session.search(query, &ids);
    latencies.push_back(uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count()));
    spent += latencies.back();
    each.push_back(judge.recall(query, ids));
    recall.mean += each.back();
    recall.short_answers += ids.size() < judge.k();
  }
  int64_t const cpu_after = session.cpu_ns();
  sum_up(each, recall);
  *speed = Speed{};
  speed->queries = query_count;
  speed->queries_per_second = double(query_count) * 1e9 / double(std::max<uint64_t>(spent, 1));
  speed->p50_us = percentile(latencies, 0.50) / 1e3;
  speed->p95_us = percentile(latencies, 0.95) / 1e3;
  speed->p99_us = percentile(latencies, 0.99) / 1e3;
  if (cpu_before >= 0 && cpu_after >= 0) speed->cpu_us_per_query = double(cpu_after - cpu_before) / 1e3 / query_count;
  return recall;
}

namespace {

struct Client {
  std::vector<uint64_t> latencies_ns;
  int64_t cpu_ns = -1;
  double seconds = 0;
};

void run_client(Session& session, Client& client, uint32_t first_query, uint32_t query_count, double seconds,
                std::atomic<bool> const& failed) {
  std::vector<int64_t> ids;
  int64_t const cpu_before = session.cpu_ns();
  Clock::time_point const start = Clock::now();
  Clock::time_point const end = start + std::chrono::nanoseconds(int64_t(seconds * 1e9));
  Clock::time_point last = start;
  for (uint32_t query = first_query; last < end && !failed && !interrupted; query = (query + 1) % query_count) {
    session.search(query, &ids);
    Clock::time_point const now = Clock::now();
    client.latencies_ns.push_back(uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(now - last).count()));
    last = now;
  }
  client.seconds = std::chrono::duration<double>(last - start).count();
  int64_t const cpu_after = session.cpu_ns();
  if (cpu_before >= 0 && cpu_after >= 0) client.cpu_ns = cpu_after - cpu_before;
}

Speed summarize(std::vector<Client>& clients) {
  Speed speed;
  std::vector<uint64_t> latencies;
  int64_t cpu_ns = 0;
  bool cpu_known = true;
  for (Client& client : clients) {
    if (client.seconds > 0) speed.queries_per_second += double(client.latencies_ns.size()) / client.seconds;
    latencies.insert(latencies.end(), client.latencies_ns.begin(), client.latencies_ns.end());
    cpu_known = cpu_known && client.cpu_ns >= 0;
    cpu_ns += client.cpu_ns;
  }
  speed.queries = latencies.size();
  speed.p50_us = percentile(latencies, 0.50) / 1e3;
  speed.p95_us = percentile(latencies, 0.95) / 1e3;
  speed.p99_us = percentile(latencies, 0.99) / 1e3;
  if (cpu_known && speed.queries > 0) speed.cpu_us_per_query = double(cpu_ns) / 1e3 / double(speed.queries);
  return speed;
}

}  // namespace

Speed measure_speed(OpenSession const& open, uint32_t clients, double seconds, uint32_t query_count) {
  std::vector<Client> results(clients);
  std::atomic<bool> failed = false;
  std::exception_ptr error;
  std::mutex error_lock;
  std::barrier<> ready{long(clients)};
  std::vector<std::thread> threads;
  for (uint32_t c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      std::unique_ptr<Session> session;
      auto remember = [&] {
        std::lock_guard guard(error_lock);
        if (!error) error = std::current_exception();
        failed = true;
      };
      try {
        session = open();
        std::vector<int64_t> ids;  // the first queries of a session plan and fill its caches
        for (uint32_t i = 0; i < 10; ++i) session->search((c * 37 + i) % query_count, &ids);
      } catch (...) {
        remember();
      }
      ready.arrive_and_wait();
      if (failed) return;
      try {
        run_client(*session, results[c], uint32_t(uint64_t(c) * query_count / clients), query_count, seconds, failed);
      } catch (...) {
        remember();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
  check_interrupted();
  return summarize(results);
}

Speed measure_speed_median(OpenSession const& open, uint32_t clients, double seconds, uint32_t query_count,
                           uint32_t rounds) {
  std::vector<Speed> speeds;
  for (uint32_t round = 0; round < std::max(1U, rounds); ++round) {
    speeds.push_back(measure_speed(open, clients, seconds, query_count));
  }
  std::sort(speeds.begin(), speeds.end(),
            [](Speed const& a, Speed const& b) { return a.queries_per_second < b.queries_per_second; });
  return speeds[speeds.size() / 2];
}

}  // namespace strata::bench
