// Alone knows PG_VERSION_NUM. Shims carry the name of the newest interface: to drop a version, delete lines.
// tidy: allow(file-length): what differs between versions stands in one place
#pragma once
#include "pg/postgres.hpp"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000
#error "strata supports PostgreSQL 15 to 19"
#endif

// Soft errors of input functions (16) let COPY ... ON_ERROR and pg_input_is_valid() go on.
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
  do {                                     \
    (void)(context);                       \
    ereport(ERROR, __VA_ARGS__);           \
    return dummy_value;                    \
  } while (0)
#endif

// Name and version of the library (18).
#if PG_VERSION_NUM < 180000
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

namespace strata::pg {

// Makes `fork` at least `block_count` blocks long with all-zero pages and returns its length, which may be larger.
inline BlockNumber extend_relation_to(Relation relation, ForkNumber fork, BufferAccessStrategy strategy,
                                      BlockNumber block_count) {
#if PG_VERSION_NUM >= 160000
  // What BMR_REL() makes, which leaves fields out and so draws a warning in C++.
  BufferManagerRelation target = {};
  target.rel = relation;
  // Returns the buffer of the last block asked for; others may have extended further.
  // tidy: allow(banned-names): extension differs between versions, so it has to be here
  ReleaseBuffer(ExtendBufferedRelTo(target, fork, strategy, 0, block_count, RBM_NORMAL));
#else
  bool const lock = !RELATION_IS_LOCAL(relation);
  if (lock) LockRelationForExtension(relation, ExclusiveLock);
  BlockNumber current = RelationGetNumberOfBlocksInFork(relation, fork);
  for (; current < block_count; current++)
    // tidy: allow(banned-names): extension differs between versions, so it has to be here
    ReleaseBuffer(ReadBufferExtended(relation, fork, P_NEW, RBM_NORMAL, strategy));
  if (lock) UnlockRelationForExtension(relation, ExclusiveLock);
#endif
  return RelationGetNumberOfBlocksInFork(relation, fork);
}

// The body of nbtree's page reuse record, which names no page and only resolves conflicts with snapshots.
inline xl_btree_reuse_page reuse_record(Relation index, FullTransactionId horizon) {
  xl_btree_reuse_page record;
  memset(&record, 0, sizeof record);
#if PG_VERSION_NUM >= 160000
  record.locator = index->rd_locator;
  record.snapshotConflictHorizon = horizon;
  record.isCatalogRel = false;
#else
  record.node = index->rd_node;
  record.latestRemovedFullXid = horizon;
#endif
  return record;
}

// What ExecutorRun is called with besides the query, and a hook of the right type for a function that takes both.
struct RunArguments {
  ScanDirection direction;
  uint64 count;
  bool once;
  template <class Run>
  void call(Run run, QueryDesc* query) const {
#if PG_VERSION_NUM >= 180000
    run(query, direction, count);
#else
    run(query, direction, count, once);
#endif
  }
};
#if PG_VERSION_NUM >= 180000
template <void (*run)(QueryDesc*, RunArguments const&)>
void run_hook(QueryDesc* query, ScanDirection direction, uint64 count) {
  run(query, {direction, count, false});
}
#else
template <void (*run)(QueryDesc*, RunArguments const&)>
void run_hook(QueryDesc* query, ScanDirection direction, uint64 count, bool once) {
  run(query, {direction, count, once});
}
#endif

// What ExplainOneQuery_hook is called with, and a hook of the right type for a function that takes it.
struct ExplainArguments {
  Query* query;
  int cursor_options;
  IntoClause* into;
  ExplainState* out;
  char const* text;
  ParamListInfo parameters;
  QueryEnvironment* environment;
  void call(ExplainOneQuery_hook_type explain) const {
    explain(query, cursor_options, into, out, text, parameters, environment);
  }
  // What the server does without a hook.
  void call_standard() const {
#if PG_VERSION_NUM >= 170000
    call(standard_ExplainOneQuery);
#else
    BufferUsage const buffers_before = pgBufferUsage;
    instr_time begin, spent;
    INSTR_TIME_SET_CURRENT(begin);
    PlannedStmt* const plan = pg_plan_query(query, text, cursor_options, parameters);
    INSTR_TIME_SET_CURRENT(spent);
    INSTR_TIME_SUBTRACT(spent, begin);
    BufferUsage buffers{};
    BufferUsageAccumDiff(&buffers, &pgBufferUsage, &buffers_before);
    ExplainOnePlan(plan, into, out, text, parameters, environment, &spent, out->buffers ? &buffers : nullptr);
#endif
  }
};
template <void (*explain)(ExplainArguments const&)>
void explain_hook(Query* query, int cursor_options, IntoClause* into, ExplainState* out, char const* text,
                  ParamListInfo parameters, QueryEnvironment* environment) {
  explain({query, cursor_options, into, out, text, parameters, environment});
}

// What planner_hook is called with, and a hook of the right type for a function that takes it.
struct PlannerArguments {
  Query* query;
  char const* text;
  int cursor_options;
  ParamListInfo parameters;
#if PG_VERSION_NUM >= 190000
  ExplainState* explain;
#endif
  PlannedStmt* call(planner_hook_type plan) const {
#if PG_VERSION_NUM >= 190000
    return plan(query, text, cursor_options, parameters, explain);
#else
    return plan(query, text, cursor_options, parameters);
#endif
  }
};
#if PG_VERSION_NUM >= 190000
template <PlannedStmt* (*plan)(PlannerArguments const&)>
PlannedStmt* planner_hook_of(Query* query, char const* text, int options, ParamListInfo parameters,
                             ExplainState* explain) {
  return plan({query, text, options, parameters, explain});
}
#else
template <PlannedStmt* (*plan)(PlannerArguments const&)>
PlannedStmt* planner_hook_of(Query* query, char const* text, int options, ParamListInfo parameters) {
  return plan({query, text, options, parameters});
}
#endif

// Calls walker(child, context) for every child of a plan node. The server declares the callback without arguments
// before 16.
inline bool walk_plan_states(PlanState* node, bool (*walker)(PlanState*, void*), void* context) {
#if PG_VERSION_NUM >= 160000
  return planstate_tree_walker(node, walker, context);
#else
  return planstate_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)), context);
