// How many queries a calibration asks, and what it scans for them.
#include <memory>

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

constexpr uint32_t dim = 16, row_count = 24000, list_count = 400;

class Calibrate : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    rows_ = new std::vector<Vector>(clustered_rows(5, row_count + 400, dim, 300));
    index_ = new StoreIndex(dim);
    index_->insert_all({rows_->begin(), rows_->begin() + row_count});
    index_->train(list_count, 12000);
    index_->flush();
  }
  static void TearDownTestSuite() {
    delete index_;
    delete rows_;
  }

  static store::CalibrateResult calibrate(uint64_t work_max) {
    store::CalibrateResult result{};
    index_->locked([&] { EXPECT_OK(store::calibrate(index_->pager, work_max, &result)); });
    index_->free_memory();
    EXPECT_NE(result.calibration, ObjectId::none);
    return result;
  }

  static StoreIndex* index_;
  static std::vector<Vector>* rows_;
};
StoreIndex* Calibrate::index_;
std::vector<Vector>* Calibrate::rows_;

// Codes are scanned in blocks of 32: of a list about as many more as a block has.
constexpr uint64_t whole_codes = row_count + list_count * 32;

TEST_F(Calibrate, AsksManyQueriesForTheWorkOfFew) {
  store::CalibrateResult const result = calibrate(0);
  EXPECT_EQ(store::calibration_code_count(row_count, 0), uint64_t(250) * row_count);
  EXPECT_GT(result.query_count, 700u);
  EXPECT_GT(result.code_count, 128 * uint64_t(row_count));
  EXPECT_LT(result.code_count, 270 * whole_codes);
}

TEST_F(Calibrate, NoRowAsksTwice) {
  uint64_t held_out = 0;
  for (uint64_t row = 0; row < row_count; row++) held_out += policy::is_held_out(tid_of_row(row));
  store::CalibrateResult const result = calibrate(UINT64_MAX);
  EXPECT_LE(result.query_count, held_out);
  EXPECT_GT(result.query_count, held_out * 9 / 10);
}

TEST_F(Calibrate, SearchesReachTheirTarget) {
  calibrate(0);
  constexpr uint32_t queries = 400;
  for (uint32_t const k : {1u, 10u}) {
    for (double const target : {0.9, 0.95}) {
      store::SearchOptions options;
      options.recall_target = target;
      double recall = 0;
      for (uint32_t query = 0; query < queries; query++) {
        Vector const& vector = (*rows_)[row_count + query];
        double const last = index_->brute_force(vector)[k - 1].score;
        for (Found const& found : index_->search(vector, k, options)) recall += found.score <= last;
        index_->free_memory();
      }
      EXPECT_NEAR(recall / (queries * k), target + 0.0075, k == 1 ? 0.035 : 0.02) << k << " " << target;
    }
  }
}

}  // namespace
}  // namespace strata::testing
