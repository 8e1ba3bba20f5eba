#include "recall/sets.hpp"

#include "macro/failure.hpp"
#include "macro/generate.hpp"

namespace strata::bench {

bool take_set_option(SetOptions& options, std::string const& name, std::string const& value) {
  if (name == "--base")
    options.base = value;
  else if (name == "--type")
    options.read.type = value;
  else if (name == "--dim")
    options.read.dim = uint32_t(std::stoul(value));
  else if (name == "--limit")
    options.read.row_limit = std::stoull(value);
  else if (name == "--query")
    options.query = value;
  else if (name == "--generate")
    options.shape = value;
  else if (name == "--metric")
    options.metric = value;
  else if (name == "--rows")
    options.rows = std::stoull(value);
  else if (name == "--queries")
    options.queries = std::stoull(value);
  else if (name == "--seed")
    options.seed = std::stoull(value);
  else
    return false;
  return true;
}

void check_set_options(SetOptions const& options, char const* usage) {
  if (options.base.empty() == options.shape.empty()) throw Failure("one of --base and --generate is needed\n", usage);
}

Sets load_sets(SetOptions const& options) {
  Sets sets;
  sets.base = options.base.empty()
                  ? generate(options.shape, options.rows + options.queries, options.read.dim, options.seed)
                  : read_vectors(options.base, options.read);
  if (options.query.empty()) {
    sets.queries = take_last_rows(sets.base, options.queries);
    return sets;
  }
  ReadOptions read = options.read;
  read.row_limit = 0;
  read.dim = sets.base.dim();
  sets.queries = read_vectors(options.query, read);
  return sets;
}

}  // namespace strata::bench