#endif
}

// The same for expressions and queries.
inline bool walk_expression_tree(Node* node, bool (*walker)(Node*, void*), void* context) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_walker(node, walker, context);
#else
  return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)), context);
#endif
}
inline bool walk_query_tree(Query* query, bool (*walker)(Node*, void*), void* context, int flags) {
#if PG_VERSION_NUM >= 160000
  return query_tree_walker(query, walker, context, flags);
#else
  return query_tree_walker(query, reinterpret_cast<bool (*)()>(reinterpret_cast<void*>(walker)), context, flags);
#endif
}

// What post_parse_analyze_hook tells of a query's constants.
#if PG_VERSION_NUM >= 190000
using QueryJumble = JumbleState const;
#else
using QueryJumble = JumbleState;
#endif

// Calls each(range table entry) for every table that a planned statement writes to.
template <class Each>
void for_each_result_table(PlannedStmt const* statement, Each&& each) {
#if PG_VERSION_NUM >= 190000
  int index = -1;
  while ((index = bms_next_member(statement->resultRelationRelids, index)) >= 0)
    each(static_cast<RangeTblEntry const*>(list_nth(statement->rtable, index - 1)));
#else
  ListCell* cell;
  foreach (cell, statement->resultRelations)
    each(static_cast<RangeTblEntry const*>(list_nth(statement->rtable, lfirst_int(cell) - 1)));
#endif
}

// The file behind a relation.
struct FileName {
  Oid tablespace;
  Oid database;
  Oid number;
};
inline FileName file_of(Relation relation) {
#if PG_VERSION_NUM >= 160000
  return {relation->rd_locator.spcOid, relation->rd_locator.dbOid, relation->rd_locator.relNumber};
#else
  return {relation->rd_node.spcNode, relation->rd_node.dbNode, relation->rd_node.relNode};
#endif
}

// A file as buffers know it, and its pages without a Relation, which would have to be closed.
#if PG_VERSION_NUM >= 160000
using FileLocator = RelFileLocator;
#else
using FileLocator = RelFileNode;
#endif
inline FileLocator locator_of(Relation relation) {
#if PG_VERSION_NUM >= 160000
  return relation->rd_locator;
#else
  return relation->rd_node;
#endif
}
// A new, empty file for a relation, in place of its present one when the transaction commits.
inline void set_new_file(Relation relation) {
#if PG_VERSION_NUM >= 160000
  RelationSetNewRelfilenumber(relation, relation->rd_rel->relpersistence);
#else
  RelationSetNewRelfilenode(relation, relation->rd_rel->relpersistence);
#endif
}
inline Oid number_of(FileLocator const& file) {
#if PG_VERSION_NUM >= 160000
  return file.relNumber;
#else
  return file.relNode;
#endif
}
inline SMgrRelation open_file(FileLocator const& file) {
#if PG_VERSION_NUM >= 170000
  return smgropen(file, INVALID_PROC_NUMBER);
#else
  return smgropen(file, InvalidBackendId);
#endif
}
inline Buffer read_file_page(FileLocator const& file, BlockNumber block, ReadBufferMode mode,
                             BufferAccessStrategy strategy, bool permanent) {
  return ReadBufferWithoutRelcache(file, MAIN_FORKNUM, block, mode, strategy, permanent);
}

