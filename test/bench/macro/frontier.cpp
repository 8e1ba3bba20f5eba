#include "macro/frontier.hpp"

#include <algorithm>
#include <cmath>

namespace strata::bench {

std::optional<double> rate_at_recall(std::vector<Sample> samples, double recall) {
  std::sort(samples.begin(), samples.end(), [](Sample const& a, Sample const& b) {
    return a.recall != b.recall ? a.recall > b.recall : a.rate > b.rate;
  });
  std::vector<Sample> envelope;  // falling recall, rising rate
  for (Sample const& sample : samples) {
    if (envelope.empty() || sample.rate > envelope.back().rate) envelope.push_back(sample);
  }
  if (envelope.empty() || envelope.front().recall < recall) return std::nullopt;
  size_t below = 1;
  while (below < envelope.size() && envelope[below].recall >= recall) ++below;
  Sample const& upper = envelope[below - 1];
  if (below == envelope.size()) return upper.rate;
  Sample const& lower = envelope[below];
  auto position = [](double value) { return -std::log(1.0 - value + 1e-5); };
  double const share = (position(recall) - position(lower.recall)) / (position(upper.recall) - position(lower.recall));
  return std::exp(std::log(lower.rate) + share * (std::log(upper.rate) - std::log(lower.rate)));
}

}  // namespace strata::bench
