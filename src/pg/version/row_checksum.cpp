// A hash of what a row holds, the ordinals left out: rows of equal content have equal hashes, wherever they are stored.
#include "pg/entry.hpp"
#include "pg/version/versioned_table.hpp"

namespace strata::pg {
namespace {

uint64 hash_value(Datum value, Form_pg_attribute column, uint64 seed) {
  if (column->attbyval)
    return DatumGetUInt64(hash_any_extended(reinterpret_cast<unsigned char*>(&value), sizeof value, seed));
  if (column->attlen == -1) {
    auto* const whole = pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(DatumGetPointer(value)));
    uint64 const hash = DatumGetUInt64(
        hash_any_extended(reinterpret_cast<unsigned char*>(VARDATA_ANY(whole)), int(VARSIZE_ANY_EXHDR(whole)), seed));
    if (reinterpret_cast<Pointer>(whole) != DatumGetPointer(value)) pfree(whole);
    return hash;
  }
  int const size = column->attlen > 0 ? column->attlen : int(strlen(DatumGetCString(value)));
  return DatumGetUInt64(hash_any_extended(reinterpret_cast<unsigned char*>(DatumGetPointer(value)), size, seed));
}

}  // namespace
}  // namespace strata::pg

STRATA_FUNCTION(row_checksum) {
  using namespace strata::pg;
  HeapTupleHeader const row = PG_GETARG_HEAPTUPLEHEADER(0);
  TupleDesc const shape = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
  HeapTupleData tuple{};
  tuple.t_len = HeapTupleHeaderGetDatumLength(row);
  tuple.t_data = row;
  auto* values = static_cast<Datum*>(palloc(size_t(shape->natts) * sizeof(Datum)));
  auto* is_null = static_cast<bool*>(palloc(size_t(shape->natts)));
  heap_deform_tuple(&tuple, shape, values, is_null);
  uint64 hash = 0;
  uint64 position = 0;
  for (int i = 0; i < shape->natts; i++) {
    Form_pg_attribute const column = TupleDescAttr(shape, i);
    if (column->attisdropped || strcmp(NameStr(column->attname), born_column) == 0 ||
        strcmp(NameStr(column->attname), died_column) == 0)
      continue;
    position++;
    if (!is_null[i]) hash = hash_combine64(hash, hash_value(values[i], column, position));
  }
  ReleaseTupleDesc(shape);
  PG_RETURN_INT64(int64(hash));
}
