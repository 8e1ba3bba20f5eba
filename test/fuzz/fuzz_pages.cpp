// Strategy: bytes of the pages of small valid indexes are changed, then everything that reads an index runs over them:
// check, search to the end, row counts, vacuum, insert, seal, merge, maintenance. Invariant: nothing crashes, reads out
// of bounds, asks for huge memory or goes on for ever; and what check accepts, works: no operation fails, a search
// finds every row.
//
//   | index | flags | edits of 8 bytes: block, operation, offset (2), value (4) |
//
// Flag 1: the checksum of the manifest is made right again, as if a bug and not a disk had written it.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fuzz/fuzz.hpp"
#include "fuzz/hostile_pager.hpp"
#include "sim/copy_of.hpp"
#include "store/check.hpp"
#include "store/insert.hpp"
#include "store/maintain.hpp"
#include "store/search.hpp"
#include "store/vacuum.hpp"

namespace {

using namespace strata;
using fuzz::HostilePager;
using store::ObjectKind;
using store::ObjectState;

void require(bool condition, char const* what) {
  if (!condition) sim::fail(what);
}
void must(Status status) {
  require(status.ok(), status.ok() ? "" : status.message);
}

struct Shape {
  uint32_t dim;
  Metric metric;
  uint32_t sealed_count;   // rows in the first segment
  uint32_t list_count;     // 0: flat
  uint32_t growing_count;  // rows that stay in the growing segment
  uint32_t column_count;   // filter columns
  store::CopyPlan copies = {};
  store::Spill spill = store::Spill::off;
};
constexpr Shape shapes[] = {{3, Metric::l2, 0, 0, 200, 0},
                            {20, Metric::inner_product, 90, 0, 5, 0},
                            {20, Metric::cosine, 150, 6, 40, 0},
                            {9000, Metric::l2, 2, 0, 3, 0},
                            {16, Metric::l2, 300, 12, 0, 0},
                            {4, Metric::l2, 200, 5, 30, 2},
                            {4, Metric::cosine, 60, 0, 10, 3},
                            {30, Metric::l2, 120, 4, 70, 0, {4}},
                            {4000, Metric::l2, 3, 0, 2, 1, {4}},
                            {30, Metric::cosine, 120, 4, 70, 0, store::rounded_copies},
                            {16, Metric::l2, 260, 8, 20, 1, {}, store::Spill::on}};
constexpr format::ColumnDisk columns[] = {
    {format::ColumnKind::fixed, 4, 0, 0}, {format::ColumnKind::hash, 8, 0, 0}, {format::ColumnKind::fixed, 1, 0, 0}};
constexpr uint32_t shape_count = std::size(shapes);

void insert(HostilePager& pager, store::Inserter& inserter, Shape const& shape, uint32_t row) {
  std::vector<float> vector(shape.dim);
  Random random(row + 1);
  double norm2 = 0;
  for (float& x : vector) x = float(random.unit() + row % 5), norm2 += double(x) * x;
  if (shape.metric == Metric::cosine)
    for (float& x : vector) x = float(x / std::sqrt(norm2));
  std::byte keys[64] = {};
  format::ColumnsShape const& kept = inserter.shape.columns;
  for (uint32_t column = 0; column < kept.count; column++)
    format::set_column(kept, column, mix64(row) % 5 * (column + 1), row % 7 == column, keys);
  uint16_t flags = row % 11 == 7 ? format::row_is_null : row % 11 == 8 ? format::row_is_zero : 0;
  std::vector<std::byte> const copy = sim::copy_of(inserter.shape, vector);
  must(store::insert_row(pager, inserter, Tid::of(row / 50, uint16_t(row % 50 + 1)), flags, row, keys,
                         flags ? nullptr : vector.data(), flags || copy.empty() ? nullptr : copy.data()));
}

std::vector<sim::Content> make_index(Shape const& shape) {
  HostilePager pager;
  must(store::create_index(pager,
                           store::meta_for(shape.dim, shape.metric, 3, columns, shape.column_count, shape.copies)));
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  store::Inserter* lanes[2] = {store::open_inserter(pager, meta, 0), store::open_inserter(pager, meta, 1)};
  uint32_t row = 0;
  for (; row < shape.sealed_count; row++) insert(pager, *lanes[row % 2], shape, row);
  pager.lock(store::LockName::merge);
  store::TrainResult trained;
  if (shape.list_count) must(store::train_epoch(pager, {shape.list_count, 1000, SIZE_MAX, shape.spill}, row, &trained));
  store::RewriteResult result;
  must(store::flush(pager, &result));
  pager.horizon = UINT64_MAX;
  store::ReclaimResult reclaimed;
  must(store::reclaim(pager, &reclaimed));
  store::CalibrateResult calibrated;
  if (shape.sealed_count > 200) must(store::calibrate(pager, 1000, &calibrated));
  pager.unlock(store::LockName::merge);
  for (; row < shape.sealed_count + shape.growing_count; row++) insert(pager, *lanes[row % 2], shape, row);
  store::VacuumResult vacuumed;
  must(store::vacuum(
      pager, [](Tid tid) { return tid.offset() % 9 == 4; }, &vacuumed));
  return pager.pages;
}

std::vector<sim::Content> const& valid_index(uint32_t which) {
  static std::vector<sim::Content> indexes[shape_count];
  if (indexes[which].empty()) indexes[which] = make_index(shapes[which]);
  return indexes[which];
}

// Values at which decoders tend to be wrong.
constexpr uint32_t planted[] = {0,          1,          2,          31,         32,         255,
                                256,        8152,       8153,       65535,      0x7f800000, 0x7fc00000,
                                0x7fffffff, 0x80000000, 0xff7fffff, 0xfffffffe, 0xffffffff};

void edit(std::vector<sim::Content>& pages, uint8_t const* bytes) {
  uint16_t offset;
  uint32_t value;
  std::memcpy(&offset, bytes + 2, sizeof offset);
  std::memcpy(&value, bytes + 4, sizeof value);
  auto& page = pages[bytes[0] % pages.size()];
  uint8_t operation = bytes[1];
  uint32_t at = offset % format::page_content_size;
  if (operation & 0x80)
    at = format::page_body_size + offset % sizeof(format::PageTailDisk);
  else if (operation & 0x40)
    at = offset % 512;  // headers, and the first streams of an object
  auto put = [&](void const* from, uint32_t size) {
    std::memcpy(page.data() + std::min(at, format::page_content_size - size), from, size);
  };
  uint64_t twice = uint64_t(value) << 32 | value;
  switch (operation % 8) {
    case 0:
      put(&value, 1);
      break;
    case 1:
      page[at] ^= std::byte(1u << value % 8);
      break;
    case 2:
      put(&value, 2);
      break;
    case 3:
      put(&value, 4);
      break;
    case 4:
      put(&twice, 8);
      break;
    case 5:
      put(&planted[value % std::size(planted)], 4);
      break;
    case 6:
      page = pages[value % pages.size()];
      break;
    default:
      page[at] = std::byte(uint8_t(page[at]) + (value % 2 ? 1 : 255));
  }
}

void repair_checksum(std::vector<sim::Content>& pages) {
  store::MetaDisk meta;
  std::memcpy(&meta, pages[0].data(), sizeof meta);
  uint32_t const start = meta.slot[meta.active_slot % 2].start;
  if (meta.manifest_size > format::page_body_size || meta.manifest_size < sizeof(store::ManifestHeaderDisk) ||
      start >= pages.size())
    return;
  std::byte* bytes = pages[start].data();
  uint32_t crc = 0;
  std::memcpy(bytes + offsetof(store::ManifestHeaderDisk, crc), &crc, sizeof crc);
  crc = crc32c(bytes, meta.manifest_size);
  std::memcpy(bytes + offsetof(store::ManifestHeaderDisk, crc), &crc, sizeof crc);
}

// The first failure of everything that is done, and rows found on the way.
struct Outcome {
  Status status;
  uint64_t row_count = 0;
  void note(Status next) {
    if (status.ok()) status = next;
  }
};

Status look_at_copy(HostilePager& pager, store::Search& search, store::Candidate const& candidate) {
  store::IndexShape const& shape = search.shape;
  if (shape.copy_size == 0) return {};
  std::vector<std::byte> copy(shape.copy_size);
  Status status = store::copy_of(pager, search, candidate.source, candidate.row, copy.data());
  if (!status.ok() || !store::has_rounded_copies(shape)) return status;
  std::vector<float> vector(shape.dim);
  double error = 0;
  status = quant::decode_rounded(shape.dim, copy.data(), vector.data(), &error);
  if (!status.ok()) return status;
  require(error >= 0, "the error of a copy is not a number");
  quant::CopyQuery const query = quant::copy_query(shape.metric, shape.dim, search.vector);
  quant::ScoreRange const range = quant::score_range(query, vector.data(), candidate.score, error);
  require(range.least <= range.most, "the range of a score is empty");
  return status;
}

void search_all(HostilePager& pager, uint32_t dim, segment::Filter const* filter, Outcome* outcome) {
  std::vector<float> vector(std::max(dim, 1u), 0.25f);
  store::Search* search = nullptr;
  store::SearchOptions options;
  options.filter = filter;
  Status status = store::start_search(pager, vector.data(), options, &search);
  for (uint32_t target = 3; status.ok() && !store::search_exhausted(*search); target *= 4) {
    require(target < 1u << 30, "a search of a small index is not exhausted");
    status = store::advance_search(pager, *search, target);
    store::Candidate candidate;
    float before = -INFINITY;
    while (status.ok() && store::next_candidate(*search, &candidate)) {
      require(candidate.lower_bound >= before, "candidates are out of order");
      before = candidate.lower_bound;
      Tid tid{};
      status = store::tid_of(pager, *search, candidate.source, candidate.row, &tid);
      if (status.ok()) status = look_at_copy(pager, *search, candidate);
      outcome->row_count++;
    }
  }
  for (auto pass : {store::RowPass::zero, store::RowPass::null}) {
    store::RowIterator iterator{pass, 0, 0};
    bool found = true;
    while (status.ok() && found) {
      Tid tid{};
      status = store::next_row(pager, *search, iterator, &tid, &found);
      outcome->row_count += found ? 1 : 0;
    }
  }
  outcome->note(status);
}

// Each row passes one of three conditions on every column.
void search_by_columns(HostilePager& pager, store::MetaDisk const& meta, Outcome* outcome) {
  for (uint16_t column = 0; column < meta.column_count; column++) {
    segment::Condition const conditions[] = {{column, segment::Test::range, 0, 1, nullptr, 0},
                                             {column, segment::Test::range, 2, UINT64_MAX, nullptr, 0},
                                             {column, segment::Test::null, 0, 0, nullptr, 0}};
    for (segment::Condition const& condition : conditions) {
      segment::Filter const filter{&condition, 1};
      search_all(pager, meta.dim, &filter, outcome);
    }
  }
}

void count_rows(HostilePager& pager, Outcome* outcome) {
  store::Manifest manifest{};
  Status status = store::load_manifest(pager, &manifest);
  outcome->note(status);
  if (!status.ok()) return;
  store::IndexShape shape = store::shape_of(manifest.meta);
  for (auto const& object : manifest.objects) {
    uint64_t rows = 0;
    bool readable = object.disk.state == ObjectState::live || object.disk.state == ObjectState::frozen;
    if (readable && object.disk.kind == ObjectKind::growing)
      outcome->note(store::count_growing_rows(pager, shape, object, &rows));
  }
}

void change_all(HostilePager& pager, Outcome* outcome) {
  store::VacuumResult vacuumed;
  outcome->note(store::vacuum(
      pager, [](Tid tid) { return tid.offset() % 3 == 0; }, &vacuumed));
  store::MetaDisk meta;
  Status status = store::read_meta(pager, &meta);
  outcome->note(status);
  if (status.ok()) {
    std::vector<float> vector(meta.dim, 0.5f);
    std::byte const keys[256] = {};
    auto* inserter = store::open_inserter(pager, meta, 0);
    std::vector<std::byte> const copy = sim::copy_of(inserter->shape, vector);
    for (uint64_t i = 0; i < 3 && status.ok(); i++)
      outcome->note(status = store::insert_row(pager, *inserter, Tid::of(9000, uint16_t(1 + i)), 0, i, keys,
                                               vector.data(), copy.empty() ? nullptr : copy.data()));
  }
  pager.lock(store::LockName::merge);
  pager.horizon = UINT64_MAX;
  store::RewriteResult rewritten;
  outcome->note(store::flush(pager, &rewritten));
  store::MaintainOptions options;
  options.force_merge = true;
  store::MaintainResult maintained{};
  for (int i = 0; i < 10; i++) {
    outcome->note(status = store::maintain(pager, options, &maintained));
    if (!status.ok() || maintained.step == store::Step::nothing) break;
  }
  pager.unlock(store::LockName::merge);
}

void run(HostilePager& pager) {
  store::CheckResult checked{}, again{};
  Status const verdict = store::check(pager, &checked);
  store::MetaDisk meta{};
  bool const has_meta = store::read_meta(pager, &meta).ok();
  Outcome searched, changed;
  count_rows(pager, &searched);
  search_all(pager, has_meta ? meta.dim : 1, nullptr, &searched);
  Outcome filtered;
  if (has_meta) search_by_columns(pager, meta, &filtered);
  if (verdict.ok()) {
    must(searched.status);
    require(searched.row_count == checked.row_count, "the search lost rows of an index that check accepts");
    must(filtered.status);
    require(filtered.row_count == checked.row_count * meta.column_count, "conditions lost rows");
  }
  change_all(pager, &changed);
  Status const afterwards = store::check(pager, &again);
  if (verdict.ok()) {
    must(changed.status);
    must(afterwards);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(uint8_t const* data, size_t size) {
  if (size < 2) return 0;
  auto pager = std::make_unique<HostilePager>();
  pager->pages = valid_index(data[0] % shape_count);
  for (size_t at = 2; at + 8 <= size && at < 2 + 8 * 64; at += 8) edit(pager->pages, data + at);
  if (data[1] & 1) repair_checksum(pager->pages);
  try {
    run(*pager);
  } catch (fuzz::Refused const&) {
  }
  return 0;
}

size_t fuzz_seed(uint8_t* out, size_t capacity, uint64_t number) {
  size_t const size = 2 + 8 * 3;
  if (number >= 6 * shape_count || capacity < size) return 0;
  std::memset(out, 0, size);
  out[0] = uint8_t(number % shape_count);
  out[1] = uint8_t(number / shape_count % 2);
  Random random(number);
  // Where edits fall: a header, a tail, anywhere.
  static constexpr uint8_t operations[] = {0x45, 0x85, 0x05, 0x41, 0x06, 0x07};
  for (size_t at = 2; number >= 2 * shape_count && at < size; at += 8) {
    for (size_t i = 0; i < 8; i++) out[at + i] = uint8_t(random.next());
    out[at + 1] = operations[random.below(std::size(operations))];
  }
  return size;
}
