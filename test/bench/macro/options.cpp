#include "macro/options.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "macro/failure.hpp"

namespace strata::bench {
namespace {

std::vector<std::string> split(std::string const& text, char separator) {
  std::vector<std::string> parts;
  size_t at = 0;
  for (;;) {
    size_t const next = text.find(separator, at);
    parts.push_back(text.substr(at, next == std::string::npos ? next : next - at));
    if (next == std::string::npos) return parts;
    at = next + 1;
  }
}

template <class Number>
Number parse_number(std::string const& option, std::string const& text, Number lowest, Number highest) {
  Number number{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= lowest && number <= highest)) {
    throw Failure(option, " needs a number from ", lowest, " to ", highest, ", not \"", text, "\"");
  }
  return number;
}

template <class Number>
std::vector<Number> parse_numbers(std::string const& option, std::string const& text, Number lowest, Number highest) {
  std::vector<Number> numbers;
  for (std::string const& part : split(text, ','))
    numbers.push_back(parse_number<Number>(option, part, lowest, highest));
  return numbers;
}

uint64_t parse_megabytes(std::string const& option, std::string text) {
  uint64_t scale = 1;
  if (text.ends_with("GB")) scale = 1024;
  if (text.ends_with("GB") || text.ends_with("MB")) text.resize(text.size() - 2);
  return scale * parse_number<uint64_t>(option, text, 1, 1 << 24);
}

// "name<separator>value"
std::pair<std::string, std::string> parse_pair(std::string const& option, std::string const& text, char separator) {
  size_t const at = text.find(separator);
  if (at == 0 || at == std::string::npos || at + 1 == text.size()) {
    throw Failure(option, " needs the form name", separator, "value, not \"", text, "\"");
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

Sweep parse_sweep(std::string const& text) {
  auto const [engine, rest] = parse_pair("--sweep", text, ':');
  auto const [setting, values] = parse_pair("--sweep", rest, '=');
  return {engine, setting, split(values, ',')};
}

struct OptionSpec {
  char const* value;  // its placeholder in the usage text
  char const* help;
  std::function<void(Options&, std::string const&)> apply;
};

using OptionTable = std::vector<std::pair<std::string, OptionSpec>>;

void add_data_options(OptionTable& table) {
  table.push_back({"--base",
                   {"FILE", "vectors to load: fvecs, bvecs, npy, u8, i8, f16, f32, f64, also with .xz",
                    [](Options& o, std::string const& v) { o.base_path = v; }}});
  table.push_back({"--query",
                   {"FILE", "query vectors, same formats and dimension",
                    [](Options& o, std::string const& v) { o.query_path = v; }}});
  table.push_back(
      {"--queries",
       {"N", "instead of --query: hold out the last N base rows; with it: use the first N",
        [](Options& o, std::string const& v) { o.query_limit = parse_number<uint64_t>("--queries", v, 1, 1000000); }}});
  table.push_back(
      {"--rows",
       {"N", "use only the first N base rows (with --generate: rows to make)", [](Options& o, std::string const& v) {
          o.read.row_limit = parse_number<uint64_t>("--rows", v, 1, 2000000000);
          o.generate_rows = o.read.row_limit;
        }}});
  table.push_back({"--dim", {"D", "dimension of raw files (of others: checked)", [](Options& o, std::string const& v) {
                               o.read.dim = parse_number<uint32_t>("--dim", v, 1, 65536);
                             }}});
  table.push_back({"--type",
                   {"TYPE", "format of the files when the name does not tell it",
                    [](Options& o, std::string const& v) { o.read.type = v; }}});
  table.push_back({"--truth",
                   {"FILE", "nearest rows of each query, raw int32 or ivecs; else computed exactly",
                    [](Options& o, std::string const& v) { o.truth_path = v; }}});
  table.push_back({"--cache", {"DIR", "keep computed ground truth there", [](Options& o, std::string const& v) {
                                 o.cache_dir = v;
                               }}});
  table.push_back({"--metric", {"M", "l2 (default), ip or cosine", [](Options& o, std::string const& v) {
                                  o.metric = parse_metric(v);
                                }}});
}

void add_search_options(OptionTable& table) {
  table.push_back({"--engines",
                   {"LIST", "of strata, pgvector-ivfflat, pgvector-hnsw, faiss-ivfpq, faiss-ivfflat",
                    [](Options& o, std::string const& v) {
                      std::vector<std::string> const known = Options().engines;
                      o.engines = split(v, ',');
                      for (std::string const& name : o.engines) {
                        if (std::find(known.begin(), known.end(), name) == known.end()) {
                          throw Failure("unknown engine \"", name, "\"");
                        }
                      }
                    }}});
  table.push_back({"--k", {"LIST", "rows per search (10)", [](Options& o, std::string const& v) {
                             o.k = parse_numbers<uint32_t>("--k", v, 1, 10000);
                           }}});
  table.push_back({"--clients", {"LIST", "numbers of clients (1)", [](Options& o, std::string const& v) {
                                   o.clients = parse_numbers<uint32_t>("--clients", v, 1, 1000);
                                 }}});
  table.push_back({"--seconds", {"S", "of each timed loop (5)", [](Options& o, std::string const& v) {
                                   o.seconds = parse_number<double>("--seconds", v, 0.01, 86400);
                                 }}});
  table.push_back(
      {"--rounds", {"N", "timed loops of each point; the median counts (1)", [](Options& o, std::string const& v) {
                      o.rounds = parse_number<uint32_t>("--rounds", v, 1, 100);
                    }}});
  table.push_back(
      {"--idle",
       {"HOW", "what processors without work do: sleep (default) or spin", [](Options& o, std::string const& v) {
          if (v != "sleep" && v != "spin") throw Failure("--idle needs sleep or spin, not \"", v, "\"");
          o.idle_spins = v == "spin";
        }}});
  table.push_back({"--recall-seconds",
                   {"S", "limit of a recall pass; a slow setting is judged on fewer queries (60)",
                    [](Options& o, std::string const& v) {
                      o.recall_seconds = parse_number<double>("--recall-seconds", v, 0.1, 86400);
                    }}});
  table.push_back(
      {"--stop-recall", {"R", "end a sweep once this recall is reached (0.999)", [](Options& o, std::string const& v) {
                           o.stop_recall = parse_number<double>("--stop-recall", v, 0.0, 1.1);
                         }}});
  table.push_back({"--filter",
                   {"LIST", "also search with filters that let these shares of the rows through (none)",
                    [](Options& o, std::string const& v) {
                      o.filter_shares = parse_numbers<double>("--filter", v, 1e-9, 0.999);
                    }}});
  table.push_back({"--filter-labels",
                   {"KIND", "of --filter: random (default), or region: the rows around a random one",
                    [](Options& o, std::string const& v) {
                      if (v != "random" && v != "region") throw Failure("--filter-labels is random or region");
                      o.filter_by_region = v == "region";
                    }}});
  table.push_back({"--sweep",
                   {"ENGINE:SETTING=V1,V2", "replaces the engine's own sweeps; may be repeated",
                    [](Options& o, std::string const& v) { o.sweeps.push_back(parse_sweep(v)); }}});
  table.push_back(
      {"--session",
       {"NAME=VALUE", "SET in every searching session; may be repeated",
        [](Options& o, std::string const& v) { o.session_settings.push_back(parse_pair("--session", v, '=')); }}});
}

void add_build_options(OptionTable& table) {
  table.push_back(
      {"--index",
       {"WHEN", "created after (default) or before the load, on the empty table", [](Options& o, std::string const& v) {
          if (v != "before" && v != "after") throw Failure("--index needs before or after");
          o.index_before_load = v == "before";
        }}});
  table.push_back(
      {"--with", {"ENGINE:OPTION=VALUE", "index option; may be repeated", [](Options& o, std::string const& v) {
                    auto const [engine, text] = parse_pair("--with", v, ':');
                    o.with.push_back({engine, text});
                  }}});
  table.push_back({"--after-build",
                   {"ENGINE:SQL", "run after load and build; the index is called items_v; repeatable",
                    [](Options& o, std::string const& v) {
                      auto const [engine, text] = parse_pair("--after-build", v, ':');
                      o.after_build.push_back({engine, text});
                    }}});
  table.push_back(
      {"--settle",
       {"S", "wait so long before searching, for work in the background (0)",
        [](Options& o, std::string const& v) { o.settle_seconds = parse_number<double>("--settle", v, 0.0, 86400); }}});
  table.push_back({"--column", {"TYPE", "vector (default) or halfvec", [](Options& o, std::string const& v) {
                                  if (v != "vector" && v != "halfvec") throw Failure("--column: vector or halfvec");
                                  o.column = v == "halfvec" ? Column::halfvec : Column::vector;
                                }}});
  table.push_back(
      {"--storage",
       {"S", "of the vector column: plain, external, extended or main", [](Options& o, std::string const& v) {
          if (v != "plain" && v != "external" && v != "extended" && v != "main") {
            throw Failure("--storage needs plain, external, extended or main");
          }
          o.storage = v;
        }}});
  table.push_back({"--faiss-lists",
                   {"N", "inverted lists of the FAISS indexes (2 sqrt(rows))", [](Options& o, std::string const& v) {
                      o.faiss_lists = parse_number<uint64_t>("--faiss-lists", v, 1, 10000000);
                    }}});
  table.push_back(
      {"--faiss-codes",
       {"M", "4-bit codes a row in faiss-ivfpq; must divide D (D / 2)", [](Options& o, std::string const& v) {
          o.faiss_codes = parse_number<uint64_t>("--faiss-codes", v, 1, 65536);
        }}});
}

void add_write_options(OptionTable& table) {
  table.push_back(
      {"--insert-rows", {"N", "rows of each insert test (2000); 0: none", [](Options& o, std::string const& v) {
                           o.insert_rows = parse_number<uint64_t>("--insert-rows", v, 0, 100000000);
                         }}});
  table.push_back(
      {"--insert-clients",
       {"LIST", "numbers of clients of COPY and single-row inserts (1)", [](Options& o, std::string const& v) {
          o.insert_clients = parse_numbers<uint32_t>("--insert-clients", v, 1, 1000);
        }}});
  table.push_back({"--insert-rounds",
                   {"N", "rounds of each insert test; the median counts (3)", [](Options& o, std::string const& v) {
                      o.insert_rounds = parse_number<uint32_t>("--insert-rounds", v, 1, 100);
                    }}});
  table.push_back({"--vacuum",
                   {"LIST", "shares of rows to delete, each followed by VACUUM (0.01); 0: none",
                    [](Options& o, std::string const& v) {
                      o.vacuum_shares = parse_numbers<double>("--vacuum", v, 0.0, 1.0);
                      std::erase(o.vacuum_shares, 0.0);
                    }}});
}

Restart parse_restart(std::string const& name) {
  if (name == "cold") return Restart::cold;
  if (name == "small") return Restart::small;
  throw Failure("--restart needs a list of cold and small, not \"", name, "\"");
}

void add_server_options(OptionTable& table) {
  table.push_back({"--restart",
                   {"LIST", "search again after a restart: cold (empty caches), small (shared_buffers = index / 10)",
                    [](Options& o, std::string const& v) {
                      for (std::string const& part : split(v, ',')) o.restarts.push_back(parse_restart(part));
                    }}});
  table.push_back({"--dsn",
                   {"TEXT", "use this server (databases strata_bench_* are made and dropped there)",
                    [](Options& o, std::string const& v) { o.dsn = v; }}});
  table.push_back({"--pg-config",
                   {"FILE", "of the PostgreSQL to start a private cluster of (pg_config)",
                    [](Options& o, std::string const& v) { o.server.pg_config = v; }}});
  table.push_back({"--workdir",
                   {"DIR", "where the private cluster's directory is made (TMPDIR or /tmp)",
                    [](Options& o, std::string const& v) { o.server.workdir = v; }}});
  table.push_back({"--server-user",
                   {"NAME", "account of the private server when started as root (postgres)",
                    [](Options& o, std::string const& v) { o.server.os_user = v; }}});
  table.push_back({"--shared-buffers",
                   {"SIZE", "of the private server, MB or GB (a sixth of memory, at most 4GB)",
                    [](Options& o, std::string const& v) {
                      o.server.shared_buffers_mb = parse_megabytes("--shared-buffers", v);
                    }}});
  table.push_back({"--maintenance-work-mem",
                   {"SIZE", "of the private server (a sixth of memory)", [](Options& o, std::string const& v) {
                      o.server.maintenance_work_mem_mb = parse_megabytes("--maintenance-work-mem", v);
                    }}});
  table.push_back(
      {"--server",
       {"NAME=VALUE", "further setting of the private server; may be repeated",
        [](Options& o, std::string const& v) { o.server.settings.push_back(parse_pair("--server", v, '=')); }}});
  table.push_back({"--out", {"DIR", "write results.json and results.csv there", [](Options& o, std::string const& v) {
                               o.out_dir = v;
                             }}});
  table.push_back({"--generate",
                   {"SHAPE", "make data instead: clustered, heavy-tail or uniform",
                    [](Options& o, std::string const& v) { o.generate_shape = v; }}});
  table.push_back({"--seed", {"N", "of --generate and of the inserted rows (1)", [](Options& o, std::string const& v) {
                                o.seed = parse_number<uint64_t>("--seed", v, 0, UINT64_MAX);
                              }}});
  table.push_back({"--output",
                   {"FILE", "of --generate: fvecs, bvecs, npy, u8, f16 or f32 by its ending",
                    [](Options& o, std::string const& v) { o.output_path = v; }}});
}

OptionTable const& option_table() {
  static OptionTable const table = [] {
    OptionTable made;
    add_data_options(made);
    add_search_options(made);
    add_build_options(made);
    add_write_options(made);
    add_server_options(made);
    return made;
  }();
  return table;
}

void check_whole(Options& options) {
  if (!options.generate_shape.empty()) {
    if (options.output_path.empty()) throw Failure("--generate needs --output FILE");
    return;
  }
  if (options.base_path.empty()) throw Failure("--base FILE is needed (--help shows all options)");
  if (options.query_path.empty()) {
    if (options.query_limit == 0) throw Failure("either --query FILE or --queries N is needed");
    options.held_out_queries = options.query_limit;
    options.query_limit = 0;
    if (!options.truth_path.empty()) throw Failure("--truth goes with --query, not with held-out rows");
  }
  if (!options.restarts.empty() && !options.dsn.empty()) throw Failure("--restart needs a private server, not --dsn");
  double sum = 0;
  for (double share : options.filter_shares) sum += share;
  if (sum > 1) throw Failure("the shares of --filter add up to more than 1");
  if (!options.truth_path.empty() && options.read.row_limit != 0) {
    throw Failure("--truth belongs to the whole base file; leave out --rows");
  }
}

}  // namespace

std::string usage() {
  std::string text =
      "usage: run --base FILE (--query FILE | --queries N) [options]\n"
      "       run --generate SHAPE --rows N --dim D --output FILE [--seed N]\n\n";
  for (auto const& [name, spec] : option_table()) {
    std::string line = "  " + name + " " + spec.value;
    line.resize(std::max<size_t>(line.size() + 2, 34), ' ');
    text += line + spec.help + "\n";
  }
  return text;
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 0; i < argc; ++i) options.command_line += (i > 0 ? " " : "") + std::string(argv[i]);
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i], value;
    size_t const equals = name.find('=');
    bool const joined = name.starts_with("--") && equals != std::string::npos;
    if (joined) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    auto const found = std::find_if(option_table().begin(), option_table().end(),
                                    [&](auto const& entry) { return entry.first == name; });
    if (found == option_table().end()) throw Failure("unknown option \"", name, "\" (--help shows all)");
    if (!joined) {
      if (i + 1 == argc) throw Failure(name, " needs a value");
      value = argv[++i];
    }
    found->second.apply(options, value);
  }
  check_whole(options);
  return options;
}

}  // namespace strata::bench
