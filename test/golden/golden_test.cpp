// The bytes of the format, held against the code: README.md says what the files are and when they may change.
//
//   golden_test              compares
//   golden_test --write      writes the files of the format version in force anew
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "core/math/simd.hpp"
#include "sim/copy_of.hpp"
#include "sim/sim_pager.hpp"
#include "store/check.hpp"
#include "store/insert.hpp"
#include "store/publish.hpp"
#include "store/reclaim.hpp"
#include "store/seal.hpp"
#include "store/search.hpp"
#include "store/tier.hpp"
#include "store/vacuum.hpp"

namespace strata {
namespace {

using sim::Content;
using store::ObjectKind;

// Creation times are part of the bytes.
class GoldenPager : public sim::SimPager {
 public:
  int64_t now() { return 800000000000000; }
};

void must(Status status) {
  ASSERT_TRUE(status.ok()) << status.message << " " << status.detail;
}

std::string kind_name(format::PageTailDisk const& tail) {
  static constexpr char const* names[] = {"zero",         "meta",          "manifest", "growing",
                                          "growing_tail", "object_header", "stream"};
  if (tail.magic != format::page_magic || int(tail.kind) >= format::page_kind_count) return "zero";
  return names[int(tail.kind)];
}

// Lines of 16 bytes that repeat the line before are left out, as hexdump does; `*` stands for them.
std::string dump(std::vector<Content> const& pages) {
  std::string text;
  char word[96];
  for (size_t block = 0; block < pages.size(); block++) {
    auto const tail = format::PageView{pages[block].data()}.tail();
    std::snprintf(word, sizeof word, "page %zu %s owner %u number %u used %u\n", block, kind_name(tail).c_str(),
                  tail.owner, tail.page_no, tail.used);
    text += word;
    bool starred = false;
    for (uint32_t at = 0; at < format::page_content_size; at += 16) {
      uint32_t const count = std::min(16u, format::page_content_size - at);
      bool const same =
          at > 0 && count == 16 && std::memcmp(pages[block].data() + at, pages[block].data() + at - 16, 16) == 0;
      if (same && starred) continue;
      starred = same;
      if (same) {
        text += "*\n";
        continue;
      }
      std::snprintf(word, sizeof word, "%04x", at);
      text += word;
      for (uint32_t i = 0; i < count; i++) {
        std::snprintf(word, sizeof word, "%s%02x", i % 4 ? "" : " ", unsigned(pages[block][at + i]));
        text += word;
      }
      text += "\n";
    }
  }
  return text;
}

std::vector<Content> parse(std::string const& text) {
  std::vector<Content> pages;
  std::istringstream lines(text);
  std::string line;
  uint32_t filled = 0;
  bool repeat = false;
  auto fill_to = [&](uint32_t end) {
    for (; repeat && filled < end; filled++) pages.back()[filled] = pages.back()[filled - 16];
    repeat = false;
  };
  while (std::getline(lines, line)) {
    if (line.rfind("page ", 0) == 0) {
      if (!pages.empty()) fill_to(format::page_content_size);
      pages.emplace_back();
      filled = 0;
    } else if (line == "*") {
      repeat = true;
    } else {
      auto const at = uint32_t(std::stoul(line.substr(0, 4), nullptr, 16));
      fill_to(at);
      filled = at;
      for (size_t i = 4; i + 1 < line.size();) {
        if (line[i] == ' ') {
          i++;
          continue;
        }
        pages.back()[filled++] = std::byte(std::stoul(line.substr(i, 2), nullptr, 16));
        i += 2;
      }
    }
  }
  if (!pages.empty()) fill_to(format::page_content_size);
  return pages;
}

// Vectors of small integers: with 16 dimensions the rotation is exact, so no rounding enters the frame.
std::vector<float> vector_of(uint32_t dim, uint32_t row) {
  std::vector<float> vector(dim);
  for (uint32_t i = 0; i < dim; i++) vector[i] = float(int((row * 5 + i * 3) % 17) - 8);
  return vector;
}

void insert(GoldenPager& pager, store::Inserter& inserter, uint32_t dim, uint32_t row, uint16_t flags = 0) {
  auto const vector = vector_of(dim, row);
  must(store::insert_row(pager, inserter, Tid::of(0x10000 + row / 8, uint16_t(row % 8 + 1)), flags,
                         0x0102030405060700 + row, "", flags ? nullptr : vector.data()));
}

// Three lists of our own: k-means may change without the format.
void add_codebook(GoldenPager& pager, store::IndexShape const& shape, bool spills = false) {
  store::Manifest manifest{};
  must(store::load_manifest(pager, &manifest));
  std::vector<float> centroids, residuals{1.0f, 2.0f, 0.5f};
  for (uint32_t i = 0; i < 3 * shape.padded_dim; i++) centroids.push_back(float(int(i * 7 % 5) - 2) / 4);
  store::EpochParts parts{
      ObjectId(manifest.header.frame), 3, centroids.data(), residuals.data(), 1.25f, 40, nullptr, 0};
  parts.spills = spills;
  ObjectId epoch;
  must(store::write_epoch(pager, shape, parts, &epoch));
}

// Seals 40 rows, one NULL, with lists; returns what inserts more.
store::Inserter* seal_small(GoldenPager& pager, bool spills) {
  constexpr uint32_t dim = 16;
  must(store::create_index(pager, store::meta_for(dim, Metric::l2, 0x5eed)));
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  auto* inserter = store::open_inserter(pager, meta, 1);
  for (uint32_t row = 0; row < 40; row++) insert(pager, *inserter, dim, row, row == 20 ? format::row_is_null : 0);
  pager.lock(store::LockName::merge);
  add_codebook(pager, store::shape_of(meta), spills);
  store::RewriteResult result;
  must(store::flush(pager, &result));
  pager.unlock(store::LockName::merge);
  return inserter;
}

// All kinds of objects: 40 rows sealed with lists, 3 of them deleted, one NULL; 5 rows in a growing segment, one
// deleted.
std::vector<Content> make_small() {
  GoldenPager pager;
  auto* inserter = seal_small(pager, false);
  for (uint32_t row = 40; row < 45; row++) insert(pager, *inserter, 16, row);
  store::VacuumResult vacuumed;
  must(store::vacuum(
      pager, [](Tid tid) { return tid.offset() == 2 && tid.block() % 2 == 1; }, &vacuumed));
  return pager.pages;
}

// Rows that take two pages: growing_tail.
std::vector<Content> make_wide() {
  constexpr uint32_t dim = 8100;
  GoldenPager pager;
  must(store::create_index(pager, store::meta_for(dim, Metric::inner_product, 0x5eed)));
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  auto* inserter = store::open_inserter(pager, meta, 0);
  // Both rows are the mean of the frame: all codes are equal, and the dump is short.
  std::vector<float> vector(dim, 0.0f);
  vector[0] = 4;
  must(store::insert_row(pager, *inserter, Tid::of(7, 1), 0, 1, "", vector.data()));
  must(store::insert_row(pager, *inserter, Tid::of(7, 2), 0, 2, "", vector.data()));
  return pager.pages;
}

// 40 rows in three lists, each also in a second one.
std::vector<Content> make_spilled() {
  GoldenPager pager;
  seal_small(pager, true);
  return pager.pages;
}

constexpr format::ColumnDisk filter_columns[] = {
    {format::ColumnKind::fixed, 2, 0, 0}, {format::ColumnKind::fixed, 4, 0, 0}, {format::ColumnKind::hash, 8, 0, 0}};

// 40 rows with filter columns in three lists, the columns of every tenth NULL; 3 rows in a growing segment.
std::vector<Content> make_filter() {
  constexpr uint32_t dim = 16;
  GoldenPager pager;
  must(store::create_index(pager, store::meta_for(dim, Metric::l2, 0x5eed, filter_columns, 3)));
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  store::IndexShape const shape = store::shape_of(meta);
  auto* inserter = store::open_inserter(pager, meta, 1);
  auto insert_one = [&](uint32_t row) {
    auto const vector = vector_of(dim, row);
    std::vector<std::byte> columns(shape.columns.total_size);
    format::set_column(shape.columns, 0, row % 4, row % 10 == 9, columns.data());
    format::set_column(shape.columns, 1, 1000 + row, row % 10 == 9, columns.data());
    format::set_column(shape.columns, 2, 0x1122334455667700 + row / 2, row % 10 == 9, columns.data());
    must(store::insert_row(pager, *inserter, Tid::of(row / 8, uint16_t(row % 8 + 1)), 0, row, columns.data(),
                           vector.data()));
  };
  for (uint32_t row = 0; row < 40; row++) insert_one(row);
  pager.lock(store::LockName::merge);
  add_codebook(pager, shape);
  store::RewriteResult result;
  must(store::flush(pager, &result));
  pager.unlock(store::LockName::merge);
  for (uint32_t row = 40; row < 43; row++) insert_one(row);
  return pager.pages;
}

// One cold segment of 12 rows, and the hot one that it was: first the index, then its companion.
GoldenPager const& tiered() {
  static GoldenPager pager;
  if (!pager.pages.empty()) return pager;
  constexpr uint32_t dim = 16;
  must(store::create_index(pager, store::meta_for(dim, Metric::l2, 0x5eed)));
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  auto* inserter = store::open_inserter(pager, meta, 1);
  for (uint32_t row = 0; row < 12; row++) insert(pager, *inserter, dim, row);
  pager.lock(store::LockName::merge);
  store::RewriteResult sealed, moved;
  must(store::flush(pager, &sealed));
  must(store::bind_companion(pager, 0x4711, 0));
  must(store::move_to_tier(pager, sealed.output, store::Tier::cold, &moved));
  store::HitCount const hits{moved.output, 3};
  must(store::record_hits(pager, &hits, 1));
  pager.unlock(store::LockName::merge);
  return pager;
}
std::vector<Content> make_tiered() {
  return tiered().pages;
}
std::vector<Content> make_companion() {
  return tiered().cold_pages;
}

// What rounding to 16 bits treats differently: kept as integers without and with a loss, as halves, not at all.
std::vector<float> uneven_vector(uint32_t dim, uint32_t row) {
  auto vector = vector_of(dim, row);
  constexpr float factors[] = {1, 1 / 3.0f, 1e-30f, 1e20f};
  for (float& x : vector) x *= factors[row % 4];
  if (row > 4) vector[row] = 4000;
  return vector;
}

using MakeVector = std::vector<float> (*)(uint32_t dim, uint32_t row);

// Rows with copies of their vectors: five sealed ones and three growing ones.
std::vector<Content> make_copies_of(store::CopyPlan copies, MakeVector vector_of) {
  constexpr uint32_t dim = 16;
  GoldenPager pager;
  must(store::create_index(pager, store::meta_for(dim, Metric::l2, 0x5eed, nullptr, 0, copies)));
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  auto* inserter = store::open_inserter(pager, meta, 0);
  for (uint32_t row = 0; row < 8; row++) {
    if (row == 5) {
      pager.lock(store::LockName::merge);
      store::RewriteResult result;
      must(store::flush(pager, &result));
      pager.unlock(store::LockName::merge);
    }
    auto const vector = vector_of(dim, row);
    must(store::insert_row(pager, *inserter, Tid::of(3, uint16_t(row + 1)), 0, row, "", vector.data(),
                           sim::copy_of(inserter->shape, vector).data()));
  }
  return pager.pages;
}
std::vector<Content> make_copies() {
  return make_copies_of({sizeof(float), format::CopyKind::whole}, vector_of);
}
std::vector<Content> make_rounded() {
  return make_copies_of(store::rounded_copies, uneven_vector);
}

struct GoldenFile {
  char const* name;
  std::vector<Content> (*make)();
};
constexpr GoldenFile files[] = {{"small_v1.hex", make_small},         {"wide_v1.hex", make_wide},
                                {"filter_v1.hex", make_filter},       {"tiered_v1.hex", make_tiered},
                                {"companion_v1.hex", make_companion}, {"copies_v1.hex", make_copies},
                                {"rounded_v1.hex", make_rounded},     {"spilled_v1.hex", make_spilled}};

std::string path_of(GoldenFile const& file) {
  return std::string(STRATA_GOLDEN_DIRECTORY) + "/" + file.name;
}

std::string read_text(GoldenFile const& file) {
  std::ifstream stream(path_of(file));
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// Codes may differ by a rounding between instruction sets: the files hold those of the scalar kernels.
struct ScalarLevel {
  math::SimdLevel saved = math::simd_level();
  ScalarLevel() { math::set_simd_level(math::SimdLevel::scalar); }
  ~ScalarLevel() { math::set_simd_level(saved); }
};

TEST(Golden, CodeWritesTheBytesOfTheFiles) {
  ScalarLevel level;
  for (GoldenFile const& file : files) {
    std::vector<Content> const golden = parse(read_text(file)), now = file.make();
    ASSERT_EQ(golden.size(), now.size()) << file.name;
    for (size_t block = 0; block < now.size(); block++)
      for (uint32_t at = 0; at < format::page_content_size; at++)
        ASSERT_EQ(golden[block][at], now[block][at]) << file.name << " page " << block << " byte " << at;
  }
}

TEST(Golden, DumpReadsBack) {
  for (GoldenFile const& file : files) EXPECT_EQ(dump(parse(read_text(file))), read_text(file)) << file.name;
}

TEST(Golden, EveryKindOfPageIsThere) {
  std::set<std::string> kinds;
  for (GoldenFile const& file : files)
    for (Content const& page : parse(read_text(file))) kinds.insert(kind_name(format::PageView{page.data()}.tail()));
  kinds.erase("zero");
  EXPECT_EQ(kinds.size(), size_t(format::page_kind_count - 1));
}

// Fields by their place and byte order, without the structs: little-endian, no padding.
TEST(Golden, FieldsLieWhereTheFormatSays) {
  auto const pages = parse(read_text(files[0]));
  auto number = [&](uint32_t block, uint32_t at, uint32_t size) {
    uint64_t value = 0;
    for (uint32_t i = size; i > 0; i--) value = value << 8 | uint8_t(pages[block][at + i - 1]);
    return value;
  };
  EXPECT_EQ(std::string(reinterpret_cast<char const*>(pages[0].data()), 8), "STRSAVI1");
  EXPECT_EQ(number(0, 8, 4), 1u);        // format version
  EXPECT_EQ(number(0, 16, 4), 16u);      // dim
  EXPECT_EQ(number(0, 24, 1), 1u);       // metric l2
  EXPECT_EQ(number(0, 32, 8), 0x5eedu);  // seed
  for (uint32_t block = 0; block < pages.size(); block++) {
    if (number(block, 8152, 4) == 0) continue;
    EXPECT_EQ(number(block, 8152, 4), 0x41525453u) << block;
    EXPECT_EQ(number(block, 8157, 1), 1u) << block;  // format version of the page
    EXPECT_LE(number(block, 8158, 2), 8152u) << block;
  }
  bool seen = false;
  for (uint32_t block = 0; block < pages.size(); block++) {
    if (number(block, 8156, 1) != uint64_t(format::PageKind::growing) || number(block, 0, 2) != 5) continue;
    seen = true;
    // Row 40: TID (0x10005, 1) as in a heap tuple, flags, hash.
    EXPECT_EQ(number(block, 40, 2), 1u);
    EXPECT_EQ(number(block, 42, 2), 5u);
    EXPECT_EQ(number(block, 44, 2), 1u);
    EXPECT_EQ(number(block, 46, 2), 0u);
    EXPECT_EQ(number(block, 48, 8), 0x0102030405060728u);
    EXPECT_EQ(number(block, 8, 1), 2u);  // the second row is deleted
  }
  EXPECT_TRUE(seen);
}

std::multiset<uint64_t> search_all(GoldenPager& pager, std::vector<float> const& query, uint64_t* nearest,
                                   segment::Filter const* filter = nullptr) {
  store::Search* search = nullptr;
  store::SearchOptions options;
  options.filter = filter;
  must(store::start_search(pager, query.data(), options, &search));
  must(store::advance_search(pager, *search, 1000));
  EXPECT_TRUE(store::search_exhausted(*search));
  std::multiset<uint64_t> tids;
  store::Candidate candidate;
  float best = INFINITY;
  while (store::next_candidate(*search, &candidate)) {
    Tid tid{};
    must(store::tid_of(pager, *search, candidate.source, candidate.row, &tid));
    tids.insert(tid.key);
    if (candidate.score < best) best = candidate.score, *nearest = tid.key;
  }
  return tids;
}

TEST(Golden, IndexOfTheGoldenBytesWorks) {
  GoldenPager pager;
  pager.pages = parse(read_text(files[0]));
  store::CheckResult checked;
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 41u + 1);
  EXPECT_EQ(checked.deleted_count, 3u);
  uint64_t nearest = 0;
  auto const query = vector_of(16, 43);
  EXPECT_EQ(search_all(pager, query, &nearest).size(), 41u);
  // The vectors of rows 26 and 43 are equal.
  EXPECT_TRUE(Tid{nearest} == Tid::of(0x10003, 3) || Tid{nearest} == Tid::of(0x10005, 4)) << nearest;
  // And it lives on.
  store::MetaDisk meta;
  must(store::read_meta(pager, &meta));
  insert(pager, *store::open_inserter(pager, meta, 1), 16, 50);
  pager.lock(store::LockName::merge);
  store::RewriteResult sealed, merged;
  must(store::flush(pager, &sealed));
  store::Manifest manifest{};
  must(store::load_manifest(pager, &manifest));
  std::vector<ObjectId> segments;
  for (auto const& object : manifest.objects)
    if (object.disk.kind == ObjectKind::segment && object.disk.state == store::ObjectState::live)
      segments.push_back(object.id());
  must(store::rewrite(pager, segments.data(), uint32_t(segments.size()), &merged));
  pager.unlock(store::LockName::merge);
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 43u);
  EXPECT_EQ(search_all(pager, query, &nearest).size(), 42u);
  EXPECT_EQ(Tid{nearest}, Tid::of(0x10005, 4));
}

TEST(Golden, SecondListsOfTheGoldenBytesAreRead) {
  GoldenPager pager;
  pager.pages = parse(read_text(files[7]));
  store::CheckResult checked;
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 40u);
  uint64_t nearest = 0;
  EXPECT_EQ(search_all(pager, vector_of(16, 30), &nearest).size(), 39u);
  store::SearchOptions options;
  options.probes = 1;
  auto const query = vector_of(16, 30);
  store::Search* search = nullptr;
  must(store::start_search(pager, query.data(), options, &search));
  must(store::advance_search(pager, *search, 1));
  EXPECT_EQ(search->counters.list_count, 1u);
  EXPECT_EQ(search->counters.run_count, 2u);
}

