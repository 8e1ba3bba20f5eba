#include "pg/page/pg_pager.hpp"

#include "pg/page/io_limit.hpp"
#include "pg/worker/give_way.hpp"

namespace strata::pg {

static_assert(BLCKSZ == 8192, "strata's page formats are for 8 KB pages");
static_assert(SizeOfPageHeaderData + format::page_content_size == BLCKSZ);
static_assert(SizeOfPageHeaderData == MAXALIGN(SizeOfPageHeaderData));
static_assert(sizeof(format::PageTailDisk) == MAXALIGN(sizeof(format::PageTailDisk)));
static_assert(store::pages_per_action_max <= MAX_GENERIC_XLOG_PAGES);
static_assert(store::fresh_pages_max <= XLR_MAX_BLOCK_ID);

alignas(64) std::byte const PgPager::zero_page[format::page_content_size] = {};

namespace {

constexpr uintptr_t memory_alignment = 64;

// The count of pages read to compare later ones with, so that they differ when pages were read since the last call.
int64_t reads_to_compare() {
  static int64_t last = -1;
  bool const has_read = last >= 0 && pgBufferUsage.shared_blks_read != last;
  last = pgBufferUsage.shared_blks_read;
  return has_read ? -1 : last;
}

BufferAccessStrategy strategy_of(PageAccess access, MemoryContext context) {
  MemoryContext const old = MemoryContextSwitchTo(context);
  BufferAccessStrategy strategy = nullptr;
  switch (access) {
    case PageAccess::random:
      break;
    case PageAccess::bulk_read:
      strategy = GetAccessStrategy(BAS_BULKREAD);
      break;
    case PageAccess::bulk_write:
      strategy = GetAccessStrategy(BAS_BULKWRITE);
      break;
    case PageAccess::vacuum:
      strategy = GetAccessStrategy(BAS_VACUUM);
      break;
  }
  MemoryContextSwitchTo(old);
  return strategy;
}

// The server's macros count in a volatile, which C++20 frowns upon.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wvolatile"
void begin_critical() {
  START_CRIT_SECTION();
}
void end_critical() {
  END_CRIT_SECTION();
}
#pragma GCC diagnostic pop

void init_image(char* image) {
  PageInit(image, BLCKSZ, sizeof(format::PageTailDisk));
}

// pd_lower of a page: the end of the data.
LocationIndex lower_of(char const* image) {
  format::PageView const view{reinterpret_cast<std::byte const*>(image) + SizeOfPageHeaderData};
  uint16_t const used = view.tail().used;
  STRATA_ASSERT(used <= format::page_body_size);
  return static_cast<LocationIndex>(SizeOfPageHeaderData + used);
}

void settle_image(char* image) {
  reinterpret_cast<PageHeader>(image)->pd_lower = lower_of(image);
}

}  // namespace

PgPager::PgPager(Relation index, Relation heap, PageAccess access, ForkNumber fork, MemoryContext context)
    : index_(index),
      heap_(heap),
      strategy_(strategy_of(access, context)),
      context_(context),
      fork_(fork),
      access_(access),
      reads_before_(reads_to_compare()),
      asked_before_(asked_page_count) {}

uint32_t PgPager::disk_read_ahead() {
  // The server's default of 1, up to PostgreSQL 17, would leave any disk idle; 0 says that asking is of no use here.
  constexpr int places_min = 16, places_max = 256;
  if (read_ahead_ == UINT32_MAX) {
    int const concurrency = get_tablespace_io_concurrency(index_->rd_rel->reltablespace);
    read_ahead_ = concurrency == 0 ? 0 : uint32_t(Min(Max(concurrency, places_min), places_max));
  }
  return read_ahead_;
}

format::PageSpan PgAction::take(BlockNo block, bool fresh) {
  for (uint32_t i = 0; i < count_; i++) {
    if (opened_[i].block == block) return {reinterpret_cast<std::byte*>(opened_[i].image) + SizeOfPageHeaderData};
  }
  STRATA_ASSERT(count_ < store::pages_per_action_max);
  Relation const index = pager_.index_;
  pager_.extend_to(raw(block) + 1);
  // A page whose content does not matter is not read: what a crash left there may not even pass its checksum.
  Buffer const buffer =
      ReadBufferExtended(index, pager_.fork_, raw(block), fresh ? RBM_ZERO_AND_LOCK : RBM_NORMAL, pager_.strategy_);
  if (!fresh) LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  bool const whole = fresh || PageIsNew(BufferGetPage(buffer));
  char* image;
  if (pager_.fork_ == INIT_FORKNUM) {
    if (!images_) images_ = static_cast<char*>(palloc(size_t(store::pages_per_action_max) * BLCKSZ));
    image = images_ + size_t(count_) * BLCKSZ;
    memcpy(image, BufferGetPage(buffer), BLCKSZ);
  } else {
    if (!log_) log_ = GenericXLogStart(index);
    image = GenericXLogRegisterBuffer(log_, buffer, whole ? GENERIC_XLOG_FULL_IMAGE : 0);
  }
  if (whole) init_image(image);
  opened_[count_++] = {block, buffer, image};
  return {reinterpret_cast<std::byte*>(image) + SizeOfPageHeaderData};
}

void PgAction::finish() {
  if (!abandoned_) {
    for (uint32_t i = 0; i < count_; i++) settle_image(opened_[i].image);
  }
  if (log_) {
    if (abandoned_)
      GenericXLogAbort(log_);
    else
      GenericXLogFinish(log_);
  } else if (count_ > 0 && !abandoned_) {
    Buffer buffers[store::pages_per_action_max];
    char* images[store::pages_per_action_max];
    for (uint32_t i = 0; i < count_; i++) {
      buffers[i] = opened_[i].buffer;
      images[i] = opened_[i].image;
    }
    pager_.apply_images(buffers, images, count_);
  }
  for (uint32_t i = 0; i < count_; i++) UnlockReleaseBuffer(opened_[i].buffer);
  if (images_) pfree(images_);
}

// The data of a block in a generic WAL record is a row of fragments, each an offset within the page, a length, and the
// bytes, the first two as OffsetNumber. Replay puts them in place and zeroes the hole between pd_lower and pd_upper.
// wal_consistency_checking = 'generic' compares what replay makes of it with the page here.
void PgPager::apply_patches(Buffer buffer, store::PatchList const& patches) {
  struct Fragment {
    OffsetNumber offset;
    OffsetNumber size;
  };
  Fragment fragments[store::PatchList::count_max + 1];
  bool const logged = RelationNeedsWAL(index_);
  char* const page = BufferGetPage(buffer);
  begin_critical();
  for (uint32_t i = 0; i < patches.count; i++) {
    auto const& patch = patches.items[i];
    uint32_t const offset = uint32_t(SizeOfPageHeaderData) + patch.offset;
    fragments[i] = {OffsetNumber(offset), OffsetNumber(patch.size)};
    memcpy(page + offset, patch.bytes, patch.size);
  }
  settle_image(page);
  fragments[patches.count] = {OffsetNumber(offsetof(PageHeaderData, pd_lower)), OffsetNumber(sizeof(LocationIndex))};
  MarkBufferDirty(buffer);
  if (logged) {
    XLogBeginInsert();
    XLogRegisterBuffer(0, buffer, REGBUF_STANDARD);
    for (uint32_t i = 0; i <= patches.count; i++) {
      XLogRegisterBufData(0, reinterpret_cast<char*>(&fragments[i]), sizeof(Fragment));
      XLogRegisterBufData(0, page + fragments[i].offset, fragments[i].size);
    }
    XLogRecPtr const lsn = XLogInsert(RM_GENERIC_ID, 0);
    PageSetLSN(page, lsn);
  }
  end_critical();
}

// As VACUUM does with tables: alone or not at all. Replay of the lock makes standbys cancel who reads there, and keeps
// others out until the transaction ends, so a transaction that goes on does not truncate.
bool PgPager::try_truncate(uint32_t count) {
  // The lock may want a transaction id, which parallel VACUUM cannot have.
  if (fork_ != MAIN_FORKNUM || IsInParallelMode() || IsTransactionBlock()) return false;
  bool const alone = RELATION_IS_LOCAL(index_);
  if (!alone && !ConditionalLockRelation(index_, AccessExclusiveLock)) return false;
  bool const shorter = count < RelationGetNumberOfBlocks(index_);
  if (shorter) RelationTruncate(index_, count);
  if (!alone) UnlockRelation(index_, AccessExclusiveLock);
  block_count_ = 0;
  return shorter;
}

// Fills the pages of exclusively locked buffers by fill(i, page) and logs them all in one record of full-page images.
template <class Fill>
void PgPager::write_pages(Buffer const* buffers, uint32_t count, Fill&& fill) {
  bool const logged = fork_ == INIT_FORKNUM || RelationNeedsWAL(index_);
  if (logged) XLogEnsureRecordSpace(int(count), 0);
  begin_critical();
  if (logged) XLogBeginInsert();
  for (uint32_t i = 0; i < count; i++) {
    fill(i, BufferGetPage(buffers[i]));
    MarkBufferDirty(buffers[i]);
    if (logged) XLogRegisterBuffer(uint8(i), buffers[i], REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
  }
  if (logged) {
    XLogRecPtr const lsn = XLogInsert(RM_XLOG_ID, XLOG_FPI);
    for (uint32_t i = 0; i < count; i++) PageSetLSN(BufferGetPage(buffers[i]), lsn);
  }
  end_critical();
}

void PgPager::apply_images(Buffer const* buffers, char* const* images, uint32_t count) {
  write_pages(buffers, count, [&](uint32_t i, char* page) { memcpy(page, images[i], BLCKSZ); });
}

void PgPager::write_fresh(store::FreshPage const* pages, uint32_t count) {
  STRATA_ASSERT(count <= store::fresh_pages_max);
  if (count == 0) return;
  written_count_ += count;
  uint32_t ends[2] = {};  // of the index, of its companion
  for (uint32_t i = 0; i < count; i++) {
    uint32_t& end = ends[store::is_cold(raw(pages[i].block))];
    end = Max(end, raw(pages[i].block) + 1);
  }
  for (uint32_t const end : ends)
    if (end > 0) extend_to(end);
  Buffer buffers[store::fresh_pages_max];
  for (uint32_t i = 0; i < count; i++) buffers[i] = pin_fresh(pages[i].block);
  write_pages(buffers, count, [&](uint32_t i, char* page) {
    init_image(page);
    memcpy(page + SizeOfPageHeaderData, pages[i].content, format::page_content_size);
    settle_image(page);
  });
  for (uint32_t i = 0; i < count; i++) UnlockReleaseBuffer(buffers[i]);
}

bool PgPager::is_removable(uint64_t xid) {
  // The horizon of a relation that only this backend sees leaves out this backend's own snapshots, but a cursor of ours
  // may still read the pages: the horizon of everybody covers it.
  Relation const heap = heap_ && !RELATION_IS_LOCAL(heap_) ? heap_ : nullptr;
  FullTransactionId const full = FullTransactionIdFromU64(xid);
  if (GlobalVisCheckRemovableFullXid(heap, full)) return true;
  if (horizon_is_fresh_) return false;
  GetOldestNonRemovableTransactionId(heap);
  horizon_is_fresh_ = true;
  return GlobalVisCheckRemovableFullXid(heap, full);
}

// Whether a worker has found, now or before, that somebody waits for it.
bool PgPager::must_end() {
  constexpr int interval_ms = 50;
  if (!gives_way_ || is_waited_for_) return is_waited_for_;
  TimestampTz const now = GetCurrentTimestamp();
  if (!TimestampDifferenceExceeds(waiters_checked_at_, now, interval_ms)) return false;
  waiters_checked_at_ = now;
  is_waited_for_ = !PostmasterIsAlive() || is_in_the_way(heap_, index_);
  return is_waited_for_;
}

void PgPager::end_if_waited_for() {
  if (!must_end()) return;
  ereport(DEBUG1, (errmsg_internal("maintenance of index \"%s\" gives way", RelationGetRelationName(index_))));
  proc_exit(0);
}

// The time is slept in slices, so that the worker still gives way.
void PgPager::pay_for_pages() {
  constexpr long slice_ms = 50;
  uint64_t const count = read_count_ + written_count_;
  for (long wait_ms = charge_pages(count - paid_count_); wait_ms > 0; wait_ms = charge_pages(0)) {
    sleep_ms(Sleep::io_limit, Min(wait_ms, slice_ms));
    check_interrupts();
  }
  paid_count_ = count;
}

// Generic WAL cannot carry a conflict horizon, and a resource manager of our own would have to be preloaded wherever
// the WAL is replayed. nbtree's page reuse record touches no page: its replay only cancels queries with older
// snapshots.
uint64_t PgPager::clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

void PgPager::resolve_conflicts(uint64_t xid) {
  if (!RelationNeedsWAL(index_) || !XLogStandbyInfoActive()) return;
  xl_btree_reuse_page record = reuse_record(index_, FullTransactionIdFromU64(xid));
  XLogBeginInsert();
  XLogRegisterData(reinterpret_cast<char*>(&record), SizeOfBtreeReusePage);
  XLogInsert(RM_BTREE_ID, XLOG_BTREE_REUSE_PAGE);
}

void* PgPager::allocate(size_t size) {
  // The address that pfree() wants lies right before the aligned block.
  constexpr size_t overhead = memory_alignment + sizeof(void*);
  if (size > MaxAllocHugeSize - overhead)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("invalid memory alloc request size %zu", size)));
  char* const start = static_cast<char*>(MemoryContextAllocHuge(context_, size + overhead));
  uintptr_t const aligned = (reinterpret_cast<uintptr_t>(start) + overhead - 1) / memory_alignment * memory_alignment;
  reinterpret_cast<void**>(aligned)[-1] = start;
  return reinterpret_cast<void*>(aligned);
}

void PgPager::release(void* memory) {
  if (memory) pfree(static_cast<void**>(memory)[-1]);
}

}  // namespace strata::pg
