// Reads many values of one TOAST table. The server opens the table, its index and a scan of it for every value; a
// search wants a dozen values, and does that once. Where the pieces of a value lie is remembered from search to search,
// as a hint: what is found there says itself what it is. Errors are left to the server's own reading.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// A value that is stored out of line in plain form.
struct ToastPointer {
  Oid table;
  Oid value;
  uint32 size;  // bytes without header; 0: no such value
  struct varatt_external stored;
};

// Made of memory of the context that is current in open_toast_reader().
struct ToastReader {
  Oid table_id;
  Relation table;
  BlockNumber block_count;  // when it was opened: the lock keeps anyone from truncating it
  Relation index;
  IndexScanDesc scan;
  SnapshotData snapshot;
  char* value;      // what read_toast returned last
  size_t room;      // bytes there
  bool positioned;  // pages may be pinned
  MemoryContext context;
};

ToastReader* open_toast_reader();
void close_toast_reader(ToastReader* reader);

// True when `datum` is stored out of line and not compressed.
bool plain_toast_pointer(Datum datum, ToastPointer* pointer);

// Asks the disk for the page where a value begins, if it is known or can be guessed.
void ask_for_toast(ToastReader* reader, ToastPointer const& pointer);

// Asks for the cache lines of a value, if it is known or can be guessed where it is. Requires, like read_toast, an
// active snapshot.
void find_toast(ToastReader* reader, ToastPointer const& pointer);

// The value with a long header, good until the next call.
Datum read_toast(ToastReader* reader, ToastPointer const& pointer);

// Gives pins back. To be called before the executor gets control, which may keep it for long.
void rest_toast_reader(ToastReader* reader);

}  // namespace strata::pg
