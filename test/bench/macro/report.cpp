#include "macro/report.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <thread>

#include "macro/failure.hpp"
#include "macro/frontier.hpp"
#include "macro/progress.hpp"
#include "macro/text_table.hpp"

namespace strata::bench {

std::string setting_label(NamedValues const& values) {
  std::string label;
  for (auto const& [name, value] : values) label += (label.empty() ? "" : " ") + name + "=" + value;
  return label.empty() ? "defaults" : label;
}

void progress_point(std::string const& engine, SearchPoint const& point) {
  std::string const filter = point.share == 1.0 ? "" : concat(" filter ", point.share);
  progress(engine, ": k=", point.k, filter, " ", setting_label(point.setting), ", ", point.clients, " clients: recall ",
           format_number(point.recall.mean, 4), ", ", format_short(point.speed.queries_per_second), " q/s, cpu ",
           format_short(point.speed.cpu_us_per_query), " us");
}

static std::string first_match(std::string const& path, std::string const& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    size_t const colon = line.find(':');
    if (colon != std::string::npos) return line.substr(std::min(line.size(), colon + 2));
  }
  return "";
}

Facts machine_facts() {
  Facts facts;
  utsname system;
  ::uname(&system);
  double const memory_gb = double(::sysconf(_SC_PHYS_PAGES)) * double(::sysconf(_SC_PAGESIZE)) / double(1 << 30);
  std::string const model = first_match("/proc/cpuinfo", "model name");
  facts.emplace_back("machine",
                     concat(std::thread::hardware_concurrency(), " x ", model.empty() ? system.machine : model.c_str(),
                            ", ", format_number(memory_gb, 1), " GB, ", system.sysname, " ", system.release));
  std::ifstream load_file("/proc/loadavg");
  std::string load;
  std::getline(load_file, load);
  facts.emplace_back("load before", load);
  return facts;
}

namespace {

// The points that belong into one table: the same question, asked by as many clients.
struct Question {
  uint32_t k;
  double share;
  uint32_t clients;
  bool operator==(Question const&) const = default;
};

Question question_of(SearchPoint const& point) {
  return {point.k, point.share, point.clients};
}

std::vector<Question> questions_of(EngineResult const& result) {
  std::vector<Question> questions;
  for (SearchPoint const& point : result.points) {
    if (std::find(questions.begin(), questions.end(), question_of(point)) == questions.end()) {
      questions.push_back(question_of(point));
    }
  }
  return questions;
}

std::string filter_label(double share) {
  return share == 1.0 ? "none" : format_short(share * 100) + " %";
}

std::string search_table(EngineResult const& result, Question const& question) {
  TextTable table({"setting", "recall", "worst 10%", "q/s", "p50 us", "p95 us", "p99 us", "cpu us/q"});
  bool without_index = false;
  for (SearchPoint const& point : result.points) {
    if (question_of(point) != question) continue;
    without_index = without_index || !point.uses_index;
    std::string label = setting_label(point.setting);
    if (!point.uses_index) label += " *";
    if (point.recall.short_answers > 0) label += concat(" (", point.recall.short_answers, " short)");
    table.add({label, format_number(point.recall.mean, 4), format_number(point.recall.lowest_decile, 4),
               format_short(point.speed.queries_per_second), format_number(point.speed.p50_us, 0),
               format_number(point.speed.p95_us, 0), format_number(point.speed.p99_us, 0),
               format_number(point.speed.cpu_us_per_query, 0)});
  }
  std::string const filter = question.share == 1.0 ? "" : ", filter passes " + filter_label(question.share);
  return concat("k = ", question.k, ", clients = ", question.clients, filter, "\n", table.str(),
                without_index ? "* the plan did not use the index\n" : "", "\n");
}

}  // namespace

std::string engine_tables(EngineResult const& result) {
  std::string text = "== " + result.name + (result.version.empty() ? "" : " " + result.version) + "\n";
  if (!result.skipped.empty()) return text + "not measured: " + result.skipped + "\n\n";
  if (!result.failure.empty()) text += "FAILED: " + result.failure + "\n";
  if (result.definition.empty()) return text + "\n";
  text += result.definition + "\n";
  if (result.load_seconds >= 0) text += concat("load ", format_short(result.load_seconds), " s, ");
  text += result.build_seconds >= 0 ? concat("build ", format_short(result.build_seconds), " s")
                                    : std::string("index created before the load");
  text += concat(", index ", format_bytes(double(result.index_bytes)), " = ",
                 format_short(double(result.index_bytes) / double(result.raw_bytes)), " of the raw vectors\n");
  for (std::string const& note : result.notes) text += "note: " + note + "\n";
  text += "\n";
  for (Question const& question : questions_of(result)) text += search_table(result, question);
  if (!result.restarts.empty()) {
    TextTable table({"after a restart", "k", "recall", "q/s", "p50 us", "p95 us", "p99 us", "cpu us/q",
                     "index blocks read/q", "table blocks read/q"});
    for (RestartResult const& point : result.restarts) {
      table.add({point.how, std::to_string(point.k), format_number(point.recall.mean, 4),
                 format_short(point.speed.queries_per_second), format_number(point.speed.p50_us, 0),
                 format_number(point.speed.p95_us, 0), format_number(point.speed.p99_us, 0),
                 format_number(point.speed.cpu_us_per_query, 0), format_short(point.index_blocks),
                 format_short(point.table_blocks)});
    }
    text += table.str() + "\n";
  }
  if (!result.writes.empty()) {
    TextTable table({"insert", "clients", "rows", "us/row", "without index", "ratio"});
    for (WriteResult const& write : result.writes) {
      table.add({write.how, std::to_string(write.clients), std::to_string(write.rows), format_short(write.us_per_row),
                 format_short(write.plain_us_per_row), format_short(write.us_per_row / write.plain_us_per_row)});
    }
    text += table.str() + "\n";
  }
  if (!result.vacuums.empty()) {
    TextTable table({"deleted", "rows", "DELETE s", "VACUUM s"});
    for (VacuumResult const& vacuum : result.vacuums) {
      table.add({format_short(vacuum.share * 100) + " %", std::to_string(vacuum.rows),
                 format_number(vacuum.delete_seconds, 3), format_number(vacuum.vacuum_seconds, 3)});
    }
    text += table.str() + "\n";
  }
  return text;
}

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double compared_recalls[] = {0.90, 0.95, 0.99};

