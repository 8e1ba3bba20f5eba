// The machine-readable forms of the report.
#include <cmath>
#include <cstdio>

#include "macro/failure.hpp"
#include "macro/report.hpp"

namespace strata::bench {
namespace {

std::string json_string(std::string const& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", unsigned(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Negative stands for unknown throughout the results.
std::string json_number(double value) {
  if (!std::isfinite(value) || value < 0) return "null";
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

// One JSON object, member by member.
class JsonObject {
 public:
  JsonObject& text(char const* name, std::string const& value) { return raw(name, json_string(value)); }
  JsonObject& number(char const* name, double value) { return raw(name, json_number(value)); }
  JsonObject& raw(std::string const& name, std::string const& value) {
    members_ += (members_.empty() ? "" : ", ") + json_string(name) + ": " + value;
    return *this;
  }
  std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

template <class List, class Write>
std::string json_list(List const& list, Write write) {
  std::string text = "[";
  for (auto const& entry : list) text += (text.size() > 1 ? ",\n    " : "\n    ") + write(entry);
  return text + "]";
}

std::string json_point(SearchPoint const& point) {
  JsonObject setting;
  for (auto const& [name, value] : point.setting) setting.raw(name, json_string(value));
  return JsonObject()
      .raw("setting", setting.str())
      .number("k", point.k)
      .number("filter_share", point.share)
      .number("clients", point.clients)
      .number("recall", point.recall.mean)
      .number("recall_worst_tenth", point.recall.lowest_decile)
      .number("recall_queries", point.recall.queries)
      .number("short_answers", double(point.recall.short_answers))
      .number("queries_per_second", point.speed.queries_per_second)
      .number("p50_us", point.speed.p50_us)
      .number("p95_us", point.speed.p95_us)
      .number("p99_us", point.speed.p99_us)
      .number("cpu_us_per_query", point.speed.cpu_us_per_query)
      .number("queries", double(point.speed.queries))
      .raw("uses_index", point.uses_index ? "true" : "false")
      .str();
}

std::string json_restart(RestartResult const& point) {
  return JsonObject()
      .text("how", point.how)
      .number("k", point.k)
      .number("recall", point.recall.mean)
      .number("queries_per_second", point.speed.queries_per_second)
      .number("p50_us", point.speed.p50_us)
      .number("p95_us", point.speed.p95_us)
      .number("p99_us", point.speed.p99_us)
      .number("cpu_us_per_query", point.speed.cpu_us_per_query)
      .number("index_blocks_read_per_query", point.index_blocks)
      .number("table_blocks_read_per_query", point.table_blocks)
      .str();
}

std::string json_write(WriteResult const& write) {
  return JsonObject()
      .text("how", write.how)
      .number("clients", write.clients)
      .number("rows", double(write.rows))
      .number("us_per_row", write.us_per_row)
      .number("us_per_row_without_index", write.plain_us_per_row)
      .str();
}

std::string json_vacuum(VacuumResult const& vacuum) {
  return JsonObject()
      .number("share", vacuum.share)
      .number("rows", double(vacuum.rows))
      .number("delete_seconds", vacuum.delete_seconds)
      .number("vacuum_seconds", vacuum.vacuum_seconds)
      .str();
}

std::string json_engine(EngineResult const& result) {
  return JsonObject()
      .text("name", result.name)
      .text("version", result.version)
      .text("definition", result.definition)
      .text("skipped", result.skipped)
      .text("failure", result.failure)
      .raw("notes", json_list(result.notes, json_string))
      .number("load_seconds", result.load_seconds)
      .number("build_seconds", result.build_seconds)
      .number("index_bytes", double(result.index_bytes))
      .number("raw_bytes", double(result.raw_bytes))
      .raw("points", json_list(result.points, json_point))
      .raw("restarts", json_list(result.restarts, json_restart))
      .raw("writes", json_list(result.writes, json_write))
      .raw("vacuums", json_list(result.vacuums, json_vacuum))
      .str();
}

}  // namespace

std::string json_report(Facts const& facts, std::vector<EngineResult> const& results) {
  JsonObject fact_object;
  for (auto const& [name, value] : facts) fact_object.raw(name, json_string(value));
  return "{\"facts\": " + fact_object.str() + ",\n \"engines\": " + json_list(results, json_engine) + "}\n";
}

std::string csv_report(std::vector<EngineResult> const& results) {
  std::string text =
      "engine,version,setting,k,filter_share,clients,recall,recall_worst_tenth,queries_per_second,p50_us,p95_us,p99_us,"
      "cpu_us_per_query,uses_index\n";
  for (EngineResult const& result : results) {
    for (SearchPoint const& point : result.points) {
      char numbers[256];
      std::snprintf(numbers, sizeof numbers, ",%u,%g,%u,%.5f,%.5f,%.2f,%.1f,%.1f,%.1f,%.1f,%d\n", point.k, point.share,
                    point.clients, point.recall.mean, point.recall.lowest_decile, point.speed.queries_per_second,
                    point.speed.p50_us, point.speed.p95_us, point.speed.p99_us, point.speed.cpu_us_per_query,
                    int(point.uses_index));
      text += result.name + "," + result.version + "," + setting_label(point.setting) + numbers;
    }
  }
  return text;
}

}  // namespace strata::bench
