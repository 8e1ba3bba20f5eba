// check() on a valid index with one thing broken at a time, and on valid indexes.
#include <functional>

#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

using format::GrowingPageDisk;
using format::PageTailDisk;
using store::Manifest;
using store::ObjectHeaderDisk;
using store::StreamDisk;
using store::StreamKind;

// Two lanes of growing rows, a flat segment, a segment with lists, an epoch, two frames, free pages, deleted rows.
class Check : public ::testing::Test {
 protected:
  Check() : index(20) {
    index.insert_all(gaussian_rows(1, 2000, 20));
    index.train(10);
    lists = index.flush().output;
    index.reclaim();
    index.insert_all(gaussian_rows(2, 2, 20));
    flat = index.flush().output;
    index.insert_all(gaussian_rows(3, 400, 20), 2);
    growing = index.objects(ObjectKind::growing)[0];
    index.vacuum({3, 400, 1999, 2000, 2003});
    epoch = ObjectId(index.manifest().header.epoch);
    frame = ObjectId(index.manifest().header.frame);
    index.check();
    saved_ = index.pager.pages;
  }

  ObjectHeaderDisk& header(ObjectId id) { return *reinterpret_cast<ObjectHeaderDisk*>(index.page(id, 0)); }
  StreamDisk& stream(ObjectId id, StreamKind kind) {
    for (StreamDisk& stream : header(id).stream)
      if (stream.kind == kind) return stream;
    ADD_FAILURE();
    return header(id).stream[0];
  }
  std::byte* stream_page(ObjectId id, StreamKind kind, uint32_t at = 0) {
    return index.page(id, stream(id, kind).first_page + at);
  }
  static PageTailDisk& tail(std::byte* page) { return *reinterpret_cast<PageTailDisk*>(page + format::page_body_size); }
  GrowingPageDisk& growing_page(uint32_t page_no) {
    return *reinterpret_cast<GrowingPageDisk*>(index.page(growing, page_no));
  }
  store::MetaDisk& meta() { return *reinterpret_cast<store::MetaDisk*>(index.pager.pages[0].data()); }

  // `break_it` changes pages, the check must say `message`; then all is as before.
  void broken(char const* message, std::function<void()> const& break_it) {
    SCOPED_TRACE(message);
    break_it();
    Status status = index.check_status();
    EXPECT_EQ(status.code, Code::corrupt);
    EXPECT_STREQ(status.message, message);
    index.pager.pages = saved_;
    index.free_memory();
  }
  void broken_manifest(char const* message, std::function<void(Manifest&)> const& break_it) {
    broken(message, [&] { index.edit(break_it); });
  }

  StoreIndex index;
  ObjectId lists, flat, growing, epoch, frame;

 private:
  std::vector<sim::Content> saved_;
};

TEST_F(Check, ValidIndexIsValid) {
  auto result = index.check();
  EXPECT_EQ(result.row_count, 2397u);
  EXPECT_EQ(result.deleted_count, 5u);
  EXPECT_GE(result.object_count, 6u);
  EXPECT_EQ(result.page_count, index.manifest().header.frontier);
  EXPECT_GT(result.free_page_count, 0u);
}

TEST_F(Check, Meta) {
  broken("meta page has no magic number", [&] { meta().magic++; });
  broken("index has an unknown format version", [&] { meta().format_version++; });
  broken("meta page has impossible dimensions", [&] { meta().dim = 0; });
  broken("meta page has impossible dimensions", [&] { meta().padded_dim = 48; });
  broken("meta page has impossible values", [&] { meta().metric = Metric(4); });
  broken("meta page has impossible values", [&] { meta().scan_bits = 0; });
  broken("meta page has impossible values", [&] { meta().column_count = 32; });
  broken("meta page has impossible values", [&] { meta().active_slot = 2; });
  broken("meta page has impossible values", [&] { meta().copy_size = 3; });
  broken("meta page has impossible values", [&] { meta().copy_kind = format::CopyKind::rounded; });
  broken("meta page has impossible values", [&] { meta().copy_size = 2, meta().copy_kind = format::CopyKind(2); });
  broken("meta page describes an impossible column", [&] {
    meta().column_count = 1;
    meta().column[0] = {format::ColumnKind::fixed, 3, 0, 0};
  });
  broken("meta page has a wrong entry size", [&] { meta().entry_size++; });
  broken("manifest slot lies outside of the index", [&] { meta().slot[0].page_count = 0; });
  broken("manifest slot lies past the frontier", [&] { meta().slot[1 - meta().active_slot].start = 1u << 30; });
  broken("manifest is larger than its slot", [&] { meta().manifest_size = 100000; });
  broken("manifest lies past the end of the file", [&] { meta().slot[meta().active_slot].start = 1u << 30; });
  broken("manifest has a wrong checksum",
         [&] { index.pager.pages[meta().slot[meta().active_slot].start][4] ^= std::byte{1}; });
  broken("manifest slot does not carry its generation", [&] { meta().generation += 2; });
}

