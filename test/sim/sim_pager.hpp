// A pager of pages in memory and a log. A crash keeps a prefix of the log: the recovered pager has the pages that those
// records wrote and nothing else (extension is not logged, as in the server). Breaking the pager's contract aborts.
//
// A hook runs other sessions' work between any two steps of an operation: after every logged action and, now and then,
// after a read. Locks held by the interrupted operation are respected by the hook's owner through is_locked().
#pragma once
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "core/base/random.hpp"
#include "core/format/manifest.hpp"
#include "store/pager.hpp"

namespace strata::sim {

using Content = std::array<std::byte, format::page_content_size>;

struct LogRecord {
  std::vector<std::pair<uint32_t, Content>> pages;
  uint64_t conflict_xid = 0;
  uint32_t truncated_to = UINT32_MAX;
};

[[noreturn]] inline void fail(char const* what) {
  std::fprintf(stderr, "simulation: %s\n", what);
  std::abort();
}

class SimPager {
 public:
  std::vector<Content> pages;
  std::vector<Content> cold_pages;  // of the companion: blocks with format::cold_bit
  std::vector<LogRecord> log;
  std::function<void()> hook;     // may be empty
  uint64_t clock_reads = 0;       // its clock ticks when it is read
  uint64_t read_hook_period = 0;  // a read runs the hook once in that many, 0: never
  store::Fault planted = store::Fault::none;
  uint64_t xid = 1000;
  uint64_t horizon = 0;  // xids below are removable

  SimPager() : random_(1) {}
  SimPager(SimPager const&) = delete;
  ~SimPager() { free_memory(); }

  void seed(uint64_t value) { random_ = Random(value); }
  bool is_locked(store::LockName name) const { return locks_.count(name) != 0; }

  bool in_hook() const { return in_hook_; }

  // Applies one record of another pager's log: recovery, and the standby.
  void replay(LogRecord const& record) {
    for (auto const& [block, content] : record.pages) {
      std::vector<Content>& file = file_of(block);
      uint32_t const at = block & ~format::cold_bit;
      if (at >= file.size()) file.resize(at + 1, Content{});
      file[at] = content;
    }
    if (record.truncated_to < pages.size()) pages.resize(record.truncated_to);
  }

  uint32_t block_count() { return uint32_t(pages.size()); }
  void extend_to(uint32_t count) {
    no_closure();
    if (count & format::cold_bit && !companion_) fail("the companion is extended before it is named");
    std::vector<Content>& file = file_of(count);
    count &= ~format::cold_bit;
    if (file.size() < count) file.resize(count, Content{});
  }
  void use_companion(uint32_t name, uint32_t block_count) {
    if (block_count > cold_pages.size()) fail("the companion is shorter than what lies in it");
    companion_ = name;
  }

  template <class Fn>
  auto read(BlockNo block, Fn&& fn) {
    static_assert(store::JumpSafe<Fn>);
    no_closure();
    static Content const zero{};
    if (raw(block) & format::cold_bit && !companion_) fail("the companion is read before it is named");
    std::vector<Content> const& file = file_of(raw(block));
    uint32_t const at = raw(block) & ~format::cold_bit;
    Content copy = at < file.size() ? file[at] : zero;
    in_closure_ = true;
    auto result = fn(format::PageView{copy.data()});
    in_closure_ = false;
    if (read_hook_period && random_.below(read_hook_period) == 0) run_hook();
    return result;
  }

  template <class Fn>
  auto read_unlocked(BlockNo block, Fn&& fn) {
    return read(block, fn);
  }

  class Action {
   public:
    explicit Action(SimPager& pager) : pager_(pager) {}
    format::PageSpan open(BlockNo block) {
      if (raw(block) >= pager_.pages.size()) fail("action opens a block past the end");
      for (auto& [known, content] : touched_)
        if (known == raw(block)) return {content->data()};
      if (touched_.size() == store::pages_per_action_max) fail("action of more than four pages");
      touched_.emplace_back(raw(block), new Content(pager_.pages[raw(block)]));
      return {touched_.back().second->data()};
    }
    format::PageSpan init(BlockNo block) { return open(block); }
    void abandon() { abandoned_ = true; }
    ~Action() {
      for (auto& [block, content] : touched_) delete content;
    }

   private:
    friend class SimPager;
    SimPager& pager_;
    std::vector<std::pair<uint32_t, Content*>> touched_;
    bool abandoned_ = false;
  };

  template <class Fn>
  auto change(Fn&& fn) {
    static_assert(store::JumpSafe<Fn>);
    no_closure();
    in_closure_ = true;
    Action action(*this);
    auto result = fn(action);
    in_closure_ = false;
    if (!action.abandoned_) {
      LogRecord record;
      for (auto& [block, content] : action.touched_) {
        // A page that was damaged before may stay so.
        if (tail_fault(pages[block]) == nullptr || is_new(pages[block])) check_tail(*content);
        pages[block] = *content;
        record.pages.emplace_back(block, *content);
      }
      log.push_back(std::move(record));
      run_hook();
    }
    return result;
  }

  template <class Fn>
  auto patch(BlockNo block, Fn&& fn) {
    static_assert(store::JumpSafe<Fn>);
    no_closure();
    bool const is_there = raw(block) < pages.size();
    Content copy = is_there ? pages[raw(block)] : Content{};
    store::PatchList patches;
    in_closure_ = true;
    auto result = fn(format::PageView{copy.data()}, patches);
    in_closure_ = false;
    if (patches.count == 0) return result;
    if (!is_there) fail("patch of a block past the end");
    for (uint32_t i = 0; i < patches.count; i++) {
      auto const& one = patches.items[i];
      if (uint64_t(one.offset) + one.size > copy.size()) fail("patch past the end of a page");
      std::memcpy(copy.data() + one.offset, one.bytes, one.size);
    }
    if (tail_fault(pages[raw(block)]) == nullptr) check_tail(copy);  // as in change()
    pages[raw(block)] = copy;
    log.push_back({{{raw(block), copy}}});
    run_hook();
    return result;
  }