TEST(Golden, WideRowsOfTheGoldenBytesAreRead) {
  GoldenPager pager;
  pager.pages = parse(read_text(files[1]));
  store::CheckResult checked;
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 2u);
  std::vector<float> query(8100, 0.0f);
  query[0] = 1;
  uint64_t nearest = 0;
  EXPECT_EQ(search_all(pager, query, &nearest), (std::multiset<uint64_t>{Tid::of(7, 1).key, Tid::of(7, 2).key}));
}

TEST(Golden, FilterColumnsOfTheGoldenBytesAreRead) {
  GoldenPager pager;
  pager.pages = parse(read_text(files[2]));
  store::CheckResult checked;
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 43u);
  auto range = [](uint16_t column, uint64_t low, uint64_t high) {
    return segment::Condition{column, segment::Test::range, low, high, nullptr, 0};
  };
  struct Case {
    std::vector<segment::Condition> conditions;
    std::vector<uint32_t> rows;
  };
  segment::Condition null{};
  null.column = 2;
  null.test = segment::Test::null;
  std::vector<Case> const cases = {{{range(0, 2, 2), range(1, 1020, 1041)}, {22, 26, 30, 34, 38}},
                                   {{range(1, 1038, 1042)}, {38, 40, 41, 42}},
                                   {{range(2, 0x1122334455667705, 0x1122334455667705)}, {10, 11}},
                                   {{null}, {9, 19, 29, 39}}};
  for (Case const& one : cases) {
    segment::Filter const filter{one.conditions.data(), uint32_t(one.conditions.size())};
    std::multiset<uint64_t> wanted;
    for (uint32_t row : one.rows) wanted.insert(Tid::of(row / 8, uint16_t(row % 8 + 1)).key);
    uint64_t nearest = 0;
    EXPECT_EQ(search_all(pager, vector_of(16, one.rows[0]), &nearest, &filter), wanted);
    EXPECT_EQ(nearest, Tid::of(one.rows[0] / 8, uint16_t(one.rows[0] % 8 + 1)).key);
  }
}