TEST_F(Check, Pages) {
  broken("page is not initialised", [&] { tail(stream_page(lists, StreamKind::ids)).magic = 0; });
  broken("page has an unknown format version", [&] { tail(stream_page(lists, StreamKind::ids)).format_version = 9; });
  broken("page belongs to another object", [&] { tail(stream_page(lists, StreamKind::ids)).owner++; });
  broken("page is out of place", [&] { tail(stream_page(lists, StreamKind::ids)).page_no++; });
  broken("page is out of place", [&] { tail(stream_page(lists, StreamKind::ids)).kind = format::PageKind::growing; });
  broken("page claims more bytes than it has", [&] { tail(stream_page(lists, StreamKind::ids)).used = 8153; });
  broken("page has bytes past its end", [&] { index.page(flat, 0)[format::page_body_size - 1] = std::byte{1}; });
  broken("page has bytes past its end", [&] { index.page(growing, 1)[format::page_body_size - 1] = std::byte{1}; });
}

TEST_F(Check, Space) {
  broken_manifest("block has two owners",
                  [&](Manifest& m) { m.find(flat)->extents[0].start = m.find(lists)->extents[0].start; });
  broken_manifest("block has two owners", [&](Manifest& m) { m.find(growing)->extents[0].start = 0; });
  broken_manifest("block has no owner", [&](Manifest& m) { m.header.frontier++; });
  broken_manifest("block has no owner", [&](Manifest& m) { m.free.remove(0); });
  broken_manifest("extent lies past the frontier",
                  [&](Manifest& m) { m.find(flat)->extents[0].start = m.header.frontier; });
  broken_manifest("object lies past the end of the file", [&](Manifest& m) {
    m.header.frontier += 1000;
    m.find(flat)->extents[0].start = m.header.frontier - m.find(flat)->extents[0].count;
  });
  broken_manifest("free extents are not sorted or touch", [&](Manifest& m) {
    auto first = m.free[0];
    m.free.insert(index.pager, 0, {first.start + 1, first.count});
  });
  broken_manifest("free extent lies at or past the frontier", [&](Manifest& m) {
    m.free.push(index.pager, {m.header.frontier - 1, 1});
  });
  broken_manifest("object ids are out of order", [&](Manifest& m) { m.header.next_object_id = raw(growing); });
  broken_manifest("object ids are out of order", [&](Manifest& m) { std::swap(m.objects[0], m.objects[1]); });
  broken_manifest("object of unknown kind or state", [&](Manifest& m) { m.find(flat)->disk.kind = ObjectKind(6); });
  broken_manifest("object of unknown kind or state",
                  [&](Manifest& m) { m.find(flat)->disk.state = ObjectState::none; });
}

TEST_F(Check, Names) {
  broken_manifest("manifest lacks its frame", [&](Manifest& m) { m.header.frame = raw(flat); });
  broken_manifest("manifest lacks its epoch", [&](Manifest& m) { m.header.epoch = 999; });
  broken_manifest("object names a frame that is not there", [&](Manifest& m) { m.find(flat)->disk.frame = 999; });
  broken_manifest("object names an epoch that is not there",
                  [&](Manifest& m) { m.find(lists)->disk.epoch = raw(frame); });
}

TEST_F(Check, Growing) {
  broken("page of a live growing object is sealed", [&] { growing_page(1).flags |= format::growing_sealed; });
  broken("growing page claims too many rows", [&] { growing_page(0).row_count = 257; });
  broken("growing rows follow a page that is not full", [&] {
    std::byte* page = index.page(growing, 0);
    auto rows = uint16_t(growing_page(0).row_count - 1);
    growing_page(0).row_count = rows;
    tail(page).used = uint16_t(40 + rows * index.meta().entry_size);
    std::memset(page + tail(page).used, 0, format::page_body_size - tail(page).used);
  });
  broken("growing rows follow a sealed page", [&] { growing_page(0).flags |= format::growing_sealed; });
  broken("row that is not there is deleted", [&] { sets::bitmap_set(growing_page(1).deleted, 255); });
  auto& row = *reinterpret_cast<format::GrowingRowDisk*>(index.page(growing, 0) + sizeof(GrowingPageDisk));
  broken("growing row has unknown flags", [&] { row.flags = 4; });
  broken("refine code is not finite", [&] {
    float nan = NAN;
    std::memcpy(index.page(growing, 0) + sizeof(GrowingPageDisk) + sizeof row, &nan, sizeof nan);
  });
  broken("growing page does not end with its rows",
         [&] { tail(index.page(growing, 0)).used = format::page_body_size; });
}

