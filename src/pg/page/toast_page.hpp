// Pages of TOAST tables, looked at for what they say about where a value begins.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

struct ToastPlace {
  BlockNumber block;
  OffsetNumber item;
  uint16 offset;  // of the piece on the page
};

// Where on a page a tuple or another thing lies.
inline uint16 offset_on_page(Page page, void const* at) {
  return uint16(static_cast<char const*>(at) - static_cast<char const*>(page));
}

struct ToastPageLook {
  bool is_here;       // the piece
  ToastPlace place;   // if so
  int32 later_piece;  // number of a later piece of the value that is here, 0: none
  Oid low, high;      // ids of the values here, as far as it looked; low > high: none
};

// Looks for piece `number` of value `id` on a page that exists. What it finds is a hint: nobody has said that any
// snapshot sees it.
ToastPageLook look_at_toast_page(Relation table, BlockNumber block, Oid id, int32 number);

}  // namespace strata::pg
