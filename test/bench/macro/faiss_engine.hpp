// FAISS in this process, one thread a client, no server between: what plain memory reaches.
#pragma once
#include <string>

#include "macro/results.hpp"
#include "macro/sql_engine.hpp"

namespace strata::bench {

// "faiss-ivfpq": inverted lists, 4-bit product codes scanned by FAISS' fast scan, then exact distances of the best
//                k * factor rows. Sweeps nprobe for each factor.
// "faiss-ivfflat": inverted lists of the vectors themselves. Sweeps nprobe.
EngineResult run_faiss_engine(std::string const& name, Workbench const& bench);

}  // namespace strata::bench
