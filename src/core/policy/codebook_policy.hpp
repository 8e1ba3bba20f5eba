// When an index gets a codebook epoch, of how many lists, and trained on how many rows. Counts and means in, decisions
// out.
//
// A flat scan of codes is as fast as lists below about 20,000 rows, so that is where the first epoch comes. The number
// of lists, 4 sqrt(n), makes ranking the centroids about as expensive as scanning the lists that are worth it. A new
// epoch comes when the rows have outgrown the lists (or shrunk far below them), or when new rows do not fit them. While
// rows come, that waits until it pays: every epoch has all rows written again. An index at rest gets the codebook that
// a fresh one would have: its searches are what is left to pay for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/ids.hpp"
#include "core/base/random.hpp"

namespace strata::policy {

constexpr uint64_t flat_row_count_max = 20000;       // fewer rows: no codebook
constexpr uint32_t training_rows_per_list = 64;      // wanted
constexpr uint32_t training_rows_per_list_min = 32;  // accepted for want of memory, before lists are given up
constexpr uint32_t training_iteration_count = 10;

// Rows that never train: one in ten, whichever codebook it is, by a hash of their TID. They are the queries that the
// stop rule is calibrated with: rows that shaped a codebook lie nearer to its centroids than queries do, and promise
// more recall than queries get (2 % more where all rows trained).
constexpr uint64_t held_out_fraction = 10;

constexpr bool is_held_out(Tid tid) {
  return mix64(tid.key ^ 0x68656C646F757400ULL) % held_out_fraction == 0;
}

// How many rows may train, of so many.
constexpr uint64_t trainable_row_count(uint64_t row_count) {
  return row_count - row_count / held_out_fraction;
}

// 0 below flat_row_count_max rows; else min(4 sqrt(rows), trainable rows / 64, list_count_max).
uint32_t list_count_for(uint64_t row_count);

// Rows to sample for list_count lists: 64 a list, at most the trainable ones.
uint64_t training_row_count(uint32_t list_count, uint64_t row_count);

struct TrainingPlan {
  uint32_t list_count = 0;  // 0: no training
  uint64_t row_count = 0;   // rows to sample
  uint32_t iteration_count = 0;
  bool limited_by_memory = false;  // more memory would give more lists or more rows
};

// The training of an index of row_count rows of `dim` dimensions within memory_max_bytes, which have to hold the sample
// (refine codes), the centroids (float[dim] each) and what cluster::train_centroids allocates. When they do not
// suffice, first the rows a list are halved, then lists are given up. list_count 0: too few rows, or not even two lists
// fit.
TrainingPlan plan_training(uint64_t row_count, uint32_t dim, size_t memory_max_bytes);

// The mean squared residual that rows which did not train will have, from that of the sample_row_count rows that did:
// k-means fits its sample. Measured: 1.05 to 1.06 times with 64 rows a list, 1.10 to 1.11 with 32, on GloVe,
// Fashion-MNIST and noise.
double fresh_residual2(double trained_residual2, uint64_t sample_row_count, uint32_t list_count);

// Whether second lists pay where searches read `code_ratio` times the codes with them that they read without
// (cluster::spilled_code_ratio): an index grows by a tenth to a quarter, and two runs a list cost more than one. With
// .67 to .96 of the codes searches took no less time: docs/performance.md, "One list a row or two". A trial varies by
// some hundredths from one codebook to the next: `spills_now`, what the codebook before has, stands while it is near.
constexpr double spill_begins_at = 0.6, spill_ends_at = 0.7;
constexpr bool spill_pays(double code_ratio, bool spills_now) {
  return code_ratio <= (spills_now ? spill_ends_at : spill_begins_at);
}

struct CodebookFacts {
  uint64_t row_count = 0;          // rows of the index now
  uint32_t best_list_count = 0;    // that a codebook trained now would have (plan_training); 0: not known
  uint32_t list_count = 0;         // of the newest epoch; 0: there is none, and the rest is not read
  uint64_t trained_row_count = 0;  // rows of the index when it was trained
  double trained_mean_residual2 =
      0.0;  // mean squared residual of rows at that time, best of rows that were not in the sample
  double trained_list_skew = 0.0;   // list_skew() at that time; 0: not known
  uint64_t new_row_count = 0;       // rows that came into its lists since
  double new_mean_residual2 = 0.0;  // of the newest rows, about judged_row_count() of them
  double now_list_skew = 0.0;       // list_skew() of all rows in its lists
};

// How uneven lists are: the expected length of the list of a row over the mean length of the lists, without what chance
// adds to it when rows are few. 1: all lists are equally long; a search at the same number of lists scans about so many
// times the codes it would scan then. 0 without rows.
double list_skew(std::span<uint32_t const> row_counts);

enum class EpochReason : uint8_t {
  too_few_rows = 0,  // not due
  fits = 1,          // not due
  first = 2,         // due: enough rows, no epoch
  grown = 3,         // due: four times the rows of the training; at rest: too few lists for the rows
  shrunk = 4,        // due: a sixteenth of the rows of the training; at rest: too many lists for the rows
  drift = 5,         // due: new rows lie farther from their centroids than those at the training
  lopsided = 6,      // due: rows crowd into few lists
};
constexpr uint8_t epoch_reason_count = 7;

struct EpochDecision {
  bool due;
  EpochReason reason;
};

// New rows that drift and lopsidedness are judged on, at least; at rest fewer do.
uint64_t judged_row_count(CodebookFacts const& facts);
uint64_t judged_row_count_at_rest(CodebookFacts const& facts);

// Drift and lopsidedness are judged on at least a quarter of the rows of the training, and 8 rows a list: noise decides
// nothing, and data that no codebook fits better are trained again only as often as a quarter of them is new.
EpochDecision decide_epoch(CodebookFacts const& facts);

// The same for an index at rest. Due besides: a fifth more lists, or a third fewer, would be best, and the number of
// rows has changed as much; or a sixth of the rows are new, and lie a little farther from their centroids, or in less
// even lists, than those at the training. (A codebook trained while all rows were being replaced keeps lists for those
// that left: with a sixth of them lost, a search scans a fifth more codes.) None of it can be due again before as many
// rows have come or gone.
EpochDecision decide_epoch_at_rest(CodebookFacts const& facts);

// What a calibration of the stop rule was made on, and what the lists of its codebook hold now.
struct CalibrationFacts {
  uint64_t row_count = 0;                  // live rows in lists now
  uint64_t calibrated_row_count = 0;       // then; 0: there is no calibration
  uint64_t new_row_count = 0;              // that came since
  double mean_residual2 = 0.0;             // mean squared residual of rows in lists now
  double calibrated_mean_residual2 = 0.0;  // then; 0: not known
  uint64_t code_count = 0;                 // codes that a calibration scans
  bool at_rest = false;
};

// Due where there is none; where a quarter of the rows came new, or that many came or went in all; where a tenth did
// and other residuals say that the new rows are other rows, or the index is at rest, or the calibration is cheap beside
// what writing the new rows cost. Growth alone would need it less often (tau_scale), but new rows may be other rows:
// while a distribution travelled, recall fell by .01 for every twentieth of the rows that was new.
bool calibration_is_due(CalibrationFacts const& facts);

// For people: "rows have outgrown the lists of the codebook".
char const* epoch_reason_text(EpochReason reason);

}  // namespace strata::policy
