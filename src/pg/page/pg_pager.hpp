// The Pager of store (store/pager.hpp holds the contract) on a fork of an index relation: buffers, generic WAL,
// full-page images and heavyweight locks.
//
//   0            24                             24 + used            8176                8192
//   | page header | body                         | zeros              | PageTailDisk       |
//                                                pd_lower             pd_upper = pd_special
//
// The content of format/page.hpp is everything behind the page header. pd_lower follows PageTailDisk.used, so that WAL
// leaves out the zeros behind the data (generic WAL would zero anything else that lies there: P3 makes that harmless).
//
// Actions are generic WAL records. A patch is one as well, but written by hand: the interface of generic WAL copies the
// page twice and compares the copies, which costs more than inserting a row does otherwise.
//
// Logged relations log every action. Unlogged and temporary ones do not, but for the init fork, which is logged always.
// A pager lives for one operation, at most for one transaction; its memory comes from one context, and so do the buffer
// strategy and whatever allocate() hands out.
#pragma once
#include "pg/postgres.hpp"

#include "core/base/check.hpp"
#include "core/format/page.hpp"
#include "pg/compat.hpp"
#include "pg/entry.hpp"
#include "pg/page/object_cache.hpp"
#include "pg/page/read_ahead.hpp"
#include "pg/page/recent_buffers.hpp"
#include "pg/worker/progress.hpp"
#include "store/manifest.hpp"

namespace strata::pg {

// How the buffers of an operation should be replaced: everything but `random` keeps to a small ring.
enum class PageAccess : uint8_t { random, bulk_read, bulk_write, vacuum };

class PgPager;

// One atomic change of at most store::pages_per_action_max pages.
class PgAction {
 public:
  explicit PgAction(PgPager& pager) : pager_(pager) {}
  format::PageSpan open(BlockNo block) { return take(block, false); }
  format::PageSpan init(BlockNo block) { return take(block, true); }
  void abandon() { abandoned_ = true; }

  // Ends the action: applies and logs it, or drops it; gives all locks back.
  void finish();

 private:
  struct Opened {
    BlockNo block;
    Buffer buffer;
    char* image;  // private copy of the page, applied by finish()
  };
  format::PageSpan take(BlockNo block, bool fresh);

  PgPager& pager_;
  GenericXLogState* log_ = nullptr;
  char* images_ = nullptr;  // on the init fork, in place of log_
  Opened opened_[store::pages_per_action_max];
  uint32_t count_ = 0;
  bool abandoned_ = false;
};

class PgPager {
 public:
  PgPager() = default;  // of no relation, to be assigned to
  // `heap` sharpens the horizon of is_removable(); without it the horizon of all databases counts. `context` keeps the
  // memory of the operation.
  PgPager(Relation index, Relation heap, PageAccess access = PageAccess::random, ForkNumber fork = MAIN_FORKNUM,
          MemoryContext context = CurrentMemoryContext);

  uint32_t block_count() { return block_count_ = RelationGetNumberOfBlocksInFork(index_, fork_); }
  void extend_to(uint32_t count) {
    if (store::is_cold(count)) return extend_companion(count & ~format::cold_bit);
    if (count > block_count_) block_count_ = extend_relation_to(index_, fork_, strategy_, count);
  }

  // The companion is an index of access method ivf_cold, named by its OID (pg/tier).
  void use_companion(uint32_t name, uint32_t block_count) {
    companion_ = {Oid(name),
                  block_count,
                  companion_.oid == name && companion_.is_open,
                  companion_.file,
                  companion_.block_count,
                  companion_.is_asked};
  }

  template <store::JumpSafe Fn>
  auto read(BlockNo block, Fn&& fn) {
    read_count_++;
    Buffer const buffer = pin_shared(block);
    format::PageView const view{buffer == InvalidBuffer ? zero_page : content_of(BufferGetPage(buffer))};
    if constexpr (std::is_void_v<decltype(fn(view))>) {
      fn(view);
      if (buffer != InvalidBuffer) UnlockReleaseBuffer(buffer);
    } else {
      auto result = fn(view);
      static_assert(std::is_trivially_destructible_v<decltype(result)>);
      if (buffer != InvalidBuffer) UnlockReleaseBuffer(buffer);
      return result;
    }
  }

  // From now on read_unlocked() takes no locks: for callers with an MVCC snapshot older than the manifest they read.
  // Who has none may meet a page on its way to another owner.
  void rely_on_snapshot() { has_snapshot_ = true; }

