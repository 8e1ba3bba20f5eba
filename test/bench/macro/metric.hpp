// The distances that are compared, computed in double: the judge of recall must not share rounding with the judged.
#pragma once
#include <cstdint>
#include <string>

namespace strata::bench {

enum class Metric { l2, ip, cosine };

Metric parse_metric(std::string const& name);
char const* metric_name(Metric metric);

// l2: squared Euclidean; ip: negated inner product; cosine: 1 - cos, NaN when a vector is zero. Smaller is nearer.
double exact_distance(Metric metric, float const* left, float const* right, uint32_t dim);

// How much a distance may exceed the k-th true one and still count as equal: the rounding error of a float32 distance.
double distance_slack(Metric metric, double distance, float const* left, float const* right, uint32_t dim);

double dot_product(float const* left, float const* right, uint32_t dim);

// Scales the row to length 1; zero rows stay zero.
void normalize(float* row, uint32_t dim);

}  // namespace strata::bench
