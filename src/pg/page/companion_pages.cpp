// The pages of an index that lie in its companion. They are read, and written once, before anybody knows of them; they
// never change. So buffers and a lock are enough, and no Relation has to be kept open.
#include "pg/page/pg_pager.hpp"
#include "pg/tier/companion.hpp"

namespace strata::pg {
namespace {

void explain_companion(void* index) {
  auto const* const name = static_cast<char const*>(index);
  errcontext("cold segments of index \"%s\"", name);
  errhint(
      "Bring its tablespace back. When it is lost for good, REINDEX INDEX %s makes an index without cold segments "
      "from the table.",
      quote_identifier(name));
}

bool is_recent(RecentBuffer const* recent, FileLocator const& file, BlockNumber block) {
  return recent->block == block && recent->file == number_of(file) && recent->buffer != InvalidBuffer;
}

}  // namespace

void PgPager::open_companion() {
  if (companion_.is_open) return;
  ErrorContextCallback context{error_context_stack, explain_companion, RelationGetRelationName(index_)};
  error_context_stack = &context;
  LockRelationOid(companion_.oid, AccessShareLock);
  Relation const companion = RelationIdGetRelation(companion_.oid);
  if (!companion || !is_companion(companion))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the companion of index \"%s\" is gone", RelationGetRelationName(index_))));
  companion_.file = locator_of(companion);
  companion_.block_count = smgrnblocks(open_file(companion_.file), MAIN_FORKNUM);
  if (companion_.block_count < companion_.reach)
    ereport(ERROR,
            (errcode(ERRCODE_INDEX_CORRUPTED),
             errmsg("index \"%s\" lacks pages of \"%s\"", RelationGetRelationName(companion),
                    RelationGetRelationName(index_)),
             errdetail("It has %u pages, and should have at least %u.", companion_.block_count, companion_.reach)));
  companion_.is_asked = get_tablespace_io_concurrency(companion->rd_rel->reltablespace) != 0;
  RelationClose(companion);
  companion_.is_open = true;
  error_context_stack = context.previous;
}

void PgPager::extend_companion(uint32_t count) {
  open_companion();
  if (count <= companion_.block_count) return;
  Relation const companion = relation_open(companion_.oid, RowExclusiveLock);
  companion_.block_count = extend_relation_to(companion, MAIN_FORKNUM, strategy_, count);
  relation_close(companion, NoLock);
}

Buffer PgPager::pin_companion(BlockNo block) {
  open_companion();
  BlockNumber const at = raw(block) & ~format::cold_bit;
  if (at >= companion_.block_count) {
    companion_.block_count = smgrnblocks(open_file(companion_.file), MAIN_FORKNUM);
    if (at >= companion_.block_count) return InvalidBuffer;
  }
  // As pin_page() does with the pages of a relation.
  constexpr uint32 usual_way = 32;
  RecentBuffer* const recent = recent_buffer(number_of(companion_.file), at);
  Buffer buffer = recent->buffer;
  if (!is_recent(recent, companion_.file, at) || ++recent->use_count % usual_way == 0 ||
      !ReadRecentBuffer(companion_.file, MAIN_FORKNUM, at, buffer)) {
    bool const permanent = index_->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT;
    buffer = read_file_page(companion_.file, at, RBM_NORMAL, strategy_, permanent);
    *recent = {number_of(companion_.file), at, buffer, 0};
  }
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  return buffer;
}

void PgPager::prefetch_companion(BlockNo block, uint32_t count) {
  open_companion();
  if (!companion_.is_asked) return;
  BlockNumber const first = raw(block) & ~format::cold_bit;
  uint32_t run = 0;
  for (uint32_t i = 0; i <= count; i++) {
    // What this session has seen lately is most likely still there: asking would cost more than it brings.
    BlockNumber const at = first + i;
    if (i < count && at < companion_.block_count &&
        !is_recent(recent_buffer(number_of(companion_.file), at), companion_.file, at)) {
      run++;
      continue;
    }
    if (run > 0) ask_for_file_pages(companion_.file, at - run, run);
    run = 0;
  }
}

Buffer PgPager::pin_fresh(BlockNo block) {
  if (!store::is_cold(raw(block))) return ReadBufferExtended(index_, fork_, raw(block), RBM_ZERO_AND_LOCK, strategy_);
  bool const permanent = index_->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT;
  return read_file_page(companion_.file, raw(block) & ~format::cold_bit, RBM_ZERO_AND_LOCK, strategy_, permanent);
}

}  // namespace strata::pg
