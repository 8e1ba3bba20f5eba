// The Pager: all that the page protocols need from the world. PgPager (src/pg/page) maps it to buffers, generic WAL and
// heavyweight locks; SimPager (test/sim) to memory and a log. SimPager is never more permissive than PgPager.
//
// store runs in frames that an error may jump over (PostgreSQL's longjmp), so everything alive across a Pager call is
// trivially destructible: no owning objects, no lock guards. Locks and pins live in brackets: the pager takes them,
// calls the closure, and gives them back on normal return; on an error the server's resource owner does.
//
// Contract (P is a pager, all calls may raise the server's error):
//   p.block_count()       blocks of the relation, as far as it was ever extended
//   p.extend_to(n)        makes it at least n blocks long; new blocks read as all-zero pages; with format::cold_bit set
//                         the companion
//   p.use_companion(name, block_count)
//                         block numbers with format::cold_bit set are from now on those of this companion, which is at
//                         least so long. It may be read, prefetched, extended and written by write_fresh(), nothing
//                         else
//   p.read(block, fn)     share-locks the page, returns fn(format::PageView). fn must not call the pager.
//                         A block at or past block_count() reads as a zero page.
//   p.read_unlocked(block, fn)
//                         the same without a lock, only pinned, for pages that nobody changes while the caller may read
//                         them: streams of published objects but for delete bitmaps
//   p.change(fn)          one atomic, logged action of at most pages_per_action_max pages; returns fn(action)
//     action.open(block)  locks the page exclusively, gives a format::PageSpan; opening twice gives the same page.
//                         Pages are opened in the lock order of README.md.
//     action.init(block)  the same for a page whose old content does not matter (logged as a full image)
//     action.abandon()    nothing is changed, nothing is logged
//   p.patch(block, fn)    the same for a few bytes of one page: locks it exclusively, returns fn(format::PageView,
//                         PatchList&); then the patches are made, as one logged action, or, when there is none,
//                         nothing. The bytes they point to must outlive the call. A block past the end of the file
//                         reads as a zero page, which must not be patched.
//   p.try_truncate(n)     gives the blocks from n on back to the file system and returns true; false, and nothing is
//                         done, when any other session has the index open, here or, as far as that can be known, on
//                         standbys; never waits for one. Requires LockName::edit.
//   p.write_fresh(pages, count)
//                         count <= fresh_pages_max full pages, one log record; only pages that nothing refers to yet
//   p.prefetch_bytes(block, at, size)
//                         a hint: this part of the body of a page will be read at once. What is in memory comes nearer;
//                         a page that is not is asked for only while read_ahead_count() is not 0
//   p.prefetch_pages(block, count)
//                         a hint: these pages will be read soon; those not in memory are asked for
//   p.read_ahead_count()  how many places it pays to ask for before they are read, as waiting for a disk takes long; 0
//                         while nearly all is found in memory
//   p.lock(name), p.try_lock(name), p.unlock(name)
//                         exclusive, held to unlock or the end of the transaction
//   p.lock_shared(name), p.unlock_shared(name)
//   p.next_xid()          the next transaction id, 64 bits; only grows
//   p.is_removable(xid)   no snapshot anywhere on this server can be older than xid
//   p.resolve_conflicts(xid)
//                         standbys cancel queries whose snapshot is older than xid, before anything logged later
//   p.now()               microseconds since 2000-01-01 UTC
//   p.allocate(size), p.release(p)
//                         memory aligned to 64, gone with the operation
//   p.find_cached(key)    bytes kept under `key` by an earlier operation, or null; good for this operation
//   p.can_keep(size)      there is room for so many bytes
//   p.keep_cached(key, bytes, size)
//                         keeps a copy in place of what was there, and returns it, or null when there is no room
//   p.check_interrupts()  raises the user's cancel
//   p.run_core(fn)        returns fn(), a call into core that may throw; an exception becomes the server's error
//   p.stop_requested()    true when long core loops should return Code::interrupted
//   p.note_task(task, inputs, count)
//                         what begins now, and the objects it rewrites: for those who watch. Like note_phase never
//                         called inside a closure of read or change.
//   p.note_phase(phase, done, total)
//                         how far it is, in rows (total 0: unknown)
//   p.fault(Fault)        true only in a simulation that plants this bug
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/base/ids.hpp"
#include "core/base/status.hpp"
#include "core/format/page.hpp"