  template <store::JumpSafe Fn>
  auto read_unlocked(BlockNo block, Fn&& fn) {
    if (!has_snapshot_ || !notes_buffers() || store::is_cold(raw(block))) return read(block, fn);
    Buffer const buffer = pin_noted(block);
    if (buffer == InvalidBuffer) return fn(format::PageView{zero_page});
    read_count_++;
    auto result = fn(format::PageView{content_of(BufferGetPage(buffer))});
    static_assert(std::is_trivially_destructible_v<decltype(result)>);
    ReleaseBuffer(buffer);
    return result;
  }

  template <store::JumpSafe Fn>
  auto change(Fn&& fn) {
    PgAction action(*this);
    if constexpr (std::is_void_v<decltype(fn(action))>) {
      fn(action);
      action.finish();
    } else {
      auto result = fn(action);
      static_assert(std::is_trivially_destructible_v<decltype(result)>);
      action.finish();
      return result;
    }
  }

  template <store::JumpSafe Fn>
  auto patch(BlockNo block, Fn&& fn) {
    store::PatchList patches;
    if (raw(block) >= block_count_ && raw(block) >= block_count()) return fn(format::PageView{zero_page}, patches);
    Buffer const buffer = ReadBufferExtended(index_, fork_, raw(block), RBM_NORMAL, strategy_);
    LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
    auto result = fn(format::PageView{content_of(BufferGetPage(buffer))}, patches);
    static_assert(std::is_trivially_destructible_v<decltype(result)>);
    if (patches.count > 0) apply_patches(buffer, patches);
    UnlockReleaseBuffer(buffer);
    return result;
  }
  bool try_truncate(uint32_t count);
  void write_fresh(store::FreshPage const* pages, uint32_t count);
  void prefetch_bytes(BlockNo block, uint32_t at, uint32_t size) {
    // Of the companion the page itself is far away, not its cache lines.
    if (store::is_cold(raw(block))) return prefetch_companion(block, 1);
    if (read_ahead_count() != 0)
      ask_for_page(index_, raw(block));
    else
      strata::pg::prefetch_bytes(index_, raw(block), SizeOfPageHeaderData + at, size);
  }
  void prefetch_pages(BlockNo block, uint32_t count) {
    if (store::is_cold(raw(block))) return prefetch_companion(block, count);
    if (count == 1) return ask_for_page(index_, raw(block));
    ask_for_pages(index_, raw(block), count);
  }
  uint32_t read_ahead_count() { return reads_disk() ? disk_read_ahead() : 0; }

  void lock(store::LockName name) { LockPage(index_, lock_block(name), ExclusiveLock); }
  bool try_lock(store::LockName name) { return ConditionalLockPage(index_, lock_block(name), ExclusiveLock); }
  void unlock(store::LockName name) { UnlockPage(index_, lock_block(name), ExclusiveLock); }
  void lock_shared(store::LockName name) { LockPage(index_, lock_block(name), ShareLock); }
  void unlock_shared(store::LockName name) { UnlockPage(index_, lock_block(name), ShareLock); }

  uint64_t next_xid() { return U64FromFullTransactionId(ReadNextFullTransactionId()); }
  bool is_removable(uint64_t xid);
  void resolve_conflicts(uint64_t xid);
  int64_t now() { return GetCurrentTimestamp(); }
  uint64_t clock_ns();

  void* allocate(size_t size);
  void release(void* memory);

  void const* find_cached(uint64_t key) { return find_object_bytes(index_, key); }
  bool can_keep(size_t size) { return can_keep_object_bytes(size); }
  void const* keep_cached(uint64_t key, void const* bytes, size_t size) {
    return keep_object_bytes(index_, key, bytes, size);
  }

  // Also where VACUUM keeps to its cost limit and a background worker gives way.
  void check_interrupts() {
    if (access_ == PageAccess::vacuum)
      vacuum_delay(false);
    else
      CHECK_FOR_INTERRUPTS();
    if (gives_way_) end_if_waited_for();
  }
  // From now on check_interrupts() ends the process when a session waits for table, index or database: for background
  // workers that hold AccessShareLock on the table and RowExclusiveLock on the index, and whose work can be taken up
  // again by anybody.
  void give_way() { gives_way_ = true; }
  template <class Fn>
  auto run_core(Fn&& fn) {
    return into_core(std::forward<Fn>(fn));
  }
  // Only what ends the statement or the worker: a long computation is not given up for an interrupt that is served in
  // passing. Called from within core, so it never raises an error.
  bool stop_requested() { return (InterruptPending && (QueryCancelPending || ProcDiePending)) || must_end(); }
  void note_task(store::Task task, ObjectId const* inputs, uint32_t count) { pg::note_task(task, inputs, count); }
  // Also where a background worker keeps to strata.maintenance_io_limit.
  void note_phase(store::Phase phase, uint64_t done, uint64_t total) {
    pg::note_phase(phase, done, total);
    if (gives_way_) pay_for_pages();
  }
  constexpr bool fault(store::Fault) { return false; }

