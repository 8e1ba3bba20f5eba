// The bulk path, at dimensions where codes straddle pages in every way.
#include "unit/store/store_index.hpp"

namespace strata::testing {
namespace {

struct WriterCase {
  uint32_t dim;
  uint32_t ranked_count;
  uint32_t list_count;  // 0: flat
};

class Writer : public ::testing::TestWithParam<WriterCase> {
 protected:
  // Rows of `list_count` lists, every third of them empty, then two zero rows and three NULL rows.
  void write(StoreIndex& index) {
    auto [dim, ranked_count, list_count] = GetParam();
    auto shape = index.shape();
    index.pager.lock(LockName::merge);
    rows_ = gaussian_rows(dim, ranked_count, dim);
    Vector sample(size_t(ranked_count) * shape.padded_dim);
    for (uint32_t i = 0; i < ranked_count; i++)
      quant::rotate(shape.seed, dim, rows_[i].data(), sample.data() + size_t(i) * shape.padded_dim);
    ASSERT_OK(store::make_first_frame(index.pager, shape, sample.data(), ranked_count));
    auto manifest = index.manifest();
    frame_id_ = ObjectId(manifest.header.frame);
    ASSERT_NE(frame_id_, ObjectId::none);
    quant::Frame frame;
    ASSERT_OK(store::load_frame(index.pager, shape, manifest, frame_id_, &frame));
    store::EpochView* epoch = nullptr;
    if (list_count) {
      Vector centroids = gaussian_rows(1, 1, list_count * shape.padded_dim, 0.5)[0], residuals(list_count, 1.0f);
      store::EpochParts parts{frame_id_, list_count,   centroids.data(), residuals.data(),
                              1.0f,      ranked_count, nullptr,          0};
      ObjectId id;
      ASSERT_OK(store::write_epoch(index.pager, shape, parts, &id));
      manifest_ = index.manifest();
      ASSERT_OK(store::open_epoch(index.pager, shape, manifest_, id, &epoch));
    }
    store::SegmentSpec spec{frame_id_, epoch, ranked_count + 5, ranked_count, 2, 0};
    store::ManifestObject target{};
    store::ObjectHeaderDisk* header = nullptr;
    ASSERT_OK(store::begin_segment(index.pager, shape, spec, &target, &header));
    store::SegmentWriter<sim::SimPager> writer(index.pager, shape, spec, target, header);
    Vector z(shape.padded_dim);
    std::vector<std::byte> code(shape.refine_size);
    for (uint32_t i = 0; i < ranked_count; i++) {
      uint32_t list = list_count ? uint32_t(uint64_t(i) * list_count / ranked_count) : 0;
      if (list % 3 == 1) list++;
      if (list >= list_count && list_count) list = list_count - 1;
      lists_.push_back(list);
      quant::to_frame(frame, rows_[i].data(), z.data());
      quant::encode_refine(shape.padded_dim, z.data(), code.data());
      codes_.push_back(code);
      ASSERT_OK(writer.append(list, {tid_of_row(i), 0, i, nullptr, code.data()}));
    }
    for (uint32_t i = 0; i < 5; i++)
      ASSERT_OK(writer.append(0, {tid_of_row(ranked_count + i), i < 2 ? format::row_is_zero : format::row_is_null,
                                  ranked_count + i, nullptr, nullptr}));
    ASSERT_OK(writer.finish());
    ASSERT_OK(store::publish_segment(index.pager, target.id()));
    segment_ = target.id();
    index.pager.unlock(LockName::merge);
  }

