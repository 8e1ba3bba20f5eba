#include "core/base/random.hpp"
#include "pg/am/am_callbacks.hpp"
#include "pg/am/row.hpp"
#include "pg/page/pg_pager.hpp"
#include "store/manifest.hpp"

namespace strata::pg {
namespace {

// The rotation depends on nothing but the dimensions: equal tables give equal indexes.
constexpr uint64_t seed_of(uint32_t dim) { return mix64(0x7374726174610000ULL + dim); }

void create_empty(PgPager& pager, RowShape const& shape) {
  report(store::create_index(pager, store::meta_for(shape.dim, shape.column.metric, seed_of(shape.dim))));
}

}  // namespace

IndexBuildResult* am_build(Relation heap, Relation index, IndexInfo*) {
  RowShape const shape = row_shape(index);
  PgPager pager(index, heap);
  create_empty(pager, shape);
  return static_cast<IndexBuildResult*>(palloc0(sizeof(IndexBuildResult)));
}

void am_build_empty(Relation index) {
  PgPager pager(index, nullptr, PageAccess::random, INIT_FORKNUM);
  create_empty(pager, row_shape(index));
}

char* am_build_phase_name(int64) { return nullptr; }

}  // namespace strata::pg
