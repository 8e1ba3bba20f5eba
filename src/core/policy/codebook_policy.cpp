#include "core/policy/codebook_policy.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/limits.hpp"
#include "core/cluster/kmeans.hpp"

#include "core/base/core_only.hpp"

namespace strata::policy {
namespace {

constexpr double lists_per_root = 4.0;
constexpr uint64_t growth_factor = 4;
constexpr uint64_t shrink_factor = 16;  // by then there are four times the lists that the rows deserve
constexpr double drift_factor = 1.15;
constexpr double lopsided_factor = 1.4;  // times the skew at the training: it may be natural
constexpr double skew_usual = 1.5;       // at a training that did not record it
constexpr double drift_factor_at_rest = 1.03;
constexpr double lopsided_factor_at_rest = 1.1;
constexpr uint64_t judged_fraction = 4;
constexpr uint64_t judged_fraction_at_rest = 6;
constexpr uint64_t judged_rows_per_list = 8;
constexpr uint64_t calibrated_fraction = 4;
constexpr uint64_t calibrated_fraction_soon = 10;
// Rows of another distribution move the mean by more, even as a tenth; new rows of the same one, which did not train
// the codebook and lie farther from its centroids, by less than half of it.
constexpr double other_residual2 = 0.02;
constexpr uint64_t cheap_codes_per_row = 4000;  // 4 us at 128 dimensions, as much as an INSERT of many rows

size_t plan_size(uint32_t dim, uint64_t rows, uint32_t lists) {
  return static_cast<size_t>(rows) * quant::refine_row_size(dim) + size_t{lists} * dim * sizeof(float) +
         cluster::train_memory_size(dim, static_cast<size_t>(rows), lists);
}

bool fits(uint32_t dim, size_t memory_max_bytes, uint32_t lists, uint32_t rows_per_list) {
  return plan_size(dim, uint64_t{lists} * rows_per_list, lists) <= memory_max_bytes;
}

}  // namespace

uint32_t list_count_for(uint64_t row_count) {
  if (row_count < flat_row_count_max) return 0;
  double wanted = lists_per_root * std::sqrt(static_cast<double>(row_count));
  uint64_t trainable = trainable_row_count(row_count) / training_rows_per_list;
  uint64_t count = wanted < static_cast<double>(trainable) ? static_cast<uint64_t>(wanted) : trainable;
  return count < list_count_max ? static_cast<uint32_t>(count) : list_count_max;
}

uint64_t training_row_count(uint32_t list_count, uint64_t row_count) {
  uint64_t wanted = uint64_t{list_count} * training_rows_per_list;
  uint64_t trainable = trainable_row_count(row_count);
  return wanted < trainable ? wanted : trainable;
}

TrainingPlan plan_training(uint64_t row_count, uint32_t dim, size_t memory_max_bytes) {
  TrainingPlan plan;
  uint32_t lists = list_count_for(row_count);
  if (lists == 0) return plan;
  uint32_t rows_per_list = training_rows_per_list;
  if (!fits(dim, memory_max_bytes, lists, rows_per_list)) {
    plan.limited_by_memory = true;
    rows_per_list = training_rows_per_list_min;
    if (fits(dim, memory_max_bytes, lists, rows_per_list)) {
      while (fits(dim, memory_max_bytes, lists, rows_per_list + 1)) ++rows_per_list;
    } else {
      uint32_t low = 0;  // fits, or nothing does
      for (uint32_t high = lists; high - low > 1;) {
        uint32_t middle = low + (high - low) / 2;
        (fits(dim, memory_max_bytes, middle, rows_per_list) ? low : high) = middle;
      }
      lists = low;
    }
  }
  if (lists < 2) return plan;
  plan.list_count = lists;
  plan.row_count = uint64_t{lists} * rows_per_list;  // at most the trainable rows: list_count_for saw to that
  plan.iteration_count = training_iteration_count;
  return plan;
}

double fresh_residual2(double trained_residual2, uint64_t sample_row_count, uint32_t list_count) {
  constexpr double excess = 3.3;  // times lists over sample rows
  if (sample_row_count == 0) return trained_residual2;
  return trained_residual2 * (1.0 + excess * list_count / static_cast<double>(sample_row_count));
}

EpochDecision decide_epoch(CodebookFacts const& facts) {
  if (facts.row_count < flat_row_count_max) return {false, EpochReason::too_few_rows};
  if (facts.list_count == 0) return {true, EpochReason::first};
  if (facts.row_count / growth_factor >= facts.trained_row_count && facts.list_count < list_count_max) {
    return {true, EpochReason::grown};
  }
  if (facts.row_count <= facts.trained_row_count / shrink_factor) return {true, EpochReason::shrunk};
  if (facts.new_row_count < judged_row_count(facts)) return {false, EpochReason::fits};
  if (facts.new_mean_residual2 > drift_factor * facts.trained_mean_residual2) return {true, EpochReason::drift};
  double skew = facts.trained_list_skew > 0 ? facts.trained_list_skew : skew_usual;
  if (facts.now_list_skew > lopsided_factor * skew) return {true, EpochReason::lopsided};
  return {false, EpochReason::fits};
}

EpochDecision decide_epoch_at_rest(CodebookFacts const& facts) {
  EpochDecision decision = decide_epoch(facts);
  if (decision.due || decision.reason != EpochReason::fits) return decision;
  uint64_t best = facts.best_list_count, now = facts.list_count;
  if (best * 5 >= now * 6 && facts.row_count * 5 >= facts.trained_row_count * 6) return {true, EpochReason::grown};
  if (best > 0 && best * 3 <= now * 2 && facts.row_count * 3 <= facts.trained_row_count * 2) {
    return {true, EpochReason::shrunk};
  }
  if (facts.new_row_count < judged_row_count_at_rest(facts)) return decision;
  if (facts.new_mean_residual2 > drift_factor_at_rest * facts.trained_mean_residual2) {
    return {true, EpochReason::drift};
  }
  if (facts.trained_list_skew > 0 && facts.now_list_skew > lopsided_factor_at_rest * facts.trained_list_skew) {
    return {true, EpochReason::lopsided};
  }
  return decision;
}

uint64_t judged_row_count(CodebookFacts const& facts) {
  return std::max(facts.trained_row_count / judged_fraction, facts.list_count * judged_rows_per_list);
}

uint64_t judged_row_count_at_rest(CodebookFacts const& facts) {
  return std::max(facts.trained_row_count / judged_fraction_at_rest, facts.list_count * judged_rows_per_list);
}

bool calibration_is_due(CalibrationFacts const& facts) {
  uint64_t const known = facts.calibrated_row_count, now = facts.row_count;
  if (known == 0) return true;
  uint64_t const changed = std::max(facts.new_row_count, now > known ? now - known : known - now);
  if (changed * calibrated_fraction >= known) return true;
  if (changed * calibrated_fraction_soon < known) return false;
  double const then = facts.calibrated_mean_residual2;
  bool const is_other = then > 0 && std::abs(facts.mean_residual2 - then) > other_residual2 * then;
  return is_other || facts.at_rest || facts.code_count <= cheap_codes_per_row * changed;
}

double list_skew(std::span<uint32_t const> row_counts) {
  double sum = 0, sum2 = 0;
  for (uint32_t count : row_counts) {
    sum += count;
    sum2 += static_cast<double>(count) * count;
  }
  // Rows that fall into lists at random give a sum of squares that is larger by their number.
  return sum > 0 ? (sum2 - sum) / sum * static_cast<double>(row_counts.size()) / sum : 0;
}

char const* epoch_reason_text(EpochReason reason) {
  switch (reason) {
    case EpochReason::too_few_rows:
      return "too few rows for lists";
    case EpochReason::fits:
      return "the codebook fits";
    case EpochReason::first:
      return "enough rows for a first codebook";
    case EpochReason::grown:
      return "rows have outgrown the lists of the codebook";
    case EpochReason::shrunk:
      return "rows have become few for the lists of the codebook";
    case EpochReason::drift:
      return "new rows lie far from their centroids";
    case EpochReason::lopsided:
      return "rows crowd into few lists";
  }
  return "unknown";
}

}  // namespace strata::policy
