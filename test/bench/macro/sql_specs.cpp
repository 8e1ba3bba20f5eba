// The access methods the program knows.
#include <algorithm>
#include <cmath>

#include "macro/failure.hpp"
#include "macro/sql_engine.hpp"

namespace strata::bench {
namespace {

std::vector<std::string> powers_of_two(uint64_t last) {
  std::vector<std::string> values;
  for (uint64_t value = 1; value < last; value *= 2) values.push_back(std::to_string(value));
  values.push_back(std::to_string(last));
  return values;
}

}  // namespace

SqlEngineSpec strata_spec(uint64_t rows) {
  SqlEngineSpec spec{"strata", "strata", "ivf", "", {}, true, {}};
  spec.sweeps.push_back({"strata", "strata.recall_target", {"0.8", "0.9", "0.95", "0.98", "0.99", "0.995", "0.999"}});
  uint64_t const lists = std::max<uint64_t>(1, uint64_t(4 * std::sqrt(double(rows))));
  spec.sweeps.push_back({"strata", "strata.probes", powers_of_two(lists)});
  return spec;
}

// pgvector's documentation: rows / 1000 lists up to a million rows, sqrt(rows) above; the larger of both is the better
// for it below.
SqlEngineSpec pgvector_ivfflat_spec(uint64_t rows) {
  double const root = std::sqrt(double(rows));
  uint64_t const lists = std::clamp<uint64_t>(uint64_t(std::lround(std::max(double(rows) / 1000.0, root))), 1, 32768);
  SqlEngineSpec spec{"pgvector-ivfflat",
                     "vector",
                     "ivfflat",
                     concat("lists = ", lists),
                     {},
                     false,
                     {{"ivfflat.iterative_scan", "relaxed_order"}}};
  spec.sweeps.push_back({"pgvector-ivfflat", "ivfflat.probes", powers_of_two(lists)});
  return spec;
}

SqlEngineSpec pgvector_hnsw_spec(uint64_t) {
  SqlEngineSpec spec{"pgvector-hnsw",
                     "vector",
                     "hnsw",
                     "m = 16, ef_construction = 64",
                     {},
                     false,
                     {{"hnsw.iterative_scan", "strict_order"}}};
  spec.sweeps.push_back({"pgvector-hnsw",
                         "hnsw.ef_search",
                         {"10", "20", "40", "60", "100", "150", "200", "300", "400", "600", "800", "1000"}});
  return spec;
}

}  // namespace strata::bench