TEST(Golden, ColdSegmentsOfTheGoldenBytesAreRead) {
  GoldenPager pager;
  pager.pages = parse(read_text(files[3]));
  pager.cold_pages = parse(read_text(files[4]));
  store::CheckResult checked;
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 12u);
  store::Manifest manifest{};
  must(store::load_manifest(pager, &manifest));
  EXPECT_EQ(manifest.header.companion, 0x4711u);
  EXPECT_EQ(manifest.header.cold_frontier, pager.cold_pages.size());
  uint64_t nearest = 0;
  EXPECT_EQ(search_all(pager, vector_of(16, 7), &nearest).size(), 12u);
  EXPECT_EQ(Tid{nearest}, Tid::of(0x10000, 8));
  // Back to the hot tier: the companion is empty.
  store::RewriteResult moved;
  pager.lock(store::LockName::merge);
  for (auto const& object : manifest.objects)
    if (object.disk.tier) must(store::move_to_tier(pager, object.id(), store::Tier::hot, &moved));
  pager.horizon = UINT64_MAX;
  store::ReclaimResult reclaimed;
  must(store::reclaim(pager, &reclaimed));
  pager.unlock(store::LockName::merge);
  must(store::load_manifest(pager, &manifest));
  EXPECT_EQ(manifest.header.cold_frontier, 0u);
  EXPECT_EQ(search_all(pager, vector_of(16, 7), &nearest).size(), 12u);
}

