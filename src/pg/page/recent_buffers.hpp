// Where this backend last saw pages in shared buffers. Finding a page costs a look into a hash table that all backends
// share, mostly several cache misses; asking a buffer whether it still holds the page costs one. And whoever knows
// where a page is can ask for its cache lines before it needs them.
#pragma once
#include "pg/postgres.hpp"

#include "pg/compat.hpp"

namespace strata::pg {

struct RecentBuffer {
  Oid file;
  BlockNumber block;
  Buffer buffer;  // a hint: it may hold another page by now
  uint32 use_count;
};

// As many places as there are shared buffers, up to this: 4 MB, of which a backend has what it uses.
constexpr uint32 recent_buffers_max = 1 << 18;
extern RecentBuffer* recent_buffers;
extern uint32 recent_buffers_mask;

// To be called once, when the library is loaded.
void allocate_recent_buffers();

inline RecentBuffer* recent_buffer(Oid file_number, BlockNumber block) {
  // Neighbours share cache lines.
  return &recent_buffers[(block + file_number * 0x9E3779B1U) & recent_buffers_mask];
}
inline RecentBuffer* recent_buffer(Relation relation, BlockNumber block) {
  return recent_buffer(file_of(relation).number, block);
}

// Pins a page of the main fork through what is known of it; InvalidBuffer when that is nothing, or not true any more. A
// page found this way exists.
inline Buffer pin_known_page(Relation relation, BlockNumber block) {
  // Pins taken through a hint do not count as use when the server looks for a buffer to evict: some go the usual way.
  constexpr uint32 usual_way = 32;
  RecentBuffer* const recent = recent_buffer(relation, block);
  bool const known =
      recent->block == block && recent->file == file_of(relation).number && recent->buffer != InvalidBuffer;
  if (!known || ++recent->use_count % usual_way == 0 || !pin_if_holds(relation, block, recent->buffer))
    return InvalidBuffer;
  pgstat_count_buffer_read(relation);
  pgstat_count_buffer_hit(relation);
  return recent->buffer;
}

// Pins a page of the main fork that exists, as ReadBuffer() does, and takes note of where it is.
inline Buffer pin_and_note_page(Relation relation, BlockNumber block, BufferAccessStrategy strategy = nullptr) {
  Buffer const buffer = ReadBufferExtended(relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
  *recent_buffer(relation, block) = {file_of(relation).number, block, buffer, 0};
  return buffer;
}

// The one or the other.
inline Buffer pin_page(Relation relation, BlockNumber block) {
  Buffer const buffer = pin_known_page(relation, block);
  return buffer != InvalidBuffer ? buffer : pin_and_note_page(relation, block);
}

// Asks for cache lines of a page, if it is known where it is, and for what every reader of a page looks at. What is
// there may change meanwhile: it is not looked at.
void prefetch_bytes(Relation relation, BlockNumber block, size_t offset, size_t size);

}  // namespace strata::pg
