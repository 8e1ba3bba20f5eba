#include "pg/page/toast_page.hpp"

#include "pg/page/recent_buffers.hpp"

namespace strata::pg {

ToastPageLook look_at_toast_page(Relation table, BlockNumber block, Oid id, int32 number) {
  ToastPageLook look{false, {block, 0, 0}, 0, OID_MAX, 0};
  Buffer const buffer = pin_page(table, block);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page const page = BufferGetPage(buffer);
  OffsetNumber const last = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
  for (OffsetNumber at = FirstOffsetNumber; at <= last && !look.is_here; at++) {
    ItemId const item = PageGetItemId(page, at);
    if (!ItemIdIsNormal(item)) continue;
    auto const* const tuple = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    struct {
      Oid id;
      int32 number;
    } key;
    if (ItemIdGetLength(item) < tuple->t_hoff + sizeof key) continue;
    memcpy(&key, reinterpret_cast<char const*>(tuple) + tuple->t_hoff, sizeof key);
    look.low = Min(look.low, key.id);
    look.high = Max(look.high, key.id);
    if (key.id != id) continue;
    look.is_here = key.number == number;
    if (look.is_here)
      look.place = {block, at, offset_on_page(page, tuple)};
    else if (key.number > number)
      look.later_piece = key.number;
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
  ReleaseBuffer(buffer);
  return look;
}

}  // namespace strata::pg
