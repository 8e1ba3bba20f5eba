// aminsert: one row into the growing segment, or, during an import, to those that become segments. Nothing is trained,
// sealed or merged here, unless the growing segment has outrun all maintenance.
#include "pg/am/am_callbacks.hpp"
#include "pg/am/bulk_insert.hpp"
#include "pg/am/row.hpp"
#include "pg/page/pg_pager.hpp"
#include "pg/worker/maintenance.hpp"
#include "store/insert.hpp"

namespace strata::pg {
namespace {

// Kept from row to row of one statement, in the memory context of its IndexInfo.
struct InsertState {
  PgPager pager;
  RowShape shape;
  store::Inserter* inserter;
  float* vector;
  std::byte* columns;  // shape.columns.total_size bytes
  RowCopy copy;        // without bytes: rows carry no copies
  uint64_t room_seen;  // the lane's object and page groups after the last row; 0 before the first
};

InsertState* insert_state(Relation index, Relation heap, IndexInfo* info) {
  if (info->ii_AmCache) return static_cast<InsertState*>(info->ii_AmCache);
  MemoryContext const context = info->ii_Context;
  auto* state = static_cast<InsertState*>(MemoryContextAllocZero(context, sizeof(InsertState)));
  state->pager = PgPager(index, heap, PageAccess::random, MAIN_FORKNUM, context);
  store::MetaDisk meta;
  report(store::read_meta(state->pager, &meta));
  state->shape = row_shape(index);
  state->inserter = store::open_inserter(state->pager, meta, backend_number());
  state->vector = static_cast<float*>(state->pager.allocate(state->shape.dim * sizeof(float)));
  state->columns = static_cast<std::byte*>(state->pager.allocate(state->shape.columns.total_size + 1));
  store::IndexShape const& shape = state->inserter->shape;
  if (shape.copy_size) state->copy = {state->pager.allocate(shape.copy_size), shape.copy_kind};
  info->ii_AmCache = state;
  return state;
}

}  // namespace

bool am_insert(Relation index, Datum* values, bool* isnull, ItemPointer tid, Relation heap,
               IndexUniqueCheck /* check_unique */, bool /* index_unchanged */, IndexInfo* info) {
  InsertState* const state = insert_state(index, heap, info);
  Row const row = make_row(state->shape, values[0], isnull[0], state->vector, state->copy);
  make_columns(state->shape, values, isnull, state->columns);
  void const* const copy = row.vector ? state->copy.bytes : nullptr;
  if (bulk_insert(index, heap, state->inserter->shape, {tid_of(tid), row, state->columns, copy})) return false;
  report(store::insert_row(state->pager, *state->inserter, tid_of(tid), row.flags, row.hash, state->columns, row.vector,
                           copy));
  uint64_t const room = uint64_t(raw(state->inserter->cursor.object)) << 32 | state->inserter->cursor.group_count;
  if (room != state->room_seen) {
    // The lane got more pages; the first row of a statement counts only when enough time has passed.
    maintain_after_insert(index, heap, state->room_seen == 0);
    state->room_seen = room;
  }
  return false;
}

}  // namespace strata::pg
