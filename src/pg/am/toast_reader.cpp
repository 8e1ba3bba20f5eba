#include "pg/am/toast_reader.hpp"

#include "pg/compat.hpp"
#include "pg/page/heap_tuple.hpp"
#include "pg/page/recent_buffers.hpp"

namespace strata::pg {
namespace {

// Columns of every TOAST table.
constexpr AttrNumber value_id_attribute = 1;
constexpr AttrNumber piece_number_attribute = 2;
constexpr AttrNumber piece_attribute = 3;

// Where the first piece of a value was seen. Another value may have taken its place.
struct PlaceHint {
  Oid file;
  Oid value;
  BlockNumber block;
  OffsetNumber item;  // 0: nothing known
  uint16 offset;      // of the row on the page
};
static_assert(sizeof(PlaceHint) == 16);
constexpr uint32 place_hints_max = 1 << 16;
PlaceHint place_hints[place_hints_max];

PlaceHint* hint_of(Relation table, Oid value) {
  return &place_hints[(value * 0x9E3779B1U ^ file_of(table).number) % place_hints_max];
}

PlaceHint const* known_place(Relation table, Oid value) {
  PlaceHint const* const hint = hint_of(table, value);
  return hint->item != 0 && hint->value == value && hint->file == file_of(table).number ? hint : nullptr;
}

void close_table(ToastReader* reader) {
  if (!reader->table) return;
  if (reader->scan) index_endscan(reader->scan);
  if (reader->index) index_close(reader->index, AccessShareLock);
  table_close(reader->table, AccessShareLock);
  reader->table = nullptr;
  reader->index = nullptr;
  reader->scan = nullptr;
  reader->positioned = false;
}

void open_table(ToastReader* reader, Oid table_id) {
  if (reader->table && reader->table_id == table_id) return;
  close_table(reader);
  reader->table_id = table_id;
  reader->table = table_open(table_id, AccessShareLock);
  reader->block_count = RelationGetNumberOfBlocks(reader->table);
  set_toast_snapshot(&reader->snapshot);
}

void open_index(ToastReader* reader) {
  if (reader->scan) return;
  MemoryContext const old = MemoryContextSwitchTo(reader->context);
  reader->index = index_open(toast_get_valid_index(reader->table_id, AccessShareLock), AccessShareLock);
  reader->scan = begin_index_scan(reader->table, reader->index, &reader->snapshot, 1);
  MemoryContextSwitchTo(old);
}

// Copies one piece. Returns its size, or -1 when it is not piece `number` of value `id` in plain form.
int32 copy_piece(ToastReader* reader, HeapTuple tuple, Oid id, int32 number, char* out, int32 room) {
  TupleDesc const shape = RelationGetDescr(reader->table);
  bool id_is_null, number_is_null, piece_is_null;
  Datum const found_id = heap_getattr(tuple, value_id_attribute, shape, &id_is_null);
  Datum const found_number = heap_getattr(tuple, piece_number_attribute, shape, &number_is_null);
  Datum const piece = heap_getattr(tuple, piece_attribute, shape, &piece_is_null);
  if (id_is_null || number_is_null || piece_is_null) return -1;
  if (DatumGetObjectId(found_id) != id || DatumGetInt32(found_number) != number) return -1;
  auto const* const bytes = reinterpret_cast<struct varlena const*>(DatumGetPointer(piece));
  if (VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes)) return -1;
  int32 const size = int32(VARSIZE_ANY_EXHDR(bytes));
  if (size == 0 || size > room) return -1;
  memcpy(out, VARDATA_ANY(bytes), size_t(size));
  return size;
}

// Looks for piece `number` in one place. What is there counts only if the snapshot sees it and it is that piece, of
// which there is never a second one: ids of values are not given out again while any row of them is left.
int32 copy_piece_at(ToastReader* reader, ItemPointerData tid, Oid id, int32 number, char* out, int32 room) {
  if (ItemPointerGetBlockNumber(&tid) >= reader->block_count) return -1;
  PinnedTuple pinned;
  if (!pin_exactly(reader->table, tid, &reader->snapshot, &pinned)) return -1;
  int32 const size = copy_piece(reader, &pinned.tuple, id, number, out, room);
  unpin(pinned);
  return size;
}

// Pieces are stored one after the other, mostly on one page or on neighbours.
bool copy_from_place(ToastReader* reader, Oid id, char* out, int32 size) {
  PlaceHint const* const hint = known_place(reader->table, id);
  if (!hint) return false;
  ItemPointerData tid;
  ItemPointerSet(&tid, hint->block, hint->item);
  int32 done = copy_piece_at(reader, tid, id, 0, out, size);
  for (int32 number = 1; done > 0 && done < size; number++) {
    ItemPointerSet(&tid, ItemPointerGetBlockNumber(&tid), OffsetNumber(ItemPointerGetOffsetNumber(&tid) + 1));
    int32 part = copy_piece_at(reader, tid, id, number, out + done, size - done);
    if (part < 0) {
      ItemPointerSet(&tid, ItemPointerGetBlockNumber(&tid) + 1, FirstOffsetNumber);
      part = copy_piece_at(reader, tid, id, number, out + done, size - done);
    }
    if (part < 0) return false;
    done += part;
  }
  return done == size;
}

void remember_place(ToastReader* reader, Oid id, PinnedTuple const& pinned) {
  auto const* const page = static_cast<char const*>(BufferGetPage(pinned.buffer));
  auto const offset = uint16(reinterpret_cast<char const*>(pinned.tuple.t_data) - page);
  *hint_of(reader->table, id) = {file_of(reader->table).number, id, ItemPointerGetBlockNumber(&pinned.tuple.t_self),
                                 ItemPointerGetOffsetNumber(&pinned.tuple.t_self), offset};
}

// Copies the pieces of value `id` one after the other; false unless they are as many bytes as `size`.
bool copy_by_index(ToastReader* reader, Oid id, char* out, int32 size) {
  open_index(reader);
  ScanKeyData key;
  ScanKeyInit(&key, value_id_attribute, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(id));
  index_rescan(reader->scan, &key, 1, nullptr, 0);
  reader->positioned = true;
  int32 done = 0;
  for (int32 number = 0; done < size; number++) {
    ItemPointer const tid = index_getnext_tid(reader->scan, ForwardScanDirection);
    PinnedTuple pinned;
    if (!tid || !pin_visible(reader->table, *tid, &reader->snapshot, &pinned)) return false;
    int32 const part = copy_piece(reader, &pinned.tuple, id, number, out + done, size - done);
    if (number == 0 && part > 0) remember_place(reader, id, pinned);
    unpin(pinned);
    if (part < 0) return false;
    done += part;
  }
  return true;
}

}  // namespace

