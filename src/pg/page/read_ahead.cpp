#include "pg/page/read_ahead.hpp"

namespace strata::pg {

uint64_t asked_page_count = 0;

namespace {

void note_buffer(Relation relation, BlockNumber block, Buffer buffer) {
  RecentBuffer* const recent = recent_buffer(relation, block);
  Oid const file = file_of(relation).number;
  if (recent->block != block || recent->file != file || recent->buffer != buffer) *recent = {file, block, buffer, 0};
}

}  // namespace

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
  if (BufferIsValid(result.recent_buffer)) note_buffer(relation, block, result.recent_buffer);
}

void ask_for_pages(Relation relation, BlockNumber first, uint32 count) {
  if (RelationUsesLocalBuffers(relation)) {
    for (uint32 i = 0; i < count; i++) ask_for_page(relation, first + i);
    return;
  }
  asked_page_count +=
      ask_for_missing_pages(RelationGetSmgr(relation), first, count,
                            [=](BlockNumber block, Buffer buffer) { note_buffer(relation, block, buffer); });
}

void ask_for_file_pages(FileLocator const& file, BlockNumber first, uint32 count) {
  asked_page_count += ask_for_missing_pages(open_file(file), first, count, [](BlockNumber, Buffer) {});
}

}  // namespace strata::pg
