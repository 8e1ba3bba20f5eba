// The rows and queries of programs that work in memory: read from files or made up, by the same options in all of them.
#pragma once
#include <string>

#include "macro/matrix.hpp"
#include "macro/readers.hpp"

namespace strata::bench {

struct SetOptions {
  std::string base, query, shape, metric = "l2";
  ReadOptions read;
  uint64_t rows = 100000, queries = 1000, seed = 1;
};

// Takes one option with its value; false when it is none of these.
bool take_set_option(SetOptions& options, std::string const& name, std::string const& value);

// Throws Failure unless the rows come from one place.
void check_set_options(SetOptions const& options, char const* usage);

struct Sets {
  Matrix base, queries;
};

// Without a file of queries these are the last rows, which are then not rows any more.
Sets load_sets(SetOptions const& options);

}  // namespace strata::bench
