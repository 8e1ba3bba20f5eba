#include "options.hpp"

#include <charconv>
#include <functional>
#include <map>

#include "failure.hpp"

namespace strata::client {

char const help_text[] = R"(strata-file: vectors from files into tables and back, over a connection

Usage:
  strata-file import FILE TABLE [OPTION]...
  strata-file export TABLE|QUERY FILE [OPTION]...

Formats: fvecs, bvecs, ivecs, npy, hdf5. Columns: vector, halfvec, real[], integer[].

Both:
  --format NAME         default: auto, by the first bytes or the ending of the name
  --dataset NAME        of an HDF5 file; default: train (others of benchmark files: test, neighbors, distances)
  --column NAME         which column, if there are several
  --quiet               no progress bar (there is none either when the output is no terminal)

Import:
  --id-column NAME      fill an integer column with the number of the row in the file ...
  --first-id N          ... plus this; default: 0
  --on-error WHAT       abort (default), or skip: leave out rows with NaN, infinity, or numbers that do not fit
  --dimensions N        what the file must have
  --skip-rows N         begin later
  --max-rows N          end earlier
  --resume              commit in batches, and go on where an earlier run of the same import ended: each row arrives
                        exactly once. Without it everything is one transaction
  --restart             with --resume: forget that earlier run
  --batch N             rows of a batch; default: 100000

Export:
  --overwrite           replace the file
  --append              add a dataset to an HDF5 file
  --distance NAME       the attribute "distance" of an HDF5 file: euclidean, angular, ...

Connection, as in psql; passwords come from ~/.pgpass, PGPASSWORD or the terminal:
  -h, --host HOST   -p, --port PORT   -U, --username NAME   -d, --dbname DBNAME or connection string
  -w, --no-password     never ask for a password

Examples:
  strata-file import sift_base.fvecs items --id-column id
  strata-file import embeddings.npy items --resume -d 'host=db.example.org dbname=app'
  strata-file import glove-100-angular.hdf5 queries --dataset test
  strata-file export items items.npy
  strata-file export 'SELECT embedding FROM items ORDER BY id' items.hdf5 --dataset train
  strata-file export 'SELECT ids FROM truth ORDER BY query' items.hdf5 --dataset neighbors --append

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
)";

namespace {

template <class Number>
Number parse_number(std::string const& name, std::string const& text, Number least) {
  Number number{};
  auto const result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || number < least) {
    throw UsageFailure(name, ": \"", text, "\" is not a number from ", least, " on");
  }
  return number;
}

using Setter = std::function<void(std::string const& name, std::string const& value)>;

std::map<std::string, Setter> setters_of(Options& options) {
  auto const text = [](std::string& target) { return [&target](auto const&, auto const& value) { target = value; }; };
  auto const count = [](auto& target, auto least) {
    return [&target, least](auto const& name, auto const& value) {
      target = parse_number<std::remove_reference_t<decltype(target)>>(name, value, least);
    };
  };
  return {
      {"--format", text(options.format)},
      {"--dataset", text(options.dataset)},
      {"--column", text(options.column)},
      {"--id-column", text(options.id_column)},
      {"--first-id", count(options.first_id, INT64_MIN)},
      {"--dimensions", count(options.dimensions, 1U)},
      {"--skip-rows", count(options.skip_rows, uint64_t{0})},
      {"--max-rows", count(options.max_rows, uint64_t{0})},
      {"--batch", count(options.batch_rows, uint64_t{1})},
      {"--distance", text(options.distance)},
      {"--host", text(options.host)},
      {"--port", text(options.port)},
      {"--username", text(options.user)},
      {"--dbname", text(options.database)},
      {"--on-error",
       [&options](auto const& name, auto const& value) {
         if (value != "skip" && value != "abort") throw UsageFailure(name, " is abort or skip");
         options.skip_bad_rows = value == "skip";
       }},
  };
}

std::map<std::string, bool*> flags_of(Options& options) {
  return {{"--resume", &options.resume}, {"--restart", &options.restart}, {"--overwrite", &options.overwrite},
          {"--append", &options.append}, {"--quiet", &options.quiet},     {"--no-password", &options.never_ask}};
}

std::string long_name(std::string const& name) {
  static std::map<std::string, std::string> const names = {
      {"-h", "--host"}, {"-p", "--port"}, {"-U", "--username"}, {"-d", "--dbname"}, {"-w", "--no-password"}};
  auto const found = names.find(name);
  return found == names.end() ? name : found->second;
}

void take_words(Options& options, std::vector<std::string> const& words) {
  if (words.empty()) throw UsageFailure("say import or export");
  if (words[0] != "import" && words[0] != "export") throw UsageFailure("unknown command \"", words[0], "\"");
  bool const is_import = words[0] == "import";
  if (words.size() != 3) throw UsageFailure(words[0], is_import ? " FILE TABLE" : " TABLE|QUERY FILE");
  options.command = is_import ? Command::import_rows : Command::export_rows;
  options.path = words[is_import ? 1 : 2];
  options.table = words[is_import ? 2 : 1];
}

}  // namespace

Options parse_options(std::vector<std::string> const& arguments) {
  Options options;
  auto const setters = setters_of(options);
  auto const flags = flags_of(options);
  std::vector<std::string> words;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name == "--help" || name == "-?") return options;
    if (name == "--version" || name == "-V") {
      options.command = Command::version;
      return options;
    }
    if (name.size() < 2 || name[0] != '-') {
      words.push_back(name);
      continue;
    }
    std::optional<std::string> value;
    if (size_t const equals = name.find('='); name.starts_with("--") && equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    name = long_name(name);
    if (auto const flag = flags.find(name); flag != flags.end() && !value) {
      *flag->second = true;
      continue;
    }
    auto const setter = setters.find(name);
    if (setter == setters.end()) throw UsageFailure("unknown option ", name);
    if (!value) {
      if (++i == arguments.size()) throw UsageFailure(name, " needs a value");
      value = arguments[i];
    }
    setter->second(name, *value);
  }
  take_words(options, words);
  if (options.restart && !options.resume) throw UsageFailure("--restart goes with --resume");
  return options;
}

}  // namespace strata::client
