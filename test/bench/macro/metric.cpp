#include "macro/metric.hpp"

#include <cmath>
#include <limits>

#include "macro/failure.hpp"

namespace strata::bench {

Metric parse_metric(std::string const& name) {
  if (name == "l2") return Metric::l2;
  if (name == "ip") return Metric::ip;
  if (name == "cosine") return Metric::cosine;
  throw Failure("unknown metric \"", name, "\": l2, ip or cosine");
}

char const* metric_name(Metric metric) {
  switch (metric) {
    case Metric::l2:
      return "l2";
    case Metric::ip:
      return "ip";
    case Metric::cosine:
      return "cosine";
  }
  return "?";
}

double dot_product(float const* left, float const* right, uint32_t dim) {
  double sums[4] = {0, 0, 0, 0};
  uint32_t i = 0;
  for (; i + 4 <= dim; i += 4) {
    for (uint32_t lane = 0; lane < 4; ++lane) sums[lane] += double(left[i + lane]) * double(right[i + lane]);
  }
  for (; i < dim; ++i) sums[0] += double(left[i]) * double(right[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static double squared_difference(float const* left, float const* right, uint32_t dim) {
  double sums[4] = {0, 0, 0, 0};
  uint32_t i = 0;
  for (; i + 4 <= dim; i += 4) {
    for (uint32_t lane = 0; lane < 4; ++lane) {
      double const difference = double(left[i + lane]) - double(right[i + lane]);
      sums[lane] += difference * difference;
    }
  }
  for (; i < dim; ++i) sums[0] += (double(left[i]) - double(right[i])) * (double(left[i]) - double(right[i]));
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

double exact_distance(Metric metric, float const* left, float const* right, uint32_t dim) {
  if (metric == Metric::l2) return squared_difference(left, right, dim);
  double const product = dot_product(left, right, dim);
  if (metric == Metric::ip) return -product;
  double const lengths = std::sqrt(dot_product(left, left, dim)) * std::sqrt(dot_product(right, right, dim));
  return lengths > 0 ? 1.0 - product / lengths : std::numeric_limits<double>::quiet_NaN();
}

double distance_slack(Metric metric, double distance, float const* left, float const* right, uint32_t dim) {
  constexpr double relative = 1e-6;
  if (metric == Metric::l2) return 4 * relative * distance;
  if (metric == Metric::cosine) return relative;
  return relative * std::sqrt(dot_product(left, left, dim)) * std::sqrt(dot_product(right, right, dim));
}

void normalize(float* row, uint32_t dim) {
  double const length = std::sqrt(dot_product(row, row, dim));
  if (!(length > 0)) return;
  for (uint32_t i = 0; i < dim; ++i) row[i] = float(double(row[i]) / length);
}

}  // namespace strata::bench
