#include "core/cluster/assign.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/random.hpp"
#include "unit/math/levels.hpp"

namespace strata::cluster {
namespace {

using testing::at_every_level;

// Memory at an odd address, exactly as large as asked for.
class Memory {
 public:
  explicit Memory(size_t size) : bytes_(size + 1) {}
  void* get() { return bytes_.data() + 1; }

 private:
  std::vector<char> bytes_;
};
Memory memory_of(size_t size) {
  return Memory(size);
}

double distance2(uint32_t dim, float const* a, float const* b) {
  double sum = 0.0;
  for (uint32_t d = 0; d < dim; ++d) sum += (double{a[d]} - b[d]) * (double{a[d]} - b[d]);
  return sum;
}

std::vector<float> random_rows(Random& random, size_t count, float offset, float spread) {
  std::vector<float> values(count);
  for (float& v : values) v = offset + spread * static_cast<float>(random.unit() * 2 - 1);
  return values;
}

struct Case {
  uint32_t dim;
  uint32_t list_count;
  size_t row_count;
  float offset;
};

// The row's list is nearest up to a few roundings of the centred squares, as the header promises.
void check_finds_the_nearest() {
  Random random(1);
  for (Case c : {Case{1, 1, 1, 0}, Case{1, 40, 100, 0}, Case{2, 31, 25, 0}, Case{3, 32, 7, 0}, Case{15, 33, 49, 0},
                 Case{16, 64, 300, 0}, Case{17, 100, 193, 0}, Case{100, 257, 100, 0}, Case{128, 96, 400, 1000.0f},
                 Case{768, 70, 90, -50.0f}, Case{2000, 5, 30, 0}}) {
    std::vector<float> centroids = random_rows(random, size_t{c.list_count} * c.dim, c.offset, 1.0f);
    std::vector<float> rows = random_rows(random, c.row_count * c.dim, c.offset, 1.0f);
    Memory set_memory = memory_of(centroid_set_size(c.dim, c.list_count));
    Memory scratch = memory_of(assign_scratch_size(c.dim, c.list_count));
    CentroidSet set = prepare_centroids(c.dim, centroids.data(), c.list_count, set_memory.get());
    std::vector<uint32_t> lists(c.row_count, 99999);
    std::vector<float> distances2(c.row_count, -1);
    assign_nearest(set, rows.data(), c.row_count, lists.data(), distances2.data(), scratch.get());
    for (size_t r = 0; r < c.row_count; ++r) {
      float const* row = rows.data() + r * c.dim;
      ASSERT_LT(lists[r], c.list_count);
      double nearest = DBL_MAX;
      for (uint32_t j = 0; j < c.list_count; ++j) {
        nearest = std::min(nearest, distance2(c.dim, row, &centroids[size_t{j} * c.dim]));
      }
      double got = distance2(c.dim, row, &centroids[size_t{lists[r]} * c.dim]);
      double scale = distance2(c.dim, row, set.mean) + nearest;
      ASSERT_LE(got, nearest + 8 * FLT_EPSILON * scale) << c.dim << " " << c.list_count << " " << r;
      ASSERT_NEAR(distances2[r], got, 1e-5 * got + 1e-12);
    }
  }
}

void check_equal_centroids_go_to_the_lowest_list() {
  constexpr uint32_t dim = 20, list_count = 70;
  Random random(2);
  std::vector<float> one = random_rows(random, dim, 0, 1);
  std::vector<float> centroids;
  for (uint32_t j = 0; j < list_count; ++j) centroids.insert(centroids.end(), one.begin(), one.end());
  for (uint32_t d = 0; d < dim; ++d) centroids[d] += 5.0f;  // list 0 is far away
  std::vector<float> rows = random_rows(random, 50 * dim, 0, 1);
  Memory set_memory = memory_of(centroid_set_size(dim, list_count));
  Memory scratch = memory_of(assign_scratch_size(dim, list_count));
  CentroidSet set = prepare_centroids(dim, centroids.data(), list_count, set_memory.get());
  std::vector<uint32_t> lists(50), seconds(50);
  assign_nearest(set, rows.data(), 50, lists.data(), nullptr, scratch.get());
  for (uint32_t list : lists) EXPECT_EQ(list, 1U);
  assign_two(set, rows.data(), 50, soar_lambda, lists.data(), nullptr, seconds.data(), nullptr, scratch.get());
  for (uint32_t list : lists) EXPECT_EQ(list, 1U);
  for (uint32_t list : seconds) EXPECT_EQ(list, 2U);
}

void check_lists_stay_in_range_whatever_the_row() {
  constexpr uint32_t dim = 9, list_count = 33;
  Random random(3);
  std::vector<float> centroids = random_rows(random, dim * list_count, 0, 1);
  std::vector<float> rows(5 * dim, 0.0f);
  rows[0] = std::numeric_limits<float>::quiet_NaN();
  rows[dim] = std::numeric_limits<float>::infinity();
  rows[2 * dim] = -std::numeric_limits<float>::infinity();
  rows[3 * dim] = FLT_MAX;
  Memory set_memory = memory_of(centroid_set_size(dim, list_count));
  Memory scratch = memory_of(assign_scratch_size(dim, list_count));
  CentroidSet set = prepare_centroids(dim, centroids.data(), list_count, set_memory.get());
  std::vector<uint32_t> lists(5, 77), seconds(5, 77);
  assign_two(set, rows.data(), 5, soar_lambda, lists.data(), nullptr, seconds.data(), nullptr, scratch.get());
  for (uint32_t list : lists) EXPECT_LT(list, list_count);
  for (uint32_t list : seconds) EXPECT_LT(list, list_count);
  assign_nearest(set, rows.data(), 5, lists.data(), nullptr, scratch.get());
  for (uint32_t list : lists) EXPECT_LT(list, list_count);
}

void check_no_rows_is_no_work() {
  float centroid = 1.0f;
  Memory set_memory = memory_of(centroid_set_size(1, 1));
  Memory scratch = memory_of(assign_scratch_size(1, 1));
  CentroidSet set = prepare_centroids(1, &centroid, 1, set_memory.get());
  uint32_t list = 5, second = 5;
  assign_nearest(set, nullptr, 0, &list, nullptr, scratch.get());
  assign_two(set, nullptr, 0, soar_lambda, &list, nullptr, &second, nullptr, scratch.get());
  EXPECT_EQ(list, 5U);
  EXPECT_EQ(second, 5U);
}

double soar_loss(uint32_t dim, float const* row, float const* c1, float const* c2, double lambda) {
  double norm2 = distance2(dim, row, c1);
  double product = 0.0;
  for (uint32_t d = 0; d < dim; ++d) product += (double{row[d]} - c1[d]) * (double{row[d]} - c2[d]);
  double along2 = norm2 > 0.0 ? product * product / norm2 : 0.0;
  return distance2(dim, row, c2) + lambda * along2;
}

void check_second_list_minimises_the_soar_loss() {
  Random random(4);
  for (Case c : {Case{1, 2, 10, 0}, Case{4, 33, 60, 0}, Case{16, 40, 100, 0}, Case{33, 300, 200, 20.0f},
                 Case{128, 64, 60, 0}, Case{700, 4000, 10, 0}}) {
    std::vector<float> centroids = random_rows(random, size_t{c.list_count} * c.dim, c.offset, 1.0f);
    std::vector<float> rows = random_rows(random, c.row_count * c.dim, c.offset, 1.0f);
    std::copy(centroids.begin(), centroids.begin() + c.dim, rows.begin());  // a row on its centroid
    Memory set_memory = memory_of(centroid_set_size(c.dim, c.list_count));
    Memory scratch = memory_of(assign_scratch_size(c.dim, c.list_count));
    CentroidSet set = prepare_centroids(c.dim, centroids.data(), c.list_count, set_memory.get());
    std::vector<uint32_t> lists(c.row_count), alone(c.row_count), seconds(c.row_count);
    std::vector<float> distances2(c.row_count), seconds2(c.row_count);
    assign_nearest(set, rows.data(), c.row_count, alone.data(), nullptr, scratch.get());
    assign_two(set, rows.data(), c.row_count, soar_lambda, lists.data(), distances2.data(), seconds.data(),
               seconds2.data(), scratch.get());
    EXPECT_EQ(lists, alone);
    for (size_t r = 0; r < c.row_count; ++r) {
      float const* row = rows.data() + r * c.dim;
      float const* c1 = &centroids[size_t{lists[r]} * c.dim];
      ASSERT_NE(seconds[r], lists[r]);
      ASSERT_LT(seconds[r], c.list_count);
      double best = DBL_MAX;
      for (uint32_t j = 0; j < c.list_count; ++j) {
        if (j != lists[r]) best = std::min(best, soar_loss(c.dim, row, c1, &centroids[size_t{j} * c.dim], soar_lambda));
      }
      float const* c2 = &centroids[size_t{seconds[r]} * c.dim];
      double got = soar_loss(c.dim, row, c1, c2, soar_lambda);
      ASSERT_LE(got, best + 32 * FLT_EPSILON * (distance2(c.dim, row, set.mean) + best)) << c.dim << " " << r;
      ASSERT_NEAR(seconds2[r], distance2(c.dim, row, c2), 1e-5 * seconds2[r]);
    }
  }
}

void check_lambda_zero_is_the_second_nearest() {
  constexpr uint32_t dim = 24, list_count = 90, row_count = 100;
  Random random(5);
  std::vector<float> centroids = random_rows(random, dim * list_count, 0, 1);
  std::vector<float> rows = random_rows(random, dim * row_count, 0, 1);
  Memory set_memory = memory_of(centroid_set_size(dim, list_count));
  Memory scratch = memory_of(assign_scratch_size(dim, list_count));
  CentroidSet set = prepare_centroids(dim, centroids.data(), list_count, set_memory.get());
  std::vector<uint32_t> lists(row_count), seconds(row_count);
  assign_two(set, rows.data(), row_count, 0.0f, lists.data(), nullptr, seconds.data(), nullptr, scratch.get());
  for (uint32_t r = 0; r < row_count; ++r) {
    double limit = distance2(dim, &rows[r * dim], &centroids[seconds[r] * dim]) * (1 - 1e-5);
    int nearer_count = 0;
    for (uint32_t j = 0; j < list_count; ++j)
      nearer_count += distance2(dim, &rows[r * dim], &centroids[j * dim]) < limit;
    EXPECT_EQ(nearer_count, 1);
  }
}

void check_one_list_serves_both_assignments() {
  constexpr uint32_t dim = 5;
  std::vector<float> centroid(dim, 1.0f), rows(3 * dim, 2.0f);
  Memory set_memory = memory_of(centroid_set_size(dim, 1));
  Memory scratch = memory_of(assign_scratch_size(dim, 1));
  CentroidSet set = prepare_centroids(dim, centroid.data(), 1, set_memory.get());
  uint32_t lists[3], seconds[3];
  float distances2[3], seconds2[3];
  assign_two(set, rows.data(), 3, soar_lambda, lists, distances2, seconds, seconds2, scratch.get());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(lists[i], 0U);
    EXPECT_EQ(seconds[i], 0U);
    EXPECT_FLOAT_EQ(distances2[i], 5.0f);
    EXPECT_FLOAT_EQ(seconds2[i], 5.0f);
  }
}

TEST(Assign, FindsTheNearest) {
  at_every_level(check_finds_the_nearest);
}
TEST(Assign, EqualCentroidsGoToTheLowestList) {
  at_every_level(check_equal_centroids_go_to_the_lowest_list);
}
TEST(Assign, ListsStayInRangeWhateverTheRow) {
  at_every_level(check_lists_stay_in_range_whatever_the_row);
}
TEST(Assign, NoRowsIsNoWork) {
  at_every_level(check_no_rows_is_no_work);
}
TEST(Assign, SecondListMinimisesTheSoarLoss) {
  at_every_level(check_second_list_minimises_the_soar_loss);
}
TEST(Assign, LambdaZeroIsTheSecondNearest) {
  at_every_level(check_lambda_zero_is_the_second_nearest);
}
TEST(Assign, OneListServesBothAssignments) {
  at_every_level(check_one_list_serves_both_assignments);
}

}  // namespace
}  // namespace strata::cluster
