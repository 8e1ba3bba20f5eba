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

constexpr uint32 recent_buffers_max = 1 << 15;
extern RecentBuffer recent_buffers[recent_buffers_max];

inline RecentBuffer* recent_buffer(Relation relation, BlockNumber block) {
  // Neighbours share cache lines.
  return &recent_buffers[(block + file_of(relation).number * 0x9E3779B1U) % recent_buffers_max];
}

// Pins a page of the main fork that exists, as ReadBuffer() does.
inline Buffer pin_page(Relation relation, BlockNumber block, BufferAccessStrategy strategy = nullptr) {
  // Pins taken through a hint do not count as use when the server looks for a buffer to evict: some go the usual way.
  constexpr uint32 usual_way = 16;
  RecentBuffer* const recent = recent_buffer(relation, block);
  Oid const file = file_of(relation).number;
  bool const known = recent->block == block && recent->file == file && recent->buffer != InvalidBuffer;
  if (known && ++recent->use_count % usual_way != 0 && pin_if_holds(relation, block, recent->buffer)) {
    pgstat_count_buffer_read(relation);
    pgstat_count_buffer_hit(relation);
    return recent->buffer;
  }
  Buffer const buffer = ReadBufferExtended(relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
  *recent = {file, block, buffer, 0};
  return buffer;
}

// Asks for cache lines of a page, if it is known where it is, and for what every reader of a page looks at. What is
// there may change meanwhile: it is not looked at.
void prefetch_bytes(Relation relation, BlockNumber block, size_t offset, size_t size);

}  // namespace strata::pg