  // Sessions that were interrupted by the hook have the index open.
  bool try_truncate(uint32_t count) {
    no_closure();
    if (!locks_.count(store::LockName::edit)) fail("truncation without the edit lock");
    if (in_hook_ || count >= pages.size()) return false;
    pages.resize(count);
    LogRecord record;
    record.truncated_to = count;
    log.push_back(std::move(record));
    run_hook();
    return true;
  }

  void write_fresh(store::FreshPage const* fresh, uint32_t count) {
    no_closure();
    if (count == 0 || count > store::fresh_pages_max) fail("batch of a wrong size");
    LogRecord record;
    for (uint32_t i = 0; i < count; i++) {
      std::vector<Content>& file = file_of(raw(fresh[i].block));
      uint32_t const at = raw(fresh[i].block) & ~format::cold_bit;
      if (at >= file.size()) fail("fresh page past the end");
      Content content;
      std::memcpy(content.data(), fresh[i].content, content.size());
      check_tail(content);
      file[at] = content;
      record.pages.emplace_back(raw(fresh[i].block), content);
    }
    log.push_back(std::move(record));
    run_hook();
  }

  void prefetch_bytes(BlockNo, uint32_t, uint32_t) {}
  void prefetch_pages(BlockNo, uint32_t) {}
  uint32_t read_ahead_count() { return 4; }
  void lock(store::LockName name) {
    no_closure();
    if (locks_.count(name)) fail("deadlock: a lock is taken twice");
    if (name == store::LockName::merge && locks_.count(store::LockName::edit)) fail("merge lock taken after edit lock");
    locks_.insert(name);
  }
  bool try_lock(store::LockName name) {
    if (locks_.count(name)) return false;
    lock(name);
    return true;
  }
  void unlock(store::LockName name) {
    if (!locks_.erase(name)) fail("unlock of a lock that is not held");
  }
  void lock_shared(store::LockName name) { lock(name); }
  void unlock_shared(store::LockName name) { unlock(name); }

  uint64_t next_xid() { return xid; }
  bool is_removable(uint64_t value) { return value < horizon; }
  void resolve_conflicts(uint64_t value) {
    LogRecord record;
    record.conflict_xid = value;
    log.push_back(std::move(record));
  }
  int64_t now() { return int64_t(log.size()); }
  uint64_t clock_ns() { return ++clock_reads; }

  void* allocate(size_t size) {
    void* memory = std::aligned_alloc(64, (size + 64) / 64 * 64);
    if (!memory) fail("out of memory");
    std::memset(memory, 0xA5, (size + 64) / 64 * 64);
    memory_.insert(memory);
    return memory;
  }
  void release(void* memory) {
    if (!memory_.erase(memory)) fail("release of memory that was not allocated");
    std::free(memory);
  }
  void free_memory() {
    for (void* memory : memory_) std::free(memory);
    memory_.clear();
  }
  void const* find_cached(uint64_t key) {
    auto found = cache_.find(key);
    return found == cache_.end() ? nullptr : found->second.data();
  }
  bool can_keep(size_t) { return true; }
  // Keeps what belongs to every other object, so that both ways are taken.
  void const* keep_cached(uint64_t key, void const* bytes, size_t size) {
    if ((key >> 32) % 2) return nullptr;
    auto const* from = static_cast<std::byte const*>(bytes);
    auto& kept = cache_[key];
    if (!kept.empty()) replaced_.push_back(std::move(kept));  // who found it uses it on
    kept.assign(from, from + size);
    return kept.data();
  }
  void check_interrupts() { no_closure(); }
  template <class Fn>
  Status run_core(Fn&& fn) {
    return fn();
  }
  bool stop_requested() { return false; }
  void note_task(store::Task, ObjectId const*, uint32_t) { no_closure(); }
  void note_phase(store::Phase, uint64_t, uint64_t) { no_closure(); }
  bool fault(store::Fault fault) { return fault == planted; }

 private:
  std::vector<Content>& file_of(uint32_t block) { return block & format::cold_bit ? cold_pages : pages; }
  void no_closure() const {
    if (in_closure_) fail("the pager is called from inside a closure");
  }
  static bool is_new(Content const& content) { return format::PageView{content.data()}.is_new(); }
  static char const* tail_fault(Content const& content) {
    format::PageTailDisk tail = format::PageView{content.data()}.tail();
    if (tail.magic != format::page_magic) return "a page without a tail is written";
    for (uint32_t i = tail.used; i < format::page_body_size; i++)
      if (content[i] != std::byte{0}) return "a page has bytes past its end";
    return nullptr;
  }
  static void check_tail(Content const& content) {
    if (char const* fault = tail_fault(content)) fail(fault);
  }
  void run_hook() {
    if (!hook || in_hook_) return;
    in_hook_ = true;
    hook();
    in_hook_ = false;
  }

  Random random_;
  std::set<store::LockName> locks_;
  std::set<void*> memory_;
  std::map<uint64_t, std::vector<std::byte>> cache_;
  std::vector<std::vector<std::byte>> replaced_;
  uint32_t companion_ = 0;
  bool in_closure_ = false;
  bool in_hook_ = false;
};

static_assert(store::Pager<SimPager>);

}  // namespace strata::sim