// Pins `buffer` if it holds a page of the relation's main fork.
inline bool pin_if_holds(Relation relation, BlockNumber block, Buffer buffer) {
#if PG_VERSION_NUM >= 160000
  return ReadRecentBuffer(relation->rd_locator, MAIN_FORKNUM, block, buffer);
#else
  return ReadRecentBuffer(relation->rd_node, MAIN_FORKNUM, block, buffer);
#endif
}

// Asks the disk for those of `count` pages of a file's main fork, all of which exist, that are not in shared buffers;
// calls found(block, buffer) for the others, which may not be there any more by then. Returns how many were asked for.
// From 17 on a request is for pages that follow each other.
template <class Found>
uint32 ask_for_missing_pages(SMgrRelation file, BlockNumber first, uint32 count, Found&& found) {
  uint32 asked = 0;
#if PG_VERSION_NUM >= 170000
  // Linux drops what is larger than the read-ahead of the device or its largest request, whichever is more.
  constexpr uint32 run_max = 16;
  uint32 run = 0;  // missing pages in a row, up to here
  auto const ask = [&](BlockNumber end) {
#ifdef USE_PREFETCH
    bool const is_cached = (io_direct_flags & IO_DIRECT_DATA) == 0;
    if (run > 0 && is_cached && smgrprefetch(file, MAIN_FORKNUM, end - run, int(run))) asked += run;
#endif
    run = 0;
  };
  for (BlockNumber block = first; block < first + count; block++) {
    BufferTag tag;
    InitBufferTag(&tag, &file->smgr_rlocator.locator, MAIN_FORKNUM, block);
    uint32 const hash = BufTableHashCode(&tag);
    LWLock* const lock = BufMappingPartitionLock(hash);
    LWLockAcquire(lock, LW_SHARED);
    int const buffer = BufTableLookup(&tag, hash);
    LWLockRelease(lock);
    if (buffer < 0) {
      if (++run == run_max) ask(block + 1);
      continue;
    }
    ask(block);
    found(block, Buffer(buffer + 1));
  }
  ask(first + count);
#else
  for (uint32 i = 0; i < count; i++) {
    PrefetchBufferResult const result = PrefetchSharedBuffer(file, MAIN_FORKNUM, first + i);
    if (result.initiated_io) asked++;
    if (BufferIsValid(result.recent_buffer)) found(first + i, result.recent_buffer);
  }
#endif
  return asked;
}

// The buffer in which the fetches of an index scan of a heap table left off, pinned, or InvalidBuffer; null where the
// server's fetches keep more than that. A row on its page is fetched without looking for the page.
inline Buffer* fetched_buffer(IndexFetchTableData* fetch) {
#if PG_VERSION_NUM < 190000
  return &reinterpret_cast<IndexFetchHeapData*>(fetch)->xs_cbuf;
#else
  (void)fetch;
  return nullptr;
#endif
}

// The table of an index being vacuumed, null where the server does not tell.
inline Relation heap_of(IndexVacuumInfo const* info) {
#if PG_VERSION_NUM >= 160000
  return info->heaprel;
#else
  (void)info;
  return nullptr;
#endif
}

inline void vacuum_delay(bool is_analyze) {
#if PG_VERSION_NUM >= 180000
  vacuum_delay_point(is_analyze);
#else
  (void)is_analyze;
  vacuum_delay_point();
#endif
}

// Fields of IndexAmRoutine that not every version has. Everything else is filled in by the handler.
inline void fill_new_am_fields(IndexAmRoutine* routine) {
#if PG_VERSION_NUM >= 160000
  routine->amsummarizing = false;
#endif
#if PG_VERSION_NUM >= 170000
  routine->amcanbuildparallel = true;
  routine->aminsertcleanup = nullptr;
#endif
#if PG_VERSION_NUM >= 180000
  routine->amcanhash = false;
  routine->amconsistentequality = false;
  routine->amconsistentordering = false;
  routine->amgettreeheight = nullptr;
  routine->amtranslatestrategy = nullptr;
  // Stays null: otherwise logical replication could search the index with a snapshot that is not MVCC.
  routine->amtranslatecmptype = nullptr;
#endif
  (void)routine;
}