  Relation index() const { return index_; }
  Relation heap() const { return heap_; }
  MemoryContext context() const { return context_; }
  uint64_t read_count() const { return read_count_; }                        // pages read so far
  uint64_t asked_count() const { return asked_page_count - asked_before_; }  // pages asked for ahead, of the table too

 private:
  friend class PgAction;

  static std::byte const* content_of(Page page) { return reinterpret_cast<std::byte*>(page) + SizeOfPageHeaderData; }
  // Blocks no relation can have: page locks on them stand for the locks of store.
  static BlockNumber lock_block(store::LockName name) { return MaxBlockNumber - static_cast<uint32_t>(name); }
  // Whether pages had to be read since the operation began, or during the one before.
  bool reads_disk() const { return pgBufferUsage.shared_blks_read != reads_before_; }
  bool notes_buffers() const { return fork_ == MAIN_FORKNUM && access_ == PageAccess::random; }
  // InvalidBuffer for a page past the end of the file, whose length takes a system call to find out.
  Buffer pin_noted(BlockNo block) {
    Buffer const buffer = pin_known_page(index_, raw(block));
    if (buffer != InvalidBuffer) return buffer;
    if (raw(block) >= block_count_ && raw(block) >= block_count()) return InvalidBuffer;
    return pin_and_note_page(index_, raw(block));
  }
  Buffer pin_shared(BlockNo block) {
    if (store::is_cold(raw(block))) return pin_companion(block);
    Buffer buffer = InvalidBuffer;
    if (notes_buffers())
      buffer = pin_noted(block);
    else if (raw(block) < block_count_ || raw(block) < block_count())
      buffer = ReadBufferExtended(index_, fork_, raw(block), RBM_NORMAL, strategy_);
    if (buffer == InvalidBuffer) return InvalidBuffer;
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    return buffer;
  }
  // What the manifest says of the companion, and, once it was needed, its file. It stays locked until the transaction
  // ends: a file may be replaced by another only when nobody reads it.
  struct Companion {
    Oid oid;
    uint32_t reach;  // blocks it has at least
    bool is_open;
    FileLocator file;
    uint32_t block_count;  // as last seen
    bool is_asked;         // ahead, as its tablespace wants
  };
  void open_companion();
  void extend_companion(uint32_t count);
  Buffer pin_companion(BlockNo block);
  void prefetch_companion(BlockNo block, uint32_t count);
  Buffer pin_fresh(BlockNo block);
  uint32_t disk_read_ahead();
  bool must_end();
  void end_if_waited_for();
  void pay_for_pages();
  void apply_patches(Buffer buffer, store::PatchList const& patches);
  template <class Fill>
  void write_pages(Buffer const* buffers, uint32_t count, Fill&& fill);
  void apply_images(Buffer const* buffers, char* const* images, uint32_t count);

  alignas(64) static std::byte const zero_page[format::page_content_size];

  Relation index_ = nullptr;
  Relation heap_ = nullptr;
  BufferAccessStrategy strategy_ = nullptr;
  MemoryContext context_ = nullptr;
  ForkNumber fork_ = MAIN_FORKNUM;
  PageAccess access_ = PageAccess::random;
  uint32_t block_count_ = 0;  // as last seen; files never shrink while they are open
  bool horizon_is_fresh_ = false;
  bool gives_way_ = false;
  bool is_waited_for_ = false;
  bool has_snapshot_ = false;
  TimestampTz waiters_checked_at_ = 0;
  uint64_t read_count_ = 0;
  uint64_t written_count_ = 0;
  uint64_t paid_count_ = 0;   // of both together
  int64_t reads_before_ = 0;  // of all pages by this session, see reads_disk()
  uint64_t asked_before_ = 0;
  uint32_t read_ahead_ = UINT32_MAX;  // UINT32_MAX: not asked yet
  Companion companion_ = {};
};
static_assert(store::Pager<PgPager>);
static_assert(std::is_trivially_destructible_v<PgPager> && std::is_trivially_destructible_v<PgAction>);

}  // namespace strata::pg
