// The rate an engine reaches at a given recall, read off the points it was measured at.
#pragma once
#include <optional>
#include <vector>

namespace strata::bench {

struct Sample {
  double recall;
  double rate;  // > 0, larger is better
};

// Between the two points of the upper envelope that enclose the recall, interpolated in log(rate) over -log(1 -
// recall). The lowest point counts for every recall below it. Nothing when no point reaches the recall.
std::optional<double> rate_at_recall(std::vector<Sample> samples, double recall);

}  // namespace strata::bench