// The routine to fill: from 19 on the server keeps a pointer to it for ever.
template <int method = 0>
IndexAmRoutine* new_am_routine() {
#if PG_VERSION_NUM >= 190000
  static IndexAmRoutine routine;
  routine.type = T_IndexAmRoutine;
  return &routine;
#else
  return makeNode(IndexAmRoutine);
#endif
}

// To be called when the columns of a descriptor have been named, before it is used.
inline void finish_tuple_descriptor(TupleDesc columns) {
#if PG_VERSION_NUM >= 190000
  TupleDescFinalize(columns);
#else
  (void)columns;
#endif
}

inline IndexFetchTableData* begin_index_fetch(Relation heap) {
#if PG_VERSION_NUM >= 190000
  return table_index_fetch_begin(heap, 0);
#else
  return table_index_fetch_begin(heap);
#endif
}

// A snapshot that sees every piece of a TOAST value which somebody may still look at. Requires an active snapshot.
inline void set_toast_snapshot(Snapshot snapshot) {
#if PG_VERSION_NUM >= 180000
  *snapshot = *get_toast_snapshot();
#else
  init_toast_snapshot(snapshot);
#endif
}

inline IndexScanDesc begin_index_scan(Relation heap, Relation index, Snapshot snapshot, int key_count,
                                      int order_by_count = 0) {
#if PG_VERSION_NUM >= 190000
  return index_beginscan(heap, index, snapshot, nullptr, key_count, order_by_count, 0);
#elif PG_VERSION_NUM >= 180000
  return index_beginscan(heap, index, snapshot, nullptr, key_count, order_by_count);
#else
  return index_beginscan(heap, index, snapshot, key_count, order_by_count);
#endif
}

inline Oid primary_key_of(Relation table) {
#if PG_VERSION_NUM >= 180000
  return RelationGetPrimaryKeyIndex(table, false);
#else
  return RelationGetPrimaryKeyIndex(table);
#endif
}

inline TableScanDesc begin_table_scan(Relation table, Snapshot snapshot) {
#if PG_VERSION_NUM >= 190000
  return table_beginscan(table, snapshot, 0, nullptr, 0);
#else
  return table_beginscan(table, snapshot, 0, nullptr);
#endif
}

inline TableScanDesc begin_parallel_scan(Relation table, ParallelTableScanDesc shared) {
#if PG_VERSION_NUM >= 190000
  return table_beginscan_parallel(table, shared, 0);
#else
  return table_beginscan_parallel(table, shared);
#endif
}

// Waits for a transaction in progress that has changed the row.
inline TM_Result delete_tuple(Relation table, ItemPointer tid, Snapshot snapshot) {
  TM_FailureData failure;
  CommandId const command = GetCurrentCommandId(true);
#if PG_VERSION_NUM >= 190000
  return table_tuple_delete(table, tid, command, 0, snapshot, InvalidSnapshot, true, &failure);
#else
  return table_tuple_delete(table, tid, command, snapshot, InvalidSnapshot, true, &failure, false);
#endif
}

// Deletes the row version as one that was moved to another table: whoever follows it is told so. Waits as delete_tuple
// does; false when it is gone.
inline bool move_tuple_away(Relation table, ItemPointer tid, CommandId command) {
  TM_FailureData failure;
#if PG_VERSION_NUM >= 190000
  constexpr uint32 moved = TABLE_DELETE_CHANGING_PARTITION;
  return table_tuple_delete(table, tid, command, moved, InvalidSnapshot, InvalidSnapshot, true, &failure) == TM_Ok;
#else
  return table_tuple_delete(table, tid, command, InvalidSnapshot, InvalidSnapshot, true, &failure, true) == TM_Ok;
#endif
}

// Enters the new row of a slot in all indexes. Returns indexes that have to be asked again later.
inline List* insert_index_entries(ResultRelInfo* table, TupleTableSlot* slot, EState* executor) {
#if PG_VERSION_NUM >= 190000
  return ExecInsertIndexTuples(table, executor, 0, slot, NIL, nullptr);
#elif PG_VERSION_NUM >= 160000
  return ExecInsertIndexTuples(table, slot, executor, false, false, nullptr, NIL, false);
#else
  return ExecInsertIndexTuples(table, slot, executor, false, false, nullptr, NIL);
#endif
}

inline bool holds_lock(LOCKTAG const* tag, LOCKMODE mode) {
#if PG_VERSION_NUM >= 170000
  return LockHeldByMe(tag, mode, false);
#else
  return LockHeldByMe(tag, mode);
#endif
}

// EXPLAIN (ANALYZE) shows the number of searches from 18 on.
inline void count_index_search(IndexScanDesc scan) {
  pgstat_count_index_scan(scan->indexRelation);
#if PG_VERSION_NUM >= 180000
  if (scan->instrument) scan->instrument->nsearches++;
#endif
}

