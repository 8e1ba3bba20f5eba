#include "pg/am/toast_reader.hpp"

#include <cmath>
#include <initializer_list>

#include "pg/am/toast_places.hpp"
#include "pg/compat.hpp"
#include "pg/page/heap_tuple.hpp"
#include "pg/page/read_ahead.hpp"
#include "pg/page/recent_buffers.hpp"

namespace strata::pg {
namespace {

// Columns of every TOAST table.
constexpr AttrNumber value_id_attribute = 1;
constexpr AttrNumber piece_number_attribute = 2;
constexpr AttrNumber piece_attribute = 3;

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

// Copies the piece that follows the one at *tid, and sets *tid to it. Mostly it is the next row, or the first one of
// the next page; a short last piece goes where room was left before.
int32 copy_next_piece(ToastReader* reader, ItemPointer tid, Oid id, int32 number, char* out, int32 room) {
  BlockNumber const block = ItemPointerGetBlockNumber(tid);
  ItemPointerData next;
  auto const copy_at = [&](BlockNumber in, OffsetNumber item) {
    ItemPointerSet(&next, in, item);
    int32 const size = copy_piece_at(reader, next, id, number, out, room);
    if (size > 0) *tid = next;
    return size;
  };
  int32 size = copy_at(block, OffsetNumberNext(ItemPointerGetOffsetNumber(tid)));
  if (size < 0) size = copy_at(block + 1, FirstOffsetNumber);
  for (BlockNumber const other : {block - 1, block + 1}) {
    if (size > 0 || other >= reader->block_count) continue;
    ToastPageLook const look = look_at_toast_page(reader->table, other, id, number);
    if (look.is_here) size = copy_at(other, look.place.item);
  }
  return size;
}

// Copies a value from where it seems to begin.
bool copy_from_place(ToastReader* reader, ToastPlace const& place, Oid id, char* out, int32 size) {
  ItemPointerData tid;
  ItemPointerSet(&tid, place.block, place.item);
  int32 done = copy_piece_at(reader, tid, id, 0, out, size);
  if (done < 0) return false;
  for (int32 number = 1; done < size; number++) {
    int32 const part = copy_next_piece(reader, &tid, id, number, out + done, size - done);
    if (part < 0) return false;
    done += part;
  }
  return true;
}

// Pages that a value of `size` bytes takes.
double pages_of(uint32 size) {
  constexpr uint32 page_room = BLCKSZ - SizeOfPageHeaderData;
  uint32 const piece_count = (size + TOAST_MAX_CHUNK_SIZE - 1) / TOAST_MAX_CHUNK_SIZE;
  uint32 const piece_overhead =
      MAXALIGN(SizeofHeapTupleHeader) + sizeof(Oid) + sizeof(int32) + VARHDRSZ + sizeof(ItemIdData);
  return double(size + piece_count * piece_overhead) / page_room;
}

// Where to look for a value that a page does not hold, by the values that it does; InvalidBlockNumber: nowhere.
BlockNumber next_guess(PageGuess const& guess, ToastPageLook const& look, Oid value) {
  double pages;
  if (look.later_piece > 0)
    pages = -std::ceil(double(look.later_piece) / EXTERN_TUPLES_PER_PAGE);
  else if (look.low <= look.high && value < look.low)
    pages = std::fmin((double(value) - look.low) * guess.pages_per_id, -1);
  else if (look.low <= look.high && value > look.high)
    pages = std::fmax((double(value) - look.high) * guess.pages_per_id, 1);
  else
    return InvalidBlockNumber;
  double const block = std::trunc(guess.block + pages);
  return block < 0 || block > MaxBlockNumber ? InvalidBlockNumber : BlockNumber(block);
}

// Looks for a value where its neighbours suggest, and remembers where it was seen.
bool find_place(ToastReader* reader, ToastPointer const& pointer, ToastPlace* place) {
  constexpr int steps_max = 3;
  PageGuess guess;
  if (!guess_page(reader->table, pointer.value, pages_of(pointer.size), &guess)) return false;
  ToastPageLook look{};
  auto const look_at = [&](BlockNumber block) {
    if (!look.is_here && block < reader->block_count) look = look_at_toast_page(reader->table, block, pointer.value, 0);
  };
  for (int i = 0; i < steps_max && !look.is_here && guess.block < reader->block_count; i++) {
    look_at(guess.block);
    if (look.low <= pointer.value && pointer.value <= look.high && look.later_piece == 0) {
      // Among its neighbours, but not here: room that was left on one page takes pieces that belong to the next.
      look_at(guess.block - 1);
      look_at(guess.block + 1);
      break;
    }
    guess.block = next_guess(guess, look, pointer.value);
  }
  judge_guess(reader->table, look.is_here);
  if (!look.is_here) return false;
  remember_place(reader->table, pointer.value, look.place);
  *place = look.place;
  return true;
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
    if (number == 0 && part > 0)
      remember_place(reader->table, id,
                     {ItemPointerGetBlockNumber(&pinned.tuple.t_self), ItemPointerGetOffsetNumber(&pinned.tuple.t_self),
                      offset_on_page(BufferGetPage(pinned.buffer), pinned.tuple.t_data)});
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

void ask_for_toast(ToastReader* reader, ToastPointer const& pointer) {
  open_table(reader, pointer.table);
  ToastPlace place;
  PageGuess guess;
  BlockNumber block = InvalidBlockNumber;
  if (known_place(reader->table, pointer.value, &place))
    block = place.block;
  else if (guess_page(reader->table, pointer.value, pages_of(pointer.size), &guess))
    block = guess.block;
  if (block < reader->block_count) ask_for_page(reader->table, block);
}

void find_toast(ToastReader* reader, ToastPointer const& pointer) {
  open_table(reader, pointer.table);
  ToastPlace place;
  if (!known_place(reader->table, pointer.value, &place) && !find_place(reader, pointer, &place)) return;
  // Pieces are stored downwards from the end of the page: what follows a piece lies before it.
  size_t const before = pointer.size < TOAST_MAX_CHUNK_SIZE ? 0 : pointer.size - TOAST_MAX_CHUNK_SIZE;
  size_t const first = place.offset > before ? place.offset - before : 0;
  prefetch_bytes(reader->table, place.block, first, pointer.size + 64);
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
  // Those read meanwhile may have told where the others are.
  ToastPlace place;
  bool const is_known = known_place(reader->table, pointer.value, &place) || find_place(reader, pointer, &place);
  if ((is_known && copy_from_place(reader, place, pointer.value, out, int32(pointer.size))) ||
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