double rate_of(EngineResult const& result, Question const& question, double recall, bool by_cpu) {
  std::vector<Sample> samples;
  for (SearchPoint const& point : result.points) {
    if (question_of(point) != question || !point.uses_index) continue;
    double const rate = by_cpu ? 1e6 / point.speed.cpu_us_per_query : point.speed.queries_per_second;
    if (rate > 0) samples.push_back({point.recall.mean, rate});
  }
  return rate_at_recall(std::move(samples), recall).value_or(nan);
}

void add_search_ratios(TextTable& table, EngineResult const& ours, EngineResult const& other,
                       Question const& question) {
  for (double recall : compared_recalls) {
    double const our_rate = rate_of(ours, question, recall, false), rate = rate_of(other, question, recall, false);
    double const our_cpu = rate_of(ours, question, recall, true), cpu = rate_of(other, question, recall, true);
    table.add({other.name, std::to_string(question.k), filter_label(question.share), std::to_string(question.clients),
               format_number(recall, 2), format_short(our_rate), format_short(rate), format_short(our_rate / rate),
               format_short(1e6 / our_cpu), format_short(1e6 / cpu), format_short(our_cpu / cpu)});
  }
}

void add_ratio(TextTable& table, std::string const& what, std::string const& other, double ours, double theirs) {
  table.add({what, other, format_short(ours), format_short(theirs), format_short(theirs / ours)});
}

void add_cost_ratios(TextTable& table, EngineResult const& ours, EngineResult const& other) {
  if (ours.build_seconds >= 0 && other.build_seconds >= 0) {
    add_ratio(table, "build, s", other.name, ours.build_seconds, other.build_seconds);
  }
  add_ratio(table, "index size / raw", other.name, double(ours.index_bytes) / double(ours.raw_bytes),
            double(other.index_bytes) / double(other.raw_bytes));
  for (WriteResult const& ours_write : ours.writes) {
    for (WriteResult const& write : other.writes) {
      if (write.how != ours_write.how || write.clients != ours_write.clients) continue;
      add_ratio(table, concat(write.how, " insert, ", write.clients, " clients, us/row"), other.name,
                ours_write.us_per_row, write.us_per_row);
    }
  }
  for (size_t i = 0; i < std::min(ours.vacuums.size(), other.vacuums.size()); ++i) {
    add_ratio(table, concat("VACUUM after ", format_short(ours.vacuums[i].share * 100), " % deleted, s"), other.name,
              ours.vacuums[i].vacuum_seconds, other.vacuums[i].vacuum_seconds);
  }
}

}  // namespace

std::string ratio_tables(std::vector<EngineResult> const& results) {
  std::vector<EngineResult const*> measured;
  for (EngineResult const& result : results) {
    if (!result.points.empty()) measured.push_back(&result);
  }
  if (measured.size() < 2) return "";
  EngineResult const& ours = *measured.front();
  TextTable searches({"against", "k", "filter", "clients", "recall", ours.name + " q/s", "its q/s", "ratio", "cpu us",
                      "its cpu us", "cpu ratio"});
  TextTable costs({"cost", "against", ours.name, "its", "ratio"});
  for (size_t i = 1; i < measured.size(); ++i) {
    std::vector<Question> const theirs = questions_of(*measured[i]);
    for (Question const& question : questions_of(ours)) {
      bool const shared = std::find(theirs.begin(), theirs.end(), question) != theirs.end();
      if (shared) add_search_ratios(searches, ours, *measured[i], question);
    }
    add_cost_ratios(costs, ours, *measured[i]);
  }
  return concat("== ", ours.name,
                " against the others: ratios above 1 are in its favour, \"-\": recall not reached\n\n", searches.str(),
                "\n", costs.str(), "\n");
}

}  // namespace strata::bench
