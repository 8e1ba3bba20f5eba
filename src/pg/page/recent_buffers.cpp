#include "pg/page/recent_buffers.hpp"

namespace strata::pg {

RecentBuffer* recent_buffers;
uint32 recent_buffers_mask;

void allocate_recent_buffers() {
  uint32 const count = pg_nextpower2_32(uint32(Max(1, Min(NBuffers, int(recent_buffers_max)))));
  // Zeroed memory of this size is made page by page, when it is first touched.
  recent_buffers = static_cast<RecentBuffer*>(calloc(count, sizeof(RecentBuffer)));
  if (!recent_buffers) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  recent_buffers_mask = count - 1;
}

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
