// What a backend keeps of immutable objects between queries: codebooks and directories, so that ranking lists reads no
// pages. Entries are named by relation, file and object; object ids are never used twice within a file, so an entry
// never becomes wrong. All of it goes at the end of a transaction in which strata.cache_size was exceeded, an index in
// the cache was invalidated, or much had been replaced; within a transaction pointers stay good.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

// Null when there is no such entry.
void const* find_object_bytes(Relation index, uint64_t key);
// Whether `size` more bytes have room. When they do not, the cache starts anew with the next transaction.
bool can_keep_object_bytes(size_t size);
// A copy of `bytes` that outlives the transaction, or null when the cache is full: then the caller does without. What
// was kept under the key before is not found any more.
void const* keep_object_bytes(Relation index, uint64_t key, void const* bytes, size_t size);
// Registers what empties the cache. Called once, when the library is loaded.
void register_object_cache();

}  // namespace strata::pg
