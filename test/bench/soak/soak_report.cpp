// The lines of a soak, as text and as CSV.
#include <algorithm>

#include "macro/failure.hpp"
#include "macro/text_table.hpp"
#include "soak/soak.hpp"

namespace strata::bench {
namespace {

struct Figure {
  char const* name;
  int width;
  int decimals;
  double (*value)(SoakSample const&, double raw_bytes);
};

double milliseconds(double us) {
  return us < 0 ? -1 : us / 1e3;
}

// Raw bytes: the live rows' vectors, 4 bytes a component.
constexpr Figure figures[] = {
    {"minute", 7, 1, [](SoakSample const& s, double) { return s.minute; }},
    {"rows", 9, 0, [](SoakSample const& s, double) { return double(s.rows); }},
    {"writes/s", 9, 0, [](SoakSample const& s, double) { return s.writes_per_second; }},
    {"late %", 7, 1, [](SoakSample const& s, double) { return s.late_share * 100; }},
    {"queries/s", 10, 0, [](SoakSample const& s, double) { return s.queries_per_second; }},
    {"recall", 7, 3, [](SoakSample const& s, double) { return s.recall; }},
    {"p50 ms", 8, 2, [](SoakSample const& s, double) { return milliseconds(s.quiet.p50_us); }},
    {"p99 ms", 8, 2, [](SoakSample const& s, double) { return milliseconds(s.quiet.p99_us); }},
    {"p50 merge", 10, 2, [](SoakSample const& s, double) { return milliseconds(s.merging.p50_us); }},
    {"p99 merge", 10, 2, [](SoakSample const& s, double) { return milliseconds(s.merging.p99_us); }},
    {"p99 vacuum", 11, 2, [](SoakSample const& s, double) { return milliseconds(s.vacuuming.p99_us); }},
    {"merge %", 8, 0, [](SoakSample const& s, double) { return s.merging_share * 100; }},
    {"segments", 9, 0, [](SoakSample const& s, double) { return s.segments; }},
    {"growing", 8, 0, [](SoakSample const& s, double) { return s.growing_rows; }},
    {"index/raw", 10, 2, [](SoakSample const& s, double raw) { return s.index_bytes / raw; }},
    {"index/live", 11, 2,
     [](SoakSample const& s, double) { return s.live_bytes > 0 ? s.index_bytes / s.live_bytes : -1; }},
    {"WAL B/row", 10, 0, [](SoakSample const& s, double) { return s.wal_bytes_per_row; }},
    {"write amp", 10, 2, [](SoakSample const& s, double) { return s.write_amplification; }},
    {"vacuum s", 9, 1, [](SoakSample const& s, double) { return s.vacuum_seconds; }},
};

std::string right_aligned(std::string const& text, int width) {
  return std::string(size_t(std::max(0, width - int(text.size()))), ' ') + text;
}

double raw_bytes(SoakSample const& sample, uint32_t dim) {
  return std::max(1.0, double(sample.rows) * dim * 4);
}

template <class Pick>
double mean(std::vector<SoakSample> const& samples, Pick pick) {
  double sum = 0;
  uint32_t count = 0;
  for (SoakSample const& sample : samples) {
    double const value = pick(sample);
    if (value < 0) continue;
    sum += value;
    ++count;
  }
  return count ? sum / count : -1;
}

double lowest_recall(std::vector<SoakSample> const& samples) {
  double lowest = samples.empty() ? -1 : 1;
  for (SoakSample const& sample : samples) lowest = std::min(lowest, sample.recall);
  return lowest;
}

}  // namespace

std::string sample_header() {
  std::string line;
  for (Figure const& figure : figures) line += right_aligned(figure.name, figure.width);
  return line + "\n";
}

std::string sample_line(SoakSample const& sample, uint32_t dim) {
  std::string line;
  for (Figure const& figure : figures) {
    line += right_aligned(format_number(figure.value(sample, raw_bytes(sample, dim)), figure.decimals), figure.width);
  }
  return line + "\n";
}

std::string soak_summary(std::vector<SoakResult> const& results, uint32_t dim) {
  TextTable whole({"whole run", "setting", "writes/s", "late %", "queries/s", "recall", "lowest", "p50 ms", "p99 ms",
                   "p99 merge", "p99 vacuum", "WAL B/row", "s a VACUUM"});
  TextTable ends({"at the end", "recall", "fresh", "cpu us/q", "fresh", "codes/q", "fresh", "index/raw", "fresh",
                  "size ratio", "REINDEX s"});
  std::string notes;
  for (SoakResult const& result : results) {
    if (!result.skipped.empty()) notes += result.name + " left out: " + result.skipped + "\n";
    if (!result.failure.empty()) notes += result.name + " FAILED: " + result.failure + "\n";
    auto const& samples = result.samples;
    if (samples.empty()) continue;
    auto average = [&](auto pick) { return mean(samples, pick); };
    whole.add({result.name, result.setting, format_number(average([](auto& s) { return s.writes_per_second; }), 0),
               format_number(samples.back().late_share * 100, 1),
               format_number(average([](auto& s) { return s.queries_per_second; }), 0),
               format_number(average([](auto& s) { return s.recall; }), 3), format_number(lowest_recall(samples), 3),
               format_number(average([](auto& s) { return milliseconds(s.quiet.p50_us); }), 2),
               format_number(average([](auto& s) { return milliseconds(s.quiet.p99_us); }), 2),
               format_number(average([](auto& s) { return milliseconds(s.merging.p99_us); }), 2),
               format_number(average([](auto& s) { return milliseconds(s.vacuuming.p99_us); }), 2),
               format_number(average([](auto& s) { return s.wal_bytes_per_row; }), 0),
               format_number(result.vacuums ? result.vacuum_seconds / result.vacuums : -1, 1)});
    SoakEnd const &churned = result.churned, &fresh = result.fresh;
    if (churned.index_bytes < 0) continue;
    double const raw = raw_bytes(samples.back(), dim);
    ends.add({result.name, format_number(churned.recall, 3), format_number(fresh.recall, 3),
              format_number(churned.cpu_us_per_query, 0), format_number(fresh.cpu_us_per_query, 0),
              format_number(churned.codes_per_query, 0), format_number(fresh.codes_per_query, 0),
              format_number(churned.index_bytes / raw, 2), format_number(fresh.index_bytes / raw, 2),
              format_number(churned.index_bytes / fresh.index_bytes, 2), format_number(fresh.seconds, 1)});
  }
  return whole.str() + "\n" + ends.str() + notes;
}

std::string soak_csv(std::vector<SoakResult> const& results, uint32_t dim) {
  std::string text = "engine";
  for (Figure const& figure : figures) text += std::string(",") + figure.name;
  text += "\n";
  for (SoakResult const& result : results) {
    for (SoakSample const& sample : result.samples) {
      text += result.name;
      for (Figure const& figure : figures) {
        double const value = figure.value(sample, raw_bytes(sample, dim));
        text += "," + (value < 0 ? "" : format_number(value, 4));
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace strata::bench
