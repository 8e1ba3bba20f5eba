#include "pg/worker/give_way.hpp"

#include "pg/compat.hpp"

namespace strata::pg {
namespace {

// Asked by trying for a weak lock: it is refused when a waiter's lock conflicts with it. LockHasWaiters() would not do:
// it knows nothing of locks on the fast path.
bool is_refused(LOCKTAG const& tag, LOCKMODE lock, bool for_session) {
  if (LockAcquire(&tag, lock, for_session, /* dontWait */ true) == LOCKACQUIRE_NOT_AVAIL) return true;
  LockRelease(&tag, lock, for_session);
  return false;
}

bool is_wanted_alone(Relation relation) {
  LOCKTAG tag;
  SET_LOCKTAG_RELATION(tag, relation->rd_lockInfo.lockRelId.dbId, relation->rd_lockInfo.lockRelId.relId);
  return is_refused(tag, RowShareLock, false);
}

}  // namespace

bool is_in_the_way(Relation heap, Relation index) {
  MemoryContext const context = CurrentMemoryContext;
  bool volatile answer = true;
  // tidy: allow(banned-names): frames of core, which a jump must not skip, may be above; the caller ends the process
  PG_TRY();
  { answer = is_wanted_alone(heap) || is_wanted_alone(index) || is_database_wanted(); }
  // tidy: allow(banned-names): see above
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    EmitErrorReport();
    FlushErrorState();
  }
  PG_END_TRY();
  return answer;
}

bool is_database_wanted() {
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
  return is_refused(tag, RowExclusiveLock, true);
}

void sleep_ms(Sleep why, long wait_ms) {
  static char const* const names[] = {"StrataWorkerIdle", "StrataIoLimit", "StrataLauncherMain"};
  static uint32 events[lengthof(names)];
  uint32& event = events[uint8_t(why)];
  if (event == 0) event = custom_wait_event(names[uint8_t(why)]);
  WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait_ms, event);
  ResetLatch(MyLatch);
}

}  // namespace strata::pg
