#include "pg/page/recent_buffers.hpp"

namespace strata::pg {

RecentBuffer recent_buffers[recent_buffers_max];

void prefetch_bytes(Relation relation, BlockNumber block, size_t offset, size_t size) {
  RecentBuffer const* const recent = recent_buffer(relation, block);
  if (recent->block != block || recent->file != file_of(relation).number || !BufferIsValid(recent->buffer)) return;
  if (!BufferIsLocal(recent->buffer)) __builtin_prefetch(GetBufferDescriptor(uint32(recent->buffer - 1)));
  char const* const page = static_cast<char const*>(BufferGetPage(recent->buffer));
  __builtin_prefetch(page);
  __builtin_prefetch(page + BLCKSZ - 1);
  for (size_t at = offset / 64 * 64; at < offset + size && at < BLCKSZ; at += 64) __builtin_prefetch(page + at);
}

}  // namespace strata::pg