  std::vector<Vector> rows_;
  std::vector<uint32_t> lists_;
  std::vector<std::vector<std::byte>> codes_;
  store::Manifest manifest_{};
  ObjectId frame_id_{}, segment_{};
};

TEST_P(Writer, EveryStreamReadsBack) {
  auto [dim, ranked_count, list_count] = GetParam();
  StoreIndex index(dim);
  ASSERT_NO_FATAL_FAILURE(write(index));
  EXPECT_EQ(index.check().row_count, ranked_count + 5);
  auto stored = index.rows_of(segment_);
  ASSERT_EQ(stored.size(), ranked_count + 5);
  for (uint32_t i = 0; i < stored.size(); i++) {
    uint16_t flags = i < ranked_count ? 0 : i < ranked_count + 2 ? format::row_is_zero : format::row_is_null;
    ASSERT_EQ(stored[i], (StoredRow{i, tid_of_row(i), flags, false}));
  }
  auto manifest = index.manifest();
  auto shape = index.shape();
  store::RowSource source;
  ASSERT_OK(store::open_source(index.pager, shape, manifest, *manifest.find(segment_), frame_id_, &source));
  for (uint32_t i = 0; i < ranked_count; i++) {
    store::RowView view;
    ASSERT_OK(store::fetch_row(index.pager, shape, source, i, &view));
    ASSERT_EQ(std::memcmp(view.refine, codes_[i].data(), codes_[i].size()), 0) << i;
    uint32_t list = 0;
    if (list_count) {
      ASSERT_OK(store::list_of_row(index.pager, source, i, &list));
      ASSERT_EQ(list, lists_[i]);
    }
  }
}

// The scan codes on pages are those of the encoder, whole blocks and those cut by page ends alike.
TEST_P(Writer, ScanOverPagesGivesTheBoundsOfOneBlock) {
  auto [dim, ranked_count, list_count] = GetParam();
  StoreIndex index(dim);
  ASSERT_NO_FATAL_FAILURE(write(index));
  auto shape = index.shape();
  auto manifest = index.manifest();
  auto header = index.header(segment_);
  auto const* stream = store::find_stream(header, store::StreamKind::scan_codes);
  ASSERT_NE(stream, nullptr);
  uint32_t const bytes = quant::block_size(shape.padded_dim, shape.scan.bits);
  uint32_t const blocks = (ranked_count + 31) / 32;
  ASSERT_EQ(stream->byte_size, uint64_t(blocks) * bytes);
  std::vector<std::byte> codes(stream->byte_size);
  ASSERT_OK(store::read_stream(index.pager, *manifest.find(segment_), *stream, 0, stream->byte_size, codes.data()));
  quant::Frame frame;
  ASSERT_OK(store::load_frame(index.pager, shape, manifest, frame_id_, &frame));
  Vector query = gaussian_rows(99, 1, dim)[0], w(shape.padded_dim);
  quant::to_frame(frame, query.data(), w.data());
  auto* table =
      quant::build_query_table(shape.scan, w.data(), index.pager.allocate(quant::query_table_size(shape.padded_dim)));
  quant::ScanBounds bounds{10, 2, std::numeric_limits<float>::infinity()};
  for (uint32_t first : {0u, blocks / 2}) {
    Vector over_pages((blocks - first) * 32), direct((blocks - first) * 32);
    ASSERT_OK(store::scan_stream(index.pager, shape, *manifest.find(segment_), *stream, table, first, blocks, bounds,
                                 over_pages.data()));
    for (uint32_t block = first; block < blocks; block++)
      quant::scan_block(table, codes.data() + size_t(block) * bytes, bounds, direct.data() + (block - first) * 32);
    for (uint32_t row = first * 32; row < ranked_count; row++)
      ASSERT_NEAR(over_pages[row - first * 32], direct[row - first * 32],
                  1e-4 * (1 + std::abs(direct[row - first * 32])))
          << row;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Writer,
                         ::testing::Values(WriterCase{3, 2000, 0}, WriterCase{3, 2000, 20}, WriterCase{50, 700, 0},
                                           WriterCase{50, 700, 9}, WriterCase{784, 100, 0}, WriterCase{784, 100, 7},
                                           WriterCase{1536, 70, 0}, WriterCase{1536, 70, 5}, WriterCase{16000, 33, 0},
                                           WriterCase{16000, 40, 3}));

TEST(WriterErrors, WrongCountsAndWrongOrderAreNoticed) {
  StoreIndex index(3);
  index.insert_all(gaussian_rows(1, 200, 3));
  auto trained = index.train(4);
  auto shape = index.shape();
  auto manifest = index.manifest();
  store::EpochView* epoch = nullptr;
  ASSERT_OK(store::open_epoch(index.pager, shape, manifest, trained.epoch, &epoch));
  std::vector<std::byte> code(shape.refine_size, std::byte{0});
  auto attempt = [&](auto&& appends) {
    store::SegmentSpec spec{ObjectId(manifest.header.frame), epoch, 2, 2, 0, 0};
    store::ManifestObject target{};
    store::ObjectHeaderDisk* header = nullptr;
    EXPECT_OK(store::begin_segment(index.pager, shape, spec, &target, &header));
    store::SegmentWriter<sim::SimPager> writer(index.pager, shape, spec, target, header);
    Status status = appends(writer);
    return status.ok() ? writer.finish() : status;
  };
  store::RowView row{tid_of_row(1), 0, 1, nullptr, code.data()};
  EXPECT_OK(attempt([&](auto& writer) {
    EXPECT_OK(writer.append(1, row));
    return writer.append(3, row);
  }));
  EXPECT_FALSE(attempt([&](auto& writer) { return writer.append(1, row); }).ok());
  EXPECT_FALSE(attempt([&](auto& writer) {
                 EXPECT_OK(writer.append(2, row));
                 return writer.append(1, row);
               }).ok());
  EXPECT_FALSE(attempt([&](auto& writer) { return writer.append(4, row); }).ok());
  EXPECT_EQ(store::publish_segment(index.pager, trained.epoch).code, Code::corrupt) << "it is not being built";
  index.locked([] {});
  EXPECT_OK(index.check_status());
}

}  // namespace
}  // namespace strata::testing
