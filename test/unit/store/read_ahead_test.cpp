// What of a stream is asked for before it is read: pages that follow each other in one request when they come from a
// disk, and bytes of pages when all is in memory.
#include "store/object_reader.hpp"

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using Asked = std::vector<std::vector<uint32_t>>;

struct AskedPager : sim::SimPager {
  Asked bytes;  // block, offset, size
  Asked pages;  // block, count
  void prefetch_bytes(BlockNo block, uint32_t at, uint32_t size) { bytes.push_back({raw(block), at, size}); }
  void prefetch_pages(BlockNo block, uint32_t count) { pages.push_back({raw(block), count}); }
};

// An object of three extents, the second and the third neither neighbours nor in order, with one stream from page 1 on.
struct ReadAhead : ::testing::Test {
  AskedPager pager;
  store::ManifestObject object{};
  store::StreamDisk stream{};

  void SetUp() override {
    object.extents.push(pager, {100, 4});
    object.extents.push(pager, {104, 2});
    object.extents.push(pager, {50, 10});
    stream.first_page = 1;
    stream.bytes_per_page = 1000;
    stream.byte_size = 14500;
  }
};

TEST_F(ReadAhead, ARunOfPagesIsOneRequest) {
  store::prefetch_stream_pages(pager, object, stream, 2500, 2000);
  EXPECT_EQ(pager.pages, (Asked{{103, 3}}));
  EXPECT_TRUE(pager.bytes.empty());
}

TEST_F(ReadAhead, ARequestEndsWhereTheNextPageLiesElsewhere) {
  store::prefetch_stream_pages(pager, object, stream, 0, 14500);
  EXPECT_EQ(pager.pages, (Asked{{101, 5}, {50, 10}}));
}

TEST_F(ReadAhead, AllPagesThatAreTouchedAreAskedFor) {
  store::prefetch_stream_pages(pager, object, stream, 3000, 1000);
  store::prefetch_stream_pages(pager, object, stream, 3001, 1000);
  store::prefetch_stream_pages(pager, object, stream, 14499, 1);
  EXPECT_EQ(pager.pages, (Asked{{104, 1}, {104, 2}, {59, 1}}));
}

TEST_F(ReadAhead, OfPagesInMemoryTheBytesAreAskedFor) {
  store::prefetch_stream(pager, object, stream, 2500, 2000);
  EXPECT_EQ(pager.bytes, (Asked{{103, 500, 500}, {104, 0, 1000}, {105, 0, 500}}));
  EXPECT_TRUE(pager.pages.empty());
}

TEST_F(ReadAhead, NothingPastTheEndIsAskedFor) {
  store::prefetch_stream_pages(pager, object, stream, 14000, 501);
  store::prefetch_stream_pages(pager, object, stream, 14501, 0);
  store::prefetch_stream_pages(pager, object, stream, 14500, 0);
  EXPECT_TRUE(pager.pages.empty());
  EXPECT_TRUE(pager.bytes.empty());
}

}  // namespace
}  // namespace strata::testing