// Marks a path as one the planner should not take.
inline void disable_path(IndexPath* path) {
#if PG_VERSION_NUM >= 180000
  path->path.disabled_nodes = 2;
#else
  (void)path;
#endif
}

inline bool is_owner(Oid table, Oid user) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(RelationRelationId, table, user);
#else
  // Raises an error for what is not there.
  return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)) && pg_class_ownercheck(table, user);
#endif
}

// The sequence of an identity column, InvalidOid when it is none.
inline Oid identity_sequence_of(Oid table, AttrNumber column) {
#if PG_VERSION_NUM >= 170000
  Relation const relation = table_open(table, AccessShareLock);
  Oid const sequence = getIdentitySequence(relation, column, true);
  table_close(relation, NoLock);
  return sequence;
#else
  return getIdentitySequence(table, column, true);
#endif
}

// May the current user maintain the table: its owner, from 17 on also a holder of MAINTAIN.
inline bool may_maintain(Oid table) {
#if PG_VERSION_NUM >= 170000
  return pg_class_aclcheck(table, GetUserId(), ACL_MAINTAIN) == ACLCHECK_OK;
#else
  return is_owner(table, GetUserId());
#endif
}

// Raises unless the current user may insert into the columns (with FirstLowInvalidHeapAttributeNumber subtracted) of
// the table of a range table entry, and records them there.
inline void check_insert_permission(ParseState* parse, ParseNamespaceItem* item, Bitmapset* columns) {
#if PG_VERSION_NUM >= 160000
  item->p_perminfo->requiredPerms = ACL_INSERT;
  item->p_perminfo->insertedCols = columns;
  ExecCheckPermissions(parse->p_rtable, list_make1(item->p_perminfo), true);
#else
  item->p_rte->requiredPerms = ACL_INSERT;
  item->p_rte->insertedCols = columns;
  ExecCheckRTPerms(parse->p_rtable, true);
#endif
}

// The type that a text such as 'numeric(5,2)' names.
inline void parse_type(char const* text, Oid* type, int32* typmod) {
#if PG_VERSION_NUM >= 160000
  (void)parseTypeString(text, type, typmod, nullptr);
#else
  parseTypeString(text, type, typmod, false);
#endif
}

// The list of names in a text such as 'schema.table', as stringToQualifiedNameList of 16 reads it.
inline List* qualified_name_list(char const* text) {
#if PG_VERSION_NUM >= 160000
  return stringToQualifiedNameList(text, nullptr);
#else
  return stringToQualifiedNameList(text);
#endif
}

inline AclResult namespace_aclcheck(Oid space, Oid user, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(NamespaceRelationId, space, user, mode);
#else
  return pg_namespace_aclcheck(space, user, mode);
#endif
}

inline Oid get_rel_owner(Oid table) {
  HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", table);
  Oid const owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

// A number of this backend, small, stable for its life: spreads inserters over lanes.
inline uint32 backend_number() {
#if PG_VERSION_NUM >= 170000
  return uint32(MyProcNumber);
#else
  return uint32(MyProc->pgprocno);
#endif
}

// Whether other sessions cannot see the files of this relation yet, or ever.
inline bool is_private(Relation relation) {
#if PG_VERSION_NUM >= 160000
  bool const new_file = relation->rd_firstRelfilelocatorSubid != InvalidSubTransactionId;
#else
  bool const new_file = relation->rd_firstRelfilenodeSubid != InvalidSubTransactionId;
#endif
  return RELATION_IS_LOCAL(relation) || new_file;
}

// Workers that DROP DATABASE may end without asking.
constexpr int interruptible_worker_flag() {
#if PG_VERSION_NUM >= 190000
  return BGWORKER_INTERRUPTIBLE;
#else
  return 0;
#endif
}

// The status of the n-th backend, from 1 on, in this process's copy.
inline PgBackendStatus const* backend_status(int n) {
#if PG_VERSION_NUM >= 160000
  LocalPgBackendStatus const* const local = pgstat_get_local_beentry_by_index(n);
#else
  LocalPgBackendStatus const* const local = pgstat_fetch_stat_local_beentry(n);
#endif
  return local ? &local->backendStatus : nullptr;
}

// A wait event of an extension, by its own name from 17 on.
inline uint32 custom_wait_event(char const* name) {
#if PG_VERSION_NUM >= 170000
  return WaitEventExtensionNew(name);
#else
  (void)name;
  return PG_WAIT_EXTENSION;
#endif
}

}  // namespace strata::pg
