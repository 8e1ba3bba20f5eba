// A session's bloom filter over the hashes of one registry, in front of the look-up that precedes a claim.
//
// Storing a vector takes two descents of the registry's B-tree: one to see who holds the hash, one to enter it. A hash
// that the filter denies is entered at once. The filter need not be right for that: of claims of other sessions it
// knows nothing, but then the entry meets theirs in the unique index and is taken back, and the look-up follows.
//
// It is made by reading the registry once, when the session has looked up so much that this pays: an eighth as many
// hashes as there are rows, and 1,024. At most 24 MB; larger registries go without.
#pragma once
#include "pg/dedup/registry.hpp"

namespace strata::pg {

// True: the registry holds no row of this hash, as far as this session knows. May read the registry into a filter; uses
// the registry's slot.
bool filter_denies(Registry const& registry, pg_uuid_t const* hash);

// The hash is in the registry from now on.
void add_to_filter(Registry const& registry, pg_uuid_t const* hash);

// A denied hash was there all the same. A filter that knows too little is thrown away.
void note_filter_failure();

}  // namespace strata::pg