void expect_copies(GoldenFile const& file, uint32_t copy_size, MakeVector vector_of) {
  GoldenPager pager;
  pager.pages = parse(read_text(file));
  store::CheckResult checked;
  must(store::check(pager, &checked));
  EXPECT_EQ(checked.row_count, 8u);
  store::Search* search = nullptr;
  auto const query = vector_of(16, 2);
  must(store::start_search(pager, query.data(), {}, &search));
  must(store::advance_search(pager, *search, 1000));
  ASSERT_EQ(search->shape.copy_size, copy_size);
  store::Candidate candidate;
  uint32_t count = 0;
  for (; store::next_candidate(*search, &candidate); count++) {
    Tid tid{};
    std::vector<std::byte> copy(copy_size);
    must(store::tid_of(pager, *search, candidate.source, candidate.row, &tid));
    must(store::copy_of(pager, *search, candidate.source, candidate.row, copy.data()));
    EXPECT_EQ(copy, sim::copy_of(search->shape, vector_of(16, tid.offset() - 1u))) << tid.offset();
  }
  EXPECT_EQ(count, 8u);
}

TEST(Golden, CopiesOfTheGoldenBytesAreThoseOfTheRows) {
  expect_copies(files[5], 64, vector_of);
  expect_copies(files[6], 40, uneven_vector);
}

int write_files() {
  ScalarLevel level;
  for (GoldenFile const& file : files) {
    std::ofstream(path_of(file)) << dump(file.make());
    std::printf("%s\n", path_of(file).c_str());
  }
  return ::testing::Test::HasFailure() ? 1 : 0;
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc == 2 && std::string(argv[1]) == "--write") return strata::write_files();
  return RUN_ALL_TESTS();
}
