#include <algorithm>
#include <charconv>
#include <functional>

#include "macro/failure.hpp"
#include "soak/soak.hpp"

namespace strata::bench {
namespace {

double parse_number(std::string const& option, std::string const& text, double lowest, double highest) {
  double number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= lowest && number <= highest)) {
    throw Failure(option, " needs a number from ", lowest, " to ", highest, ", not \"", text, "\"");
  }
  return number;
}

struct OptionSpec {
  char const* name;
  char const* value;
  char const* help;
  std::function<void(SoakOptions&, std::string const&)> apply;
};

template <class Field>
OptionSpec number_option(char const* name, char const* value, char const* help, Field SoakOptions::*field,
                         double lowest, double highest) {
  return {name, value, help, [=](SoakOptions& options, std::string const& text) {
            options.*field = Field(parse_number(name, text, lowest, highest));
          }};
}

std::vector<std::string> parse_engines(std::string const& text) {
  std::vector<std::string> const known = SoakOptions().engines;
  std::vector<std::string> engines;
  for (size_t at = 0; at <= text.size();) {
    size_t const end = std::min(text.find(',', at), text.size());
    std::string const name = text.substr(at, end - at);
    if (std::find(known.begin(), known.end(), name) == known.end()) throw Failure("unknown engine \"", name, "\"");
    engines.push_back(name);
    at = end + 1;
  }
  return engines;
}

std::vector<OptionSpec> const& option_table() {
  using O = SoakOptions;
  static std::vector<OptionSpec> const table = {
      number_option("--rows", "N", "rows loaded first; about as many stay (1000000)", &O::rows, 1000, 1e9),
      number_option("--dim", "D", "dimensions (128)", &O::dim, 2, 16000),
      number_option("--minutes", "M", "of churn, for each engine (30)", &O::minutes, 0.05, 1e6),
      number_option("--slice", "S",
                    "engines take turns of S seconds, and --minutes is for all together; 0: one after the other (0)",
                    &O::slice_seconds, 0, 3600),
      {"--engines", "LIST", "of strata, pgvector-ivfflat, pgvector-hnsw (all)",
       [](O& o, std::string const& v) { o.engines = parse_engines(v); }},
      number_option("--clients", "N", "sessions that search (1)", &O::clients, 0, 1000),
      number_option("--writers", "N", "sessions that write (1)", &O::writers, 0, 1000),
      number_option("--rate", "R", "rows written a second, all writers; 0: as many as possible (500)", &O::rate, 0,
                    1e9),
      number_option("--batch", "N", "rows written a transaction (10)", &O::batch, 1, 100000),
      number_option("--k", "K", "rows a search (10)", &O::k, 1, 1000),
      number_option("--recall", "R", "that pgvector's setting is chosen for (0.95)", &O::recall, 0, 1),
      number_option("--interval", "S", "seconds between two lines (60)", &O::interval_seconds, 0.1, 1e6),
      number_option("--recall-queries", "N", "of each check against exact search (100)", &O::recall_queries, 1, 100000),
      number_option("--drift", "X", "how far the distribution travels: 0 stays, 1 is another one in the end (1)",
                    &O::drift, 0, 1),
      number_option("--vacuum", "X", "VACUUM when this share of the rows has died (0.05)", &O::vacuum_share, 1e-6, 1e6),
      number_option("--settle", "S", "seconds of rest before the comparison with a fresh index (30)",
                    &O::settle_seconds, 0, 86400),
      {"--index", "WHEN", "created after (default) or before the load, on the empty table",
       [](O& o, std::string const& v) {
         if (v != "before" && v != "after") throw Failure("--index needs before or after");
         o.index_before_load = v == "before";
       }},
      {"--reindex", "WHETHER", "yes (default): compare with a fresh index in the end; no: with the raw vectors only",
       [](O& o, std::string const& v) {
         if (v != "yes" && v != "no") throw Failure("--reindex needs yes or no");
         o.compares_with_fresh = v == "yes";
       }},
      number_option("--seed", "N", "of rows and queries (1)", &O::seed, 0, 1e15),
      {"--csv", "FILE", "write the lines there, too", [](O& o, std::string const& v) { o.csv_path = v; }},
      {"--dsn", "TEXT", "use this server (databases strata_soak_* are made and dropped there)",
       [](O& o, std::string const& v) { o.dsn = v; }},
      {"--pg-config", "FILE", "of the PostgreSQL to start a private cluster of (pg_config)",
       [](O& o, std::string const& v) { o.server.pg_config = v; }},
      {"--workdir", "DIR", "where the private cluster's directory is made (TMPDIR or /tmp)",
       [](O& o, std::string const& v) { o.server.workdir = v; }},
      {"--server-user", "NAME", "account of the private server when started as root (postgres)",
       [](O& o, std::string const& v) { o.server.os_user = v; }},
      {"--shared-buffers", "MB", "of the private server (a sixth of memory, at most 4 GB)",
       [](O& o, std::string const& v) {
         o.server.shared_buffers_mb = uint64_t(parse_number("--shared-buffers", v, 1, 1e7));
       }},
      {"--server", "NAME=VALUE", "further setting of the private server; may be repeated",
       [](O& o, std::string const& v) {
         size_t const at = v.find('=');
         if (at == 0 || at == std::string::npos) throw Failure("--server needs the form name=value");
         o.server.settings.emplace_back(v.substr(0, at), v.substr(at + 1));
       }},
  };
  return table;
}

}  // namespace

std::string soak_usage() {
  std::string text = "usage: churn [options]\n\n";
  for (OptionSpec const& spec : option_table()) {
    std::string line = concat("  ", spec.name, " ", spec.value);
    line.resize(std::max<size_t>(line.size() + 2, 24), ' ');
    text += line + spec.help + "\n";
  }
  return text;
}

SoakOptions parse_soak_options(int argc, char** argv) {
  SoakOptions options;
  for (int i = 0; i < argc; ++i) options.command_line += (i > 0 ? " " : "") + std::string(argv[i]);
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i], value;
    size_t const equals = name.find('=');
    bool const is_joined = equals != std::string::npos;
    if (is_joined) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    auto const& table = option_table();
    auto const spec = std::find_if(table.begin(), table.end(), [&](auto const& s) { return name == s.name; });
    if (spec == table.end()) throw Failure("unknown option \"", name, "\" (--help shows all)");
    if (!is_joined) {
      if (i + 1 == argc) throw Failure(name, " needs a value");
      value = argv[++i];
    }
    spec->apply(options, value);
  }
  return options;
}

}  // namespace strata::bench
