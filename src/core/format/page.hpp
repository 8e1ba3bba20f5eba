// Every page of an index, behind PostgreSQL's 24-byte page header.
//
//   0                                                                  8152                       8168
//   | body: `used` bytes in use, the rest zero                          | PageTailDisk (16 bytes)   |
//
// The tail lies in the page's special space. P1: magic, kind, format version. P2: owner and page_no say which object
// the page belongs to and where in it, so that a misdirected or recycled page is recognised by every reader. P3: bytes
// of the body past `used` are zero. An all-zero page is legal anywhere (extended, never written).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/base/ids.hpp"
#include "core/base/status.hpp"

namespace strata::format {

constexpr uint32_t page_body_size = 8152;
constexpr uint32_t page_content_size = page_body_size + 16;
constexpr uint32_t page_magic = 0x41525453;  // "STRA"

enum class PageKind : uint8_t {
  none = 0,
  meta = 1,           // block 0
  manifest = 2,       // one of the two manifest slots
  growing = 3,        // rows of a growing segment
  growing_tail = 4,   // further bytes of a growing row that is longer than a page
  object_header = 5,  // first page of a sealed segment, epoch or frame
  stream = 6,         // data of an object
};
constexpr uint8_t page_kind_count = 7;
constexpr uint8_t page_format_version = 1;
static_assert(int(PageKind::meta) == 1 && int(PageKind::manifest) == 2 && int(PageKind::growing) == 3 &&
              int(PageKind::growing_tail) == 4 && int(PageKind::object_header) == 5 && int(PageKind::stream) == 6);

struct PageTailDisk {
  uint32_t magic;  // page_magic
  PageKind kind;
  uint8_t format_version;  // page_format_version
  uint16_t used;           // bytes of the body in use
  uint32_t owner;          // ObjectId; 0 for the meta page and the manifest slots
  uint32_t page_no;        // number of the page within its owner; generation (low 32 bits) for a manifest slot page
};
static_assert(sizeof(PageTailDisk) == 16 && std::has_unique_object_representations_v<PageTailDisk>);
static_assert(page_content_size == sizeof(PageTailDisk) + page_body_size);

// A page's content as read: borrowed, valid while the page is locked.
struct PageView {
  std::byte const* content;  // page_content_size bytes, aligned to 8
  std::byte const* body() const { return content; }
  PageTailDisk tail() const {
    PageTailDisk tail;
    std::memcpy(&tail, content + page_body_size, sizeof tail);
    return tail;
  }
  bool is_new() const { return tail().magic == 0; }
  template <class T>
  T const& as(uint32_t offset = 0) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return *reinterpret_cast<T const*>(content + offset);
  }
};

// A page being changed inside an action.
struct PageSpan {
  std::byte* content;
  std::byte* body() const { return content; }
  PageView view() const { return {content}; }
  template <class T>
  T& as(uint32_t offset = 0) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return *reinterpret_cast<T*>(content + offset);
  }
  void set_used(uint32_t used) const {
    uint16_t value = static_cast<uint16_t>(used);
    std::memcpy(content + page_body_size + offsetof(PageTailDisk, used), &value, sizeof value);
  }
};

// Zeroes the page and writes its tail.
inline void init_page(PageSpan page, PageKind kind, ObjectId owner, uint32_t page_no, uint32_t used = 0) {
  std::memset(page.content, 0, page_content_size);
  PageTailDisk tail{page_magic, kind, page_format_version, static_cast<uint16_t>(used), raw(owner), page_no};
  std::memcpy(page.content + page_body_size, &tail, sizeof tail);
}

// The only way to trust a page: kind, owner and position are those expected.
inline Status check_page(PageView page, PageKind kind, ObjectId owner, uint32_t page_no) {
  PageTailDisk tail = page.tail();
  if (tail.magic != page_magic) return {Code::recycled, "page is not initialised", page_no};
  if (tail.format_version != page_format_version) return {Code::corrupt, "page has an unknown format version", page_no};
  if (tail.owner != raw(owner)) return {Code::recycled, "page belongs to another object", page_no};
  if (tail.kind != kind || tail.page_no != page_no) return {Code::corrupt, "page is out of place", page_no};
  if (tail.used > page_body_size) return {Code::corrupt, "page claims more bytes than it has", page_no};
  return {};
}

}  // namespace strata::format
