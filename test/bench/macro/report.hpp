// The results as tables, JSON and CSV.
#pragma once
#include <string>
#include <vector>

#include "macro/options.hpp"
#include "macro/results.hpp"

namespace strata::bench {

// The circumstances of the run, in print order.
using Facts = std::vector<std::pair<std::string, std::string>>;

Facts machine_facts();

std::string engine_tables(EngineResult const& result);

// strata : every other engine at recall 0.90, 0.95 and 0.99, and for building, size, inserts and VACUUM. Ratios above 1
// are in favour of strata. Without strata, the first engine measured takes its place.
std::string ratio_tables(std::vector<EngineResult> const& results);

std::string json_report(Facts const& facts, std::vector<EngineResult> const& results);
std::string csv_report(std::vector<EngineResult> const& results);

}  // namespace strata::bench
