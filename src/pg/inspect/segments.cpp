// strata.list_segments(index): what the manifest of an index names, one row an object. The view strata.segments shows
// it for all indexes.
#include "pg/postgres.hpp"

#include <cmath>

#include "core/sets/bitmap.hpp"
#include "core/sets/bloom.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/attributes.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/stats/access_counters.hpp"
#include "pg/worker/maintenance.hpp"
#include "pg/worker/progress.hpp"
#include "store/growing.hpp"
#include "store/object_reader.hpp"
#include "store/outlook.hpp"

namespace strata::pg {
namespace {

constexpr int column_count = 21;
constexpr uint32_t bloom_pages_max = 8;  // looked at for its rate of false positives

char const* kind_name(store::ObjectKind kind) {
  switch (kind) {
    case store::ObjectKind::growing:
      return "growing";
    case store::ObjectKind::segment:
      return "segment";
    case store::ObjectKind::epoch:
      return "epoch";
    case store::ObjectKind::frame:
      return "frame";
    case store::ObjectKind::calibration:
      return "calibration";
    case store::ObjectKind::none:
      break;
  }
  return "unknown";
}

char const* live_name(format::ObjectDisk const& disk) {
  if (disk.kind == store::ObjectKind::growing) return "growing";
  if (disk.kind != store::ObjectKind::segment) return "live";
  return disk.list_count > 0 ? "indexed" : "sealed";
}

char const* state_name(format::ObjectDisk const& disk, bool is_input) {
  switch (disk.state) {
    case store::ObjectState::building:
      return "building";
    case store::ObjectState::live:
      return is_input ? "merging" : live_name(disk);
    case store::ObjectState::frozen:
      return "sealing";
    case store::ObjectState::retired:
      return "retired";
    case store::ObjectState::none:
      break;
  }
  return "unknown";
}

// The objects that a rewrite under way reads, as its process says.
struct Inputs {
  Oid index;
  uint32_t count;
  uint32_t ids[progress_inputs_max];
  bool holds(uint32_t id) const {
    for (uint32_t i = 0; i < count; i++)
      if (ids[i] == id) return true;
    return false;
  }
};

Inputs inputs_of(Oid index) {
  Inputs inputs{index, 0, {}};
  visit_progress(
      [](void* context, Progress const& progress) {
        auto* const found = static_cast<Inputs*>(context);
        if (progress.index != found->index || progress.database != MyDatabaseId) return;
        for (uint32_t i = 0; i < progress.input_count && found->count < progress_inputs_max; i++)
          found->ids[found->count++] = progress.inputs[i];
      },
      &inputs);
  return inputs;
}

// Why a live segment is not being merged; null for other objects.
char const* reason_of(store::Array<store::SegmentReason> const& reasons, ObjectId id) {
  for (store::SegmentReason const& one : reasons)
    if (one.id == id) return policy::merge_reason_text(one.reason);
  return nullptr;
}

// The filter over row ids of a sealed segment: its size, and how often it errs, from some of its pages.
struct BloomFacts {
  uint64_t bit_count;
  double false_positive_rate;
};

BloomFacts bloom_facts(PgPager& pager, store::ManifestObject const& object, store::ObjectHeaderDisk const& header) {
  BloomFacts facts{};
  store::StreamDisk const* const stream = store::find_stream(header, store::StreamKind::bloom, format::tid_column);
  if (!stream || stream->page_count == 0) return facts;
  facts.bit_count = stream->byte_size * 8;
  uint32_t const pages = Min(stream->page_count, bloom_pages_max);
  double sum = 0;
  uint64_t blocks = 0;
  for (uint32_t i = 0; i < pages; i++) {
    uint64_t const page = uint64_t(i) * stream->page_count / pages;
    uint64_t const offset = page * stream->bytes_per_page;
    uint64_t const size = Min(uint64_t(stream->bytes_per_page), stream->byte_size - offset);
    report(store::visit_stream(pager, object, *stream, offset, size, [&](std::byte const* bytes, uint32_t part) {
      for (uint32_t at = 0; at + sets::bloom_block_size <= part; at += sets::bloom_block_size, blocks++)
        sum += sets::bloom_block_false_positive_rate(bytes + at);
    }));
  }
  facts.false_positive_rate = blocks ? sum / double(blocks) : 0;
  return facts;
}

struct RowCounts {
  bool known;
  uint64_t row_count;
  uint64_t deleted_count;
  BloomFacts bloom;
  Datum attributes;  // null: not shown
  bool has_lists;    // known to be there, and whether rows lie in two of them
  bool spills;
};

RowCounts count_growing(PgPager& pager, store::IndexShape const& shape, store::ManifestObject const& object) {
  RowCounts counts{true, 0, 0, {}, Datum(0), false, false};
  for (uint32_t group = 0; group < store::group_count_of(shape, object); group++) {
    uint32_t const page_no = group * shape.growing.group_page_count;
    uint32_t rows = 0;
    report(pager.read(store::block_of(object, page_no), [&](format::PageView page) {
      Status const status = format::check_page(page, format::PageKind::growing, object.id(), page_no);
      if (!status.ok()) return status;
      auto const& header = page.as<format::GrowingPageDisk>();
      rows = header.row_count;
      counts.deleted_count += sets::bitmap_count(header.deleted, 0, rows);
      return status;
    }));
    counts.row_count += rows;
    if (rows < shape.growing.capacity) break;
  }
  return counts;
}

// Only of objects that readers may read: the pages of others may be anybody's.
RowCounts count_rows(PgPager& pager, store::IndexShape const& shape, store::ManifestObject const& object,
                     bool with_attributes) {
  bool const readable =
      object.disk.state == store::ObjectState::live || object.disk.state == store::ObjectState::frozen;
  if (object.disk.kind == store::ObjectKind::growing)
    return readable ? count_growing(pager, shape, object) : RowCounts{};
  bool const is_epoch = object.disk.kind == store::ObjectKind::epoch;
  if (object.disk.kind != store::ObjectKind::segment && !is_epoch) return {};
  RowCounts counts{readable && !is_epoch, object.disk.row_count, 0, {}, Datum(0), false, false};
  if (!readable) return counts;
  auto* header = static_cast<store::ObjectHeaderDisk*>(pager.allocate(sizeof(store::ObjectHeaderDisk)));
  report(store::read_header(pager, object, header));
  counts.has_lists = header->list_count > 0;
  counts.spills = header->spills || store::find_stream(*header, store::StreamKind::spill_codes) != nullptr;
  if (!is_epoch) counts.deleted_count = header->deleted_count;
  if (!is_epoch) counts.bloom = bloom_facts(pager, object, *header);
  if (!is_epoch && with_attributes) counts.attributes = attributes_of(pager, pager.index(), object, *header);
  pager.release(header);
  return counts;
}

struct View {
  ReturnSetInfo* result;
  Oid index;
  Inputs inputs;
  store::Array<store::SegmentReason> reasons;
  AccessSlot* access;
  int64 hits_of(format::ObjectDisk const& disk) const {
    double const known = policy::hits_now(store::hits_of(disk), GetCurrentTimestamp());
    return int64(rint(known)) + pending_hits(access, ObjectId(disk.id));
  }
};

void put_object(View const& view, store::ManifestObject const& object, RowCounts const& counts) {
  format::ObjectDisk const& disk = object.disk;
  bool const is_segment = disk.kind == store::ObjectKind::segment;
  bool const is_growing = disk.kind == store::ObjectKind::growing;
  Datum values[column_count];
  bool nulls[column_count] = {};
  int at = 0;
  auto put = [&](bool known, Datum value) {
    nulls[at] = !known;
    values[at++] = value;
  };
  char const* const reason =
      is_segment && disk.state == store::ObjectState::live ? reason_of(view.reasons, object.id()) : nullptr;
  put(true, ObjectIdGetDatum(view.index));
  put(true, Int64GetDatum(disk.id));
  put(true, CStringGetTextDatum(kind_name(disk.kind)));
  put(true, CStringGetTextDatum(state_name(disk, view.inputs.holds(disk.id))));
  put(is_segment || (is_growing && counts.known), Int64GetDatum(int64(counts.row_count)));
  put((is_segment || is_growing) && counts.known, Int64GetDatum(int64(counts.deleted_count)));
  put(true, Int64GetDatum(int64(disk.page_count) * BLCKSZ));
  put(is_segment || disk.kind == store::ObjectKind::epoch, Int32GetDatum(int32(disk.list_count)));
  put(counts.has_lists, BoolGetDatum(counts.spills));
  put(disk.epoch != 0, Int64GetDatum(disk.epoch));
  put(disk.frame != 0, Int64GetDatum(disk.frame));
  put(is_growing, Int32GetDatum(disk.lane));
  put(is_segment, CStringGetTextDatum(disk.tier == 0 ? "hot" : "cold"));
  put(is_segment, Int32GetDatum(int32(disk.merge_count)));
  put(is_segment, Int64GetDatum(view.hits_of(disk)));
  put(is_segment && counts.known, Int64GetDatum(int64(counts.bloom.bit_count)));
  put(is_segment && counts.known, Float8GetDatum(counts.bloom.false_positive_rate));
  put(true, TimestampTzGetDatum(disk.created_at));
  put(disk.state == store::ObjectState::retired, FullTransactionIdGetDatum(FullTransactionIdFromU64(disk.retired_xid)));
  put(reason != nullptr, reason ? CStringGetTextDatum(reason) : Datum(0));
  put(counts.attributes != Datum(0), counts.attributes);
  tuplestore_putvalues(view.result->setResult, view.result->setDesc, values, nulls);
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(list_segments) {
  using namespace strata;
  using namespace strata::pg;
  OpenIndex const open = open_listed_index(fcinfo);
  if (!open.index) return Datum(0);
  Oid const index_oid = RelationGetRelid(open.index);
  PgPager pager(open.index, open.heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  store::IndexShape const shape = store::shape_of(manifest.meta);
  View view{reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo), index_oid, inputs_of(index_oid), {}, nullptr};
  view.access = access_slot(open.index, false);
  report(store::explain_segments(pager, manifest, maintain_options(open.index), {view.inputs.ids, view.inputs.count},
                                 &view.reasons));
  bool const with_attributes = shows_attributes(open);
  for (store::ManifestObject const& object : manifest.objects) {
    put_object(view, object, count_rows(pager, shape, object, with_attributes));
    CHECK_FOR_INTERRUPTS();
  }
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}
