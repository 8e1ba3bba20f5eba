// strata.set_cold_tablespace(index, tablespace) and strata.set_segment_tier(index, segment, tier).
#include "pg/tier/segment_tier.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/inspect/index_access.hpp"
#include "pg/tier/companion.hpp"
#include "pg/worker/maintenance.hpp"
#include "pg/worker/progress.hpp"

namespace strata::pg {
namespace {

store::Tier tier_named(char const* name) {
  if (strcmp(name, "hot") == 0) return store::Tier::hot;
  if (strcmp(name, "cold") == 0) return store::Tier::cold;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unrecognized tier \"%s\"", name),
                  errhint("Tiers are \"hot\" and \"cold\".")));
  pg_unreachable();
}

void require_segment(PgPager& pager, int64 id) {
  store::Manifest manifest{};
  report(store::load_manifest(pager, &manifest));
  bool const fits = id > 0 && id <= int64(PG_UINT32_MAX);
  store::ManifestObject const* const object = fits ? manifest.find(ObjectId(uint32_t(id))) : nullptr;
  if (object && object->disk.kind == store::ObjectKind::segment && object->disk.state == store::ObjectState::live)
    return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("index \"%s\" has no sealed segment %lld", RelationGetRelationName(pager.index()),
                         static_cast<long long>(id)),
                  errhint("See strata.segments.")));
}

}  // namespace

void bind_cold_storage(PgPager& pager) {
  char const* const name = RelationGetRelationName(pager.index());
  Oid const companion = companion_of(RelationGetRelid(pager.index()));
  if (!OidIsValid(companion))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("index \"%s\" has no place for cold segments", name),
                    errhint("Call strata.set_cold_tablespace(), or strata.set_tier_policy() for its table.")));
  Relation const relation = relation_open(companion, AccessShareLock);
  // What is moved stays moved when the transaction is rolled back; the place it went to would not.
  if (is_private(relation) || is_private(pager.index()))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cannot move segments of index \"%s\" in the transaction that made their place", name),
                    errhint("Commit first.")));
  uint32_t const block_count = RelationGetNumberOfBlocks(relation);
  relation_close(relation, NoLock);
  report(store::bind_companion(pager, companion, block_count));
}

void require_movable(Relation index) {
  if (index->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("temporary indexes have no cold segments")));
}

store::RewriteResult move_segment(PgPager& pager, ObjectId segment, store::Tier tier) {
  store::RewriteResult result;
  pager.lock(store::LockName::merge);
  report(store::drop_unfinished(pager));
  flush_access(pager, 0);  // what was counted for it goes on with what it becomes
  if (tier == store::Tier::cold) bind_cold_storage(pager);
  report(store::move_to_tier(pager, segment, tier, &result));
  pager.unlock(store::LockName::merge);
  return result;
}

}  // namespace strata::pg

STRATA_FUNCTION(set_cold_tablespace) {
  using namespace strata::pg;
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  Oid const index = PG_GETARG_OID(0);
  require_maintain(index);
  char const* const tablespace = PG_ARGISNULL(1) ? nullptr : NameStr(*PG_GETARG_NAME(1));
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  Oid const companion = make_companion(index, tablespace);
  SPI_finish();
  PG_RETURN_OID(companion);
}

STRATA_FUNCTION(set_segment_tier) {
  using namespace strata;
  using namespace strata::pg;
  Oid const index_oid = PG_GETARG_OID(0);
  int64 const segment = PG_GETARG_INT64(1);
  store::Tier const tier = tier_named(text_to_cstring(PG_GETARG_TEXT_PP(2)));
  require_maintain(index_oid);
  OpenIndex const open = open_ivf_index(index_oid, RowExclusiveLock);
  require_movable(open.index);
  begin_progress(index_oid);
  PgPager pager(open.index, open.heap, maintenance_access(open.index));
  require_segment(pager, segment);
  store::RewriteResult const result = move_segment(pager, ObjectId(uint32_t(segment)), tier);
  end_progress();
  close_ivf_index(open, NoLock);
  ForceSyncCommit();  // who is told that it moved finds it there after a crash; there may be no transaction id
  if (result.output == ObjectId::none) PG_RETURN_NULL();
  PG_RETURN_INT64(raw(result.output));
}
