#include "pg/page/recent_buffers.hpp"

namespace strata::pg {

RecentBuffer recent_buffers[recent_buffers_max];
uint64_t asked_page_count = 0;

void prefetch_bytes(Relation relation, BlockNumber block, size_t offset, size_t size) {
  RecentBuffer const* const recent = recent_buffer(relation, block);
  if (recent->block != block || recent->file != file_of(relation).number || !BufferIsValid(recent->buffer)) return;
  if (!BufferIsLocal(recent->buffer)) __builtin_prefetch(GetBufferDescriptor(uint32(recent->buffer - 1)));
  char const* const page = static_cast<char const*>(BufferGetPage(recent->buffer));
  __builtin_prefetch(page);
  __builtin_prefetch(page + BLCKSZ - 1);
  for (size_t at = offset / 64 * 64; at < offset + size && at < BLCKSZ; at += 64) __builtin_prefetch(page + at);
}

void ask_for_page(Relation relation, BlockNumber block) {
  // Neighbours among rows are often asked for one after the other.
  static BlockNumber last_block;
  static Oid last_file;
  Oid const file = file_of(relation).number;
  if (block == last_block && file == last_file) return;
  last_block = block;
  last_file = file;
  PrefetchBufferResult const result = PrefetchBuffer(relation, MAIN_FORKNUM, block);
  if (result.initiated_io) asked_page_count++;
  if (BufferIsValid(result.recent_buffer)) {
    RecentBuffer* const recent = recent_buffer(relation, block);
    if (recent->block != block || recent->file != file || recent->buffer != result.recent_buffer)
      *recent = {file, block, result.recent_buffer, 0};
  }
}

}  // namespace strata::pg