TEST_F(Check, GroupsOfPages) {
  StoreIndex wide(9000);
  wide.insert_all(gaussian_rows(1, 5, 9000));
  auto id = wide.objects(ObjectKind::growing)[0];
  wide.check();
  tail(wide.page(id, 3)).kind = format::PageKind::growing;
  EXPECT_STREQ(wide.check_status().message, "page is out of place");
  tail(wide.page(id, 3)).kind = format::PageKind::growing_tail;
  wide.check();
  std::memset(wide.page(id, 3), 0, 8168);
  EXPECT_STREQ(wide.check_status().message, "page is not initialised");
}

TEST_F(Check, RoundedCopies) {
  for (bool const sealed : {false, true}) {
    StoreIndex rounded(16, Metric::l2, 7, {}, store::rounded_copies);
    rounded.insert_all(gaussian_rows(1, 20, 16));
    if (sealed) rounded.flush();
    auto const id = rounded.objects(sealed ? ObjectKind::segment : ObjectKind::growing)[0];
    rounded.check();
    uint32_t page_no = 0, at = sizeof(GrowingPageDisk) + sizeof(format::GrowingRowDisk);
    if (sealed) {
      auto const header = rounded.header(id);
      for (StreamDisk const& stream : header.stream)
        if (stream.kind == StreamKind::refine_codes) page_no = stream.first_page, at = 0;
    }
    std::byte* const copy = rounded.page(id, page_no) + at + rounded.shape().code_size;
    ASSERT_TRUE(quant::rounded_is_sound(copy));
    float const below_zero = -1;
    std::memcpy(copy + offsetof(quant::RoundedCopyDisk, error), &below_zero, sizeof below_zero);
    EXPECT_STREQ(rounded.check_status().message, "copy of a vector has an impossible header");
  }
}

TEST_F(Check, Headers) {
  broken("object header does not match the manifest", [&] { header(flat).id++; });
  broken("object header does not match the manifest", [&] { header(flat).kind = ObjectKind::epoch; });
  broken("object has too many streams", [&] { header(flat).stream_count = 81; });
  broken("object header has impossible counts", [&] { header(flat).row_count++; });
  broken("object header has impossible counts", [&] { header(flat).ranked_count--; });
  broken("object header has impossible counts", [&] { header(lists).zero_count = 5; });
  broken("object header has impossible counts", [&] { header(lists).list_count--; });
  broken("object header names another frame or epoch", [&] { header(lists).frame--; });
  broken("object header names another frame or epoch", [&] { header(lists).epoch = 0; });
  broken("stream lies outside of its object", [&] { stream(flat, StreamKind::ids).first_page = 0; });
  broken("stream lies outside of its object", [&] { stream(flat, StreamKind::ids).first_page = 0xFFFFFFFF; });
  broken("stream lies outside of its object", [&] { stream(flat, StreamKind::ids).page_count = 0xFFFFFFFF; });
  broken("stream lies outside of its object", [&] { stream(flat, StreamKind::ids).bytes_per_page = 0; });
  broken("stream lies outside of its object", [&] { stream(flat, StreamKind::ids).bytes_per_page = 8153; });
  broken("stream does not have the pages of its size", [&] { stream(flat, StreamKind::ids).byte_size = UINT64_MAX; });
  broken("stream does not have the pages of its size", [&] { stream(flat, StreamKind::ids).byte_size = 0; });
  broken("streams overlap",
         [&] { stream(flat, StreamKind::ids).first_page = stream(flat, StreamKind::hashes).first_page; });
  broken("object has a stream twice", [&] { stream(flat, StreamKind::ids).kind = StreamKind::hashes; });
  broken("segment lacks a stream", [&] { stream(flat, StreamKind::ids).kind = StreamKind::mean; });
  broken("segment lacks a stream", [&] { stream(lists, StreamKind::directory).kind = StreamKind::mean; });
  broken("stream does not match the counts of its segment", [&] { stream(flat, StreamKind::hashes).byte_size--; });
  broken("scan codes are not cut at their units", [&] { stream(flat, StreamKind::scan_codes).bytes_per_page--; });
  broken("segment lacks a bloom filter", [&] { stream(flat, StreamKind::bloom).byte_size--; });
}

