#include "pg/page/heap_tuple.hpp"

#include "pg/page/read_ahead.hpp"
#include "pg/page/recent_buffers.hpp"

namespace strata::pg {

bool has_heap_tuples(Relation table) {
  return table->rd_tableam == GetHeapamTableAmRoutine();
}

bool pin_visible(Relation table, ItemPointerData tid, Snapshot snapshot, PinnedTuple* pinned) {
  pinned->buffer = pin_page(table, ItemPointerGetBlockNumber(&tid));
  LockBuffer(pinned->buffer, BUFFER_LOCK_SHARE);
  bool const found = heap_hot_search_buffer(&tid, table, pinned->buffer, snapshot, &pinned->tuple, nullptr, true);
  LockBuffer(pinned->buffer, BUFFER_LOCK_UNLOCK);
  if (!found) ReleaseBuffer(pinned->buffer);
  return found;
}

bool pin_exactly(Relation table, ItemPointerData tid, Snapshot snapshot, PinnedTuple* pinned) {
  pinned->buffer = pin_page(table, ItemPointerGetBlockNumber(&tid));
  LockBuffer(pinned->buffer, BUFFER_LOCK_SHARE);
  Page const page = BufferGetPage(pinned->buffer);
  OffsetNumber const offset = ItemPointerGetOffsetNumber(&tid);
  bool found = !PageIsNew(page) && offset >= FirstOffsetNumber && offset <= PageGetMaxOffsetNumber(page);
  ItemId const item = found ? PageGetItemId(page, offset) : nullptr;
  found = found && ItemIdIsNormal(item);
  if (found) {
    pinned->tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    pinned->tuple.t_len = ItemIdGetLength(item);
    pinned->tuple.t_tableOid = RelationGetRelid(table);
    pinned->tuple.t_self = tid;
    found = HeapTupleSatisfiesVisibility(&pinned->tuple, snapshot, pinned->buffer);
  }
  LockBuffer(pinned->buffer, BUFFER_LOCK_UNLOCK);
  if (!found) ReleaseBuffer(pinned->buffer);
  return found;
}

void pin_for_fetch(Relation table, IndexFetchTableData* fetch, BlockNumber block) {
  Buffer* const current = fetched_buffer(fetch);
  if (!current || (BufferIsValid(*current) && BufferGetBlockNumber(*current) == block)) return;
  Buffer const known = pin_known_page(table, block);
  if (known == InvalidBuffer) return;
  if (BufferIsValid(*current)) ReleaseBuffer(*current);
  *current = known;
}

void prefetch_tuple(Relation table, ItemPointerData tid, bool from_disk) {
  if (from_disk) return ask_for_page(table, ItemPointerGetBlockNumber(&tid));
  size_t const item = SizeOfPageHeaderData + sizeof(ItemIdData) * (ItemPointerGetOffsetNumber(&tid) - 1);
  prefetch_bytes(table, ItemPointerGetBlockNumber(&tid), item, sizeof(ItemIdData));
}

}  // namespace strata::pg