ToastReader* open_toast_reader() {
  auto* const reader = static_cast<ToastReader*>(palloc0(sizeof(ToastReader)));
  reader->context = CurrentMemoryContext;
  return reader;
}

void close_toast_reader(ToastReader* reader) {
  close_table(reader);
}

bool plain_toast_pointer(Datum datum, ToastPointer* pointer) {
  auto const* const value = reinterpret_cast<struct varlena const*>(DatumGetPointer(datum));
  if (!VARATT_IS_EXTERNAL_ONDISK(value)) return false;
  VARATT_EXTERNAL_GET_POINTER(pointer->stored, value);
  int32 const size = int32(VARATT_EXTERNAL_GET_EXTSIZE(pointer->stored));
  if (size <= 0 || size != pointer->stored.va_rawsize - VARHDRSZ) return false;  // compressed
  pointer->table = pointer->stored.va_toastrelid;
  pointer->value = pointer->stored.va_valueid;
  pointer->size = uint32(size);
  return true;
}

void prefetch_toast(ToastReader* reader, ToastPointer const& pointer) {
  open_table(reader, pointer.table);
  PlaceHint const* const hint = known_place(reader->table, pointer.value);
  if (!hint) return;
  // Pieces are stored downwards from the end of the page: what follows a piece lies before it.
  size_t const before = pointer.size < TOAST_MAX_CHUNK_SIZE ? 0 : pointer.size - TOAST_MAX_CHUNK_SIZE;
  size_t const first = hint->offset > before ? hint->offset - before : 0;
  prefetch_bytes(reader->table, hint->block, first, pointer.size + 64);
}

Datum read_toast(ToastReader* reader, ToastPointer const& pointer) {
  open_table(reader, pointer.table);
  size_t const whole = size_t(pointer.size) + VARHDRSZ;
  if (reader->room < whole) {
    if (reader->value) pfree(reader->value);
    reader->value = static_cast<char*>(MemoryContextAlloc(reader->context, whole));
    reader->room = whole;
  }
  char* const out = reader->value + VARHDRSZ;
  if (copy_from_place(reader, pointer.value, out, int32(pointer.size)) ||
      copy_by_index(reader, pointer.value, out, int32(pointer.size))) {
    SET_VARSIZE(reader->value, whole);
    return PointerGetDatum(reader->value);
  }
  // Not as expected: let the server say what is wrong.
  char stored[TOAST_POINTER_SIZE];
  SET_VARTAG_EXTERNAL(stored, VARTAG_ONDISK);
  memcpy(VARDATA_EXTERNAL(stored), &pointer.stored, sizeof pointer.stored);
  return PointerGetDatum(detoast_attr(reinterpret_cast<struct varlena*>(stored)));
}

void rest_toast_reader(ToastReader* reader) {
  if (!reader->positioned) return;
  reader->positioned = false;
  index_rescan(reader->scan, reader->scan->keyData, 1, nullptr, 0);
}

}  // namespace strata::pg
