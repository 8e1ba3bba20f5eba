// Strategy: any bytes as meta page, or as header page of an object with its entry in the manifest. Invariant: what the
// checks accept gives sizes that fit: rows that fit their pages, streams inside of their object, lists and rows in
// proportion to its pages.
//
//   | kind: meta, header | MetaDisk or ObjectDisk and ObjectHeaderDisk |
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fuzz/fuzz.hpp"
#include "fuzz/hostile_pager.hpp"
#include "store/row_source.hpp"

namespace {

using namespace strata;
using store::MetaDisk;
using store::ObjectDisk;
using store::ObjectHeaderDisk;
using store::ObjectKind;

constexpr uint32_t dim = 20;

void require(bool condition) {
  if (!condition) std::abort();
}

void test_meta(uint8_t const* data, size_t size) {
  MetaDisk meta{};
  std::memcpy(&meta, data, std::min(size, sizeof meta));
  if (!format::check_meta(meta).ok()) return;
  store::IndexShape const shape = store::shape_of(meta);
  require(shape.dim >= 1 && shape.padded_dim == quant::padded_dim_of(shape.dim));
  auto const& growing = shape.growing;
  require(growing.capacity >= 1 && growing.capacity <= format::growing_page_rows_max);
  require(growing.group_page_count >= 1 && growing.group_page_count < store::pages_per_action_max);
  require(growing.entry_size <=
          uint64_t(growing.group_page_count) * format::page_body_size - sizeof(format::GrowingPageDisk));
  require(growing.columns_size <= 8 * filter_column_count_max);
}

// The object starts at block 3; its pages after the header are streams of zeros.
void test_header(uint8_t const* data, size_t size) {
  ObjectDisk disk{};
  ObjectHeaderDisk header{};
  if (size < sizeof disk) return;
  std::memcpy(&disk, data, sizeof disk);
  std::memcpy(&header, data + sizeof disk, std::min(size - sizeof disk, sizeof header));
  disk.page_count = disk.page_count % 64 + 1;
  auto pager = std::make_unique<fuzz::HostilePager>();
  pager->pages.resize(3 + disk.page_count);
  store::Manifest manifest{};
  store::ManifestObject object{};
  object.disk = disk;
  object.extents.push(*pager, {3, disk.page_count});
  for (uint32_t page_no = 0; page_no < disk.page_count; page_no++) {
    format::PageSpan page{pager->pages[3 + page_no].data()};
    format::init_page(page, page_no ? format::PageKind::stream : format::PageKind::object_header, object.id(), page_no);
    if (page_no == 0) std::memcpy(page.body(), &header, sizeof header);
  }
  manifest.objects.push(*pager, object);
  if (format::check_header(header, disk).ok())
    for (uint32_t i = 0; i < header.stream_count; i++) {
      auto const& stream = header.stream[i];
      require(uint64_t(stream.first_page) + stream.page_count <= disk.page_count);
      require(stream.byte_size <= uint64_t(disk.page_count) * format::page_body_size);
    }
  store::IndexShape const shape = store::shape_of(store::meta_for(dim, Metric::l2, 1));
  store::EpochView* epoch = nullptr;
  if (store::open_epoch(*pager, shape, manifest, object.id(), &epoch).ok()) {
    require(uint64_t(epoch->list_count) * epoch->centroid_size <= uint64_t(disk.page_count) * format::page_body_size);
    float* centroids = nullptr;
    (void)store::load_centroids(*pager, shape, *epoch, &centroids);
  }
  if (disk.kind == ObjectKind::segment && disk.frame == 0) {
    store::RowSource source;
    if (store::open_source(*pager, shape, manifest, object, ObjectId::none, &source).ok()) {
      require(uint64_t(source.row_count) * 6 <= uint64_t(disk.page_count) * format::page_body_size);
      store::RowView view;
      for (uint32_t row = 0; row < source.row_count; row++) (void)store::fetch_row(*pager, shape, source, row, &view);
      uint32_t list;
      if (disk.epoch && source.row_count) (void)store::list_of_row(*pager, source, source.row_count - 1, &list);
    }
  }
  quant::Frame frame;
  (void)store::load_frame(*pager, shape, manifest, object.id(), &frame);
}

}  // namespace

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size < 1) return 0;
  if (data[0] % 2 == 0)
    test_meta(data + 1, size - 1);
  else
    test_header(data + 1, size - 1);
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  if (number < 4) {
    MetaDisk meta = store::meta_for(number == 0   ? 1
                                    : number == 1 ? 300
                                    : number == 2 ? 9000
                                                  : 16000,
                                    Metric(1 + number % 3), 1);
    meta.magic = format::meta_magic;
    meta.format_version = format::index_format_version;
    meta.slot[0] = {1, 1};
    meta.slot[1] = {2, 1};
    meta.column_count = uint8_t(number);
    for (uint64_t i = 0; i < number; i++) meta.column[i] = {format::ColumnKind::fixed, 4, 0, 0};
    if (capacity < 1 + sizeof meta) return 0;
    out[0] = 0;
    std::memcpy(out + 1, &meta, sizeof meta);
    return 1 + sizeof meta;
  }
  if (number > 7 || capacity < 1 + sizeof(ObjectDisk) + sizeof(ObjectHeaderDisk)) return 0;
  store::IndexShape const shape = store::shape_of(store::meta_for(dim, Metric::l2, 1));
  uint32_t const rows = 70, lists = 3, block = quant::block_size(shape.padded_dim, shape.scan.bits);
  using store::StreamKind;
  constexpr uint32_t body = format::page_body_size;
  store::StreamPlan const segment[] = {
      {StreamKind::ids, 0, 6, body, rows * 6},
      {StreamKind::hashes, 0, 8, body, rows * 8},
      {StreamKind::delete_bitmap, 0, 0, body, (rows + 7) / 8},
      {StreamKind::scan_codes, 0, block, format::scan_stream_bytes_per_page, uint64_t(3) * block},
      {StreamKind::refine_codes, 0, shape.refine_size, body, uint64_t(rows) * shape.refine_size},
      {StreamKind::directory, 0, 8, body, (lists + 1) * 8}};
  store::StreamPlan const epoch[] = {{StreamKind::centroid_codes, 0, block, format::scan_stream_bytes_per_page, block},
                                     {StreamKind::centroids, 0, 64, body, lists * shape.padded_dim * 2},
                                     {StreamKind::list_residuals, 0, 4, body, lists * 4}};
  store::StreamPlan const frame[] = {{StreamKind::mean, 0, 4, body, shape.padded_dim * 4}};
  ObjectDisk disk{};
  ObjectHeaderDisk header{};
  disk.id = header.id = 7;
  disk.kind = header.kind = number == 6 ? ObjectKind::epoch : number == 7 ? ObjectKind::frame : ObjectKind::segment;
  disk.state = store::ObjectState::live;
  if (number <= 5) {
    disk.row_count = header.row_count = disk.ranked_count = header.ranked_count = rows;
    if (number == 5) disk.epoch = header.epoch = 7;
  }
  if (number == 5 || number == 6) disk.list_count = header.list_count = lists;
  header.unit = 1;
  disk.page_count = number == 6   ? store::plan_streams(epoch, 3, &header).main
                    : number == 7 ? store::plan_streams(frame, 1, &header).main
                                  : store::plan_streams(segment, number == 5 ? 6 : 5, &header).main;
  disk.page_count--;  // the target adds one
  out[0] = 1;
  std::memcpy(out + 1, &disk, sizeof disk);
  std::memcpy(out + 1 + sizeof disk, &header, sizeof header);
  return 1 + sizeof disk + sizeof header;
}
