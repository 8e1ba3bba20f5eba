// Filter columns on their way through growing rows, seal, merge, compaction and retraining.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using format::ColumnDisk;
using format::ColumnKind;

std::vector<ColumnDisk> const every_size = {{ColumnKind::fixed, 1, 0, 0},
                                            {ColumnKind::fixed, 2, 0, 0},
                                            {ColumnKind::fixed, 4, 0, 0},
                                            {ColumnKind::fixed, 8, 0, 0},
                                            {ColumnKind::hash, 8, 0, 0}};

TEST(Columns, SurviveEverythingThatHappensToRows) {
  for (uint32_t dim : {5u, 9000u}) {
    uint32_t const count = dim > 1000 ? 40 : 900;
    StoreIndex index(dim, Metric::l2, 7, every_size);
    for (Vector const& row : gaussian_rows(3, count, dim)) index.insert(row, 0, uint32_t(index.vectors.size() % 3));
    index.insert({}, format::row_is_null);
    EXPECT_EQ(index.live_rows(), numbers(count + 1));  // compares the columns of every row
    index.check();
    index.flush();
    EXPECT_EQ(index.live_rows(), numbers(count + 1));
    index.check();
    index.train(4, count);
    index.rewrite(index.objects(ObjectKind::segment));
    EXPECT_EQ(index.live_rows(), numbers(count + 1));
    index.check();
    std::set<uint64_t> dead;
    for (uint64_t row = 0; row < count; row += 3) dead.insert(row);
    index.vacuum(dead);
    index.insert_all(gaussian_rows(4, count / 2, dim));
    index.flush();
    index.train(3, count);
    index.rewrite(index.objects(ObjectKind::segment));
    std::vector<uint64_t> left;
    for (uint64_t row = 0; row < index.vectors.size(); row++)
      if (!dead.count(row)) left.push_back(row);
    EXPECT_EQ(index.live_rows(), left);
    index.check();
  }
}

TEST(Columns, AsManyAsThereMayBe) {
  StoreIndex index(8, Metric::cosine, 7,
                   std::vector<ColumnDisk>(indexed_column_count_max, {ColumnKind::hash, 8, 0, 0}));
  index.insert_all(gaussian_rows(3, 300, 8));
  index.flush();
  EXPECT_EQ(index.live_rows(), numbers(300));
  index.check();
}

TEST(Columns, OnlyNulls) {
  StoreIndex index(8, Metric::l2, 7, every_size);
  index.column_key = [](uint64_t, uint32_t) { return StoreIndex::ColumnKey{0, true}; };
  index.insert_all(gaussian_rows(3, 70, 8));
  index.flush();
  EXPECT_EQ(index.live_rows(), numbers(70));
  index.check();
}

// A change of a byte of the columns' streams is noticed.
TEST(Columns, CheckNoticesDamage) {
  StoreIndex index(5, Metric::l2, 7, every_size);
  index.insert_all(gaussian_rows(3, 70, 5), 3);
  index.flush();
  ObjectId const id = index.objects(ObjectKind::segment)[0];
  store::ObjectHeaderDisk const header = index.header(id);
  Random random(5);
  uint32_t tried = 0;
  for (uint32_t i = 0; i < header.stream_count; i++) {
    format::StreamDisk const& stream = header.stream[i];
    if (stream.column == format::no_column || stream.column > indexed_column_count_max) continue;
    // Without a bloom filter a key may change as long as it keeps its place in the order.
    if (stream.kind == format::StreamKind::column && !format::column_has_bloom(stream.item_size)) continue;
    for (int n = 0; n < 20; n++) {
      std::byte& byte = index.page(id, stream.first_page)[random.below(stream.byte_size)];
      std::byte const before = byte;
      bool const bloom = stream.kind == format::StreamKind::bloom;
      byte = bloom ? std::byte{0} : byte ^ std::byte(1 + random.below(255));
      if (byte != before) {
        EXPECT_EQ(index.check_status().code, Code::corrupt) << int(stream.kind) << " of column " << stream.column;
        tried++;
      }
      byte = before;
    }
  }
  EXPECT_GT(tried, 200u);
  index.check();
}

}  // namespace
}  // namespace strata::testing