TEST_F(Check, Segments) {
  broken("deleted rows do not match their count", [&] { header(lists).deleted_count++; });
  broken("deleted rows do not match their count",
         [&] { stream_page(lists, StreamKind::delete_bitmap)[0] ^= std::byte{1}; });
  broken("row that is not there is deleted",
         [&] { stream_page(flat, StreamKind::delete_bitmap)[0] |= std::byte{0x80}; });
  broken("directory is out of order", [&] { stream_page(lists, StreamKind::directory)[0] = std::byte{1}; });
  broken("directory is out of order", [&] {
    uint32_t huge = 0xFFFFFFFF;
    std::memcpy(stream_page(lists, StreamKind::directory) + 8, &huge, 4);
  });
  broken("directory is out of order", [&] {
    float nan = NAN;
    std::memcpy(stream_page(lists, StreamKind::directory) + 4, &nan, 4);
  });
  broken("bloom filter denies a row of its segment", [&] { stream_page(flat, StreamKind::ids)[0] ^= std::byte{1}; });
  broken("bloom filter denies a row of its segment", [&] { stream_page(flat, StreamKind::hashes)[5] ^= std::byte{1}; });
  broken("refine code is not finite", [&] {
    float nan = NAN;
    std::memcpy(stream_page(flat, StreamKind::refine_codes), &nan, 4);
  });
}

TEST_F(Check, EpochsAndFrames) {
  uint16_t half_infinity = 0x7c00;
  float nan = NAN;
  broken("epoch is malformed", [&] { stream(epoch, StreamKind::list_residuals).byte_size -= 4; });
  broken("epoch is malformed", [&] { stream(epoch, StreamKind::centroids).kind = StreamKind::mean; });
  broken("list of an epoch is not finite",
         [&] { std::memcpy(stream_page(epoch, StreamKind::centroids), &half_infinity, 2); });
  broken("list of an epoch is not finite",
         [&] { std::memcpy(stream_page(epoch, StreamKind::list_residuals), &nan, 4); });
  broken("frame is malformed", [&] { header(frame).unit = 0; });
  broken("frame is malformed", [&] { header(frame).unit = 3; });
  broken("frame is malformed", [&] { header(frame).unit = INFINITY; });
  broken("mean of a frame is not finite", [&] { std::memcpy(stream_page(frame, StreamKind::mean), &nan, 4); });
}

TEST_F(Check, Calibrations) {
  store::CalibrateResult result;
  index.locked([&] { ASSERT_OK(store::calibrate(index.pager, 1000000, &result)); });
  ObjectId id = result.calibration;
  ASSERT_NE(id, ObjectId::none);
  index.check();
  stream_page(id, StreamKind::stop_model)[0] ^= std::byte{1};
  EXPECT_EQ(index.check_status().code, Code::corrupt);
  store::Search* search = nullptr;
  EXPECT_EQ(store::start_search(index.pager, index.vectors[0].data(), {}, &search).code, Code::corrupt);
  stream_page(id, StreamKind::stop_model)[0] ^= std::byte{1};
  index.check();
  stream(id, StreamKind::stop_model).byte_size--;
  EXPECT_STREQ(index.check_status().message, "calibration is malformed");
}

TEST_F(Check, RetiredAndUnfinishedObjectsAreCheckedForSpaceOnly) {
  index.rewrite({flat, lists});
  std::memset(index.page(flat, 0), 0xEE, format::page_content_size);
  index.check();
}

// Other sessions insert and delete between any two reads of the check.
TEST(CheckConcurrent, InsertsAndVacuumsAreNoDamage) {
  StoreIndex index(20);
  index.insert_all(gaussian_rows(1, 3000, 20));
  index.flush();
  auto more = gaussian_rows(2, 600, 20);
  uint64_t at = 0;
  bool busy = false;
  index.pager.read_hook_period = 1;
  index.pager.hook = [&] {
    if (busy || at >= more.size() || index.pager.is_locked(LockName::edit)) return;
    busy = true;
    index.insert(more[at++]);
    if (at % 3 == 0) index.vacuum({at * 2, at * 2 + 3000});
    busy = false;
  };
  for (int round = 0; round < 40; round++) index.check();
  EXPECT_EQ(at, more.size());
}

}  // namespace
}  // namespace strata::testing
