// strata.locate(index, key): how an entry is found where no B-tree leads to it: growing segments row by row, sealed
// ones through their bloom filter, and only those that it does not rule out by their ids or hashes. Sealed segments are
// sorted by list, so a look behind the filter reads the ids of the whole segment: 6 bytes a row, or 8 of a hash.
#include "pg/postgres.hpp"

#include "core/sets/bloom.hpp"
#include "pg/am/row.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/row_source.hpp"

namespace strata::pg {
namespace {

// What is looked for: a row id, or the hash of a vector.
struct Key {
  bool by_tid;
  uint64_t value;
  bool matches(store::RowView const& row) const { return by_tid ? row.tid.key == value : row.hash == value; }
};

enum class Filter : uint8_t { none, absent, maybe };

struct Way {
  ReturnSetInfo* result;
  uint32_t segment;
  char const* kind;
  Filter filter;
};

constexpr int column_count = 7;

void put_row(Way const& way, char const* outcome, uint64_t entry, Tid const* tid, bool deleted) {
  static char const* const filters[] = {nullptr, "absent", "maybe"};
  ItemPointerData place;
  if (tid) set_item_pointer(&place, *tid);
  Datum values[column_count] = {
      Int64GetDatum(way.segment),
      CStringGetTextDatum(way.kind),
      way.filter == Filter::none ? Datum(0) : CStringGetTextDatum(filters[uint8_t(way.filter)]),
      CStringGetTextDatum(outcome),
      Int64GetDatum(int64(entry)),
      PointerGetDatum(&place),
      BoolGetDatum(deleted)};
  bool nulls[column_count] = {false, false, way.filter == Filter::none, false, !tid, !tid, !tid};
  tuplestore_putvalues(way.result->setResult, way.result->setDesc, values, nulls);
}

Filter ask_filter(PgPager& pager, store::ManifestObject const& object, store::ObjectHeaderDisk const& header,
                  Key const& key) {
  store::StreamDisk const* const stream =
      store::find_stream(header, store::StreamKind::bloom, key.by_tid ? format::tid_column : format::hash_column);
  if (!stream || stream->byte_size < sets::bloom_block_size) return Filter::none;
  auto const block_count = uint32_t(stream->byte_size / sets::bloom_block_size);
  std::byte block[sets::bloom_block_size];
  uint64_t const offset = uint64_t(sets::bloom_block_of(block_count, key.value)) * sets::bloom_block_size;
  report(store::read_stream(pager, object, *stream, offset, sizeof block, block));
  return sets::bloom_test_block(block, key.value) ? Filter::maybe : Filter::absent;
}

void look_into(PgPager& pager, store::Manifest const& manifest, store::ManifestObject const& object, Key const& key,
               Way const& way) {
  store::IndexShape const shape = store::shape_of(manifest.meta);
  store::RowSource source;
  report(store::open_source(pager, shape, manifest, object, ObjectId(object.disk.frame), &source));
  uint64_t found = 0;
  auto take = [&](uint64_t row, store::RowView const& view) {
    if (!key.matches(view)) return;
    found++;
    put_row(way, "found", row, &view.tid, sets::bitmap_test(source.deleted, row));
  };
  if (source.header) {
    for (uint32_t row = 0; row < source.row_count; row++) {
      if (row % 4096 == 0) CHECK_FOR_INTERRUPTS();
      std::byte const *id, *hash;
      store::RowView view{};
      report(store::next_bytes(pager, object, source.ids, uint64_t(row) * 6, 6, &id));
      report(store::next_bytes(pager, object, source.hashes, uint64_t(row) * 8, 8, &hash));
      view.tid = format::load_tid(id);
      memcpy(&view.hash, hash, sizeof view.hash);
      take(row, view);
    }
  } else {
    // Rows may be appended while this goes on: those that were there are looked at.
    for (uint32_t row = 0; row < source.row_count; row++) {
      store::RowView view;
      report(store::fetch_row(pager, shape, source, row, &view));
      take(row, view);
    }
  }
  if (found == 0) put_row(way, way.filter == Filter::maybe ? "false positive" : "not there", 0, nullptr, false);
  store::close_source(pager, &source);
}

void locate(FunctionCallInfo fcinfo, OpenIndex const& open, Key const& key) {
  PgPager pager(open.index, open.heap, PageAccess::bulk_read);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  auto* const header = static_cast<store::ObjectHeaderDisk*>(pager.allocate(sizeof(store::ObjectHeaderDisk)));
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (store::ManifestObject const& object : manifest.objects) {
    format::ObjectDisk const& disk = object.disk;
    if (disk.state != store::ObjectState::live && disk.state != store::ObjectState::frozen) continue;
    if (disk.kind == store::ObjectKind::growing) {
      look_into(pager, manifest, object, key, {result, disk.id, "growing", Filter::none});
    } else if (disk.kind == store::ObjectKind::segment) {
      report(store::read_header(pager, object, header));
      Way const way{result, disk.id, "segment", ask_filter(pager, object, *header, key)};
      if (way.filter == Filter::absent)
        put_row(way, "skipped", 0, nullptr, false);
      else
        look_into(pager, manifest, object, key, way);
    }
  }
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(locate_tid) {
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  ItemPointer const tid = reinterpret_cast<ItemPointer>(PG_GETARG_POINTER(1));
  InitMaterializedSRF(fcinfo, 0);
  require_select(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, AccessShareLock);
  locate(fcinfo, open, {true, tid_of(tid).key});
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}

STRATA_FUNCTION(locate_vector) {
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  InitMaterializedSRF(fcinfo, 0);
  require_select(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, AccessShareLock);
  Oid const type = get_fn_expr_argtype(fcinfo->flinfo, 1);
  if (type != TupleDescAttr(RelationGetDescr(open.index), 0)->atttypid)
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH),
             errmsg("index \"%s\" is over %s, not %s", RelationGetRelationName(open.index),
                    format_type_be(TupleDescAttr(RelationGetDescr(open.index), 0)->atttypid), format_type_be(type)),
             errhint("Cast the key to the type of the column.")));
  RowShape const shape = row_shape(open.index);
  auto* const vector = static_cast<float*>(palloc(sizeof(float) * shape.dim));
  Row const row = make_row(shape, PG_GETARG_DATUM(1), false, vector);
  locate(fcinfo, open, {false, row.hash});
  close_ivf_index(open, AccessShareLock);
  return Datum(0);
}
