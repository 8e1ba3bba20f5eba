// Locks of the near mode: of the cells that a vector shares with every vector within epsilon (store/cells.hpp).
#include "pg/compat.hpp"

#include <cmath>

#include "pg/am/row.hpp"
#include "pg/dedup/gate.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/cells.hpp"

namespace strata::pg {
namespace {

constexpr uint16 cell_lock_class = 0x5345;
constexpr uint32_t cell_count_max = 512;  // more would crowd the server's lock table

// The index whose codebook divides the space: the oldest ivf index of the column, alone on it and without a condition,
// by a distance for which the triangle inequality holds. Every session takes the same.
Oid dividing_index(Gate const* gate, Relation table, double* radius) {
  if (table->rd_rel->relispartition) return InvalidOid;  // rows of other partitions are in other indexes
  List* const oids = RelationGetIndexList(table);        // in the order of their numbers
  ListCell* cell;
  Oid result = InvalidOid;
  foreach (cell, oids) {
    OpenIndex const open = open_ivf_index(lfirst_oid(cell), AccessShareLock, Missing::ignore);
    if (!open.index) continue;
    Form_pg_index const form = open.index->rd_index;
    bool const fits = form->indkey.values[0] == gate->column &&
                      heap_attisnull(open.index->rd_indextuple, Anum_pg_index_indpred, nullptr);
    Metric const metric = fits ? row_shape(open.index).column.metric : Metric::inner_product;
    if (metric == Metric::l2 && strstr(gate->distance, "<->")) result = lfirst_oid(cell);
    if (metric == Metric::cosine && strstr(gate->distance, "<=>")) result = lfirst_oid(cell);
    // Vectors of unit length at cosine distance e are sqrt(2 e) apart.
    *radius = metric == Metric::cosine ? std::sqrt(2 * gate->epsilon) : gate->epsilon;
    close_ivf_index(open, AccessShareLock);
    if (OidIsValid(result)) break;
  }
  list_free(oids);
  return result;
}

// None when nothing divides the space.
store::Array<store::Cell> cells_of(Gate const* gate, Relation table, Datum value) {
  store::Array<store::Cell> cells{};
  double radius = 0;
  Oid const oid = dividing_index(gate, table, &radius);
  if (!OidIsValid(oid)) return cells;
  OpenIndex const open = open_ivf_index(oid, AccessShareLock, Missing::ignore);
  if (!open.index) return cells;
  RowShape const shape = row_shape(open.index);
  auto* const vector = static_cast<float*>(palloc(shape.dim * sizeof(float)));
  Row const row = make_row(shape, value, false, vector);
  PgPager pager(open.index, open.heap);
  if (row.vector) {
    report(store::find_cells(pager, row.vector, radius, &cells));
  } else {
    cells.push(pager, {ObjectId::none, 0});  // zero vectors are near each other only
  }
  close_ivf_index(open, AccessShareLock);
  return cells;
}

}  // namespace

bool lock_cells(Gate const* gate, Relation table, Datum value) {
  MemoryContext const scratch = AllocSetContextCreate(CurrentMemoryContext, "strata cells", ALLOCSET_DEFAULT_SIZES);
  MemoryContext const caller = MemoryContextSwitchTo(scratch);
  store::Array<store::Cell> const cells = cells_of(gate, table, value);
  bool const few = cells.count > 0 && cells.count <= cell_count_max;
  for (uint32_t i = 0; few && i < cells.count; i++) {  // in the same order in every session
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, gate->registry, raw(cells[i].epoch) << 20 ^ cells[i].list, cell_lock_class);
    LockAcquire(&tag, ExclusiveLock, false, false);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  return few;
}

bool has_cells(Gate const* gate, Relation table) {
  double radius;
  Oid const oid = dividing_index(gate, table, &radius);
  if (!OidIsValid(oid)) return false;
  OpenIndex const open = open_ivf_index(oid, AccessShareLock, Missing::ignore);
  if (!open.index) return false;
  PgPager pager(open.index, open.heap);
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  bool const result = manifest.header.epoch != 0;
  store::release_manifest(pager, &manifest);
  close_ivf_index(open, AccessShareLock);
  return result;
}

}  // namespace strata::pg