namespace strata::store {

constexpr uint32_t pages_per_action_max = 4;
constexpr uint32_t fresh_pages_max = 32;

enum class LockName : uint32_t {
  edit = 1,   // leaf: whoever changes the manifest; held for one edit
  merge = 2,  // seals, merges, trains, reclaims; taken before edit, never after
};

// Bugs the simulation plants to show that it can fail.
enum class Fault : uint32_t { none = 0, skip_reconcile = 1, skip_fence = 2, reclaim_early = 3, truncate_early = 4 };

// A closure may be jumped over only if nothing in it needs destroying.
template <class Fn>
concept JumpSafe = std::is_trivially_destructible_v<std::remove_cvref_t<Fn>>;

// What maintenance does, and the parts it does it in.
enum class Task : uint8_t { none, reclaim, seal, merge, compact, carry, discard, train, calibrate, tier };
constexpr uint32_t task_count = 10;
enum class Phase : uint8_t { none, sample, cluster, place, write, publish, query, reclaim, mark };
constexpr uint32_t phase_count = 9;

struct FreshPage {
  BlockNo block;
  std::byte const* content;  // format::page_content_size bytes
};

// Bytes of a page content that a patch replaces. They do not overlap.
struct PatchList {
  static constexpr uint32_t count_max = 4;
  struct Patch {
    uint32_t offset;
    uint32_t size;
    void const* bytes;
  };
  Patch items[count_max];
  uint32_t count = 0;
  void add(uint32_t offset, void const* bytes, uint32_t size) { items[count++] = {offset, size, bytes}; }
};

template <class P>
concept Pager = requires(P& p, BlockNo block, FreshPage const* pages, uint64_t xid, void* memory) {
  { p.block_count() } -> std::same_as<uint32_t>;
  p.extend_to(uint32_t{});
  p.use_companion(uint32_t{}, uint32_t{});
  p.read(block, [](format::PageView) { return 0; });
  p.read_unlocked(block, [](format::PageView) { return 0; });
  p.change([](auto& action) {
    action.open(BlockNo{});
    action.init(BlockNo{});
    action.abandon();
    return 0;
  });
  p.patch(block, [](format::PageView, PatchList&) { return 0; });
  { p.try_truncate(uint32_t{}) } -> std::same_as<bool>;
  p.write_fresh(pages, uint32_t{});
  p.prefetch_bytes(block, uint32_t{}, uint32_t{});
  p.prefetch_pages(block, uint32_t{});
  { p.read_ahead_count() } -> std::same_as<uint32_t>;
  p.lock(LockName::edit);
  { p.try_lock(LockName::edit) } -> std::same_as<bool>;
  p.unlock(LockName::edit);
  p.lock_shared(LockName::edit);
  p.unlock_shared(LockName::edit);
  { p.next_xid() } -> std::same_as<uint64_t>;
  { p.is_removable(xid) } -> std::same_as<bool>;
  p.resolve_conflicts(xid);
  { p.now() } -> std::same_as<int64_t>;
  { p.clock_ns() } -> std::same_as<uint64_t>;
  { p.allocate(size_t{}) } -> std::same_as<void*>;
  p.release(memory);
  { p.find_cached(uint64_t{}) } -> std::same_as<void const*>;
  { p.can_keep(size_t{}) } -> std::same_as<bool>;
  { p.keep_cached(uint64_t{}, memory, size_t{}) } -> std::same_as<void const*>;
  p.check_interrupts();
  {
    p.run_core([] { return Status{}; })
    } -> std::same_as<Status>;
  { p.stop_requested() } -> std::same_as<bool>;
  p.note_task(Task::none, static_cast<ObjectId const*>(nullptr), uint32_t{});
  p.note_phase(Phase::none, uint64_t{}, uint64_t{});
  { p.fault(Fault::none) } -> std::same_as<bool>;
};

}  // namespace strata::store
