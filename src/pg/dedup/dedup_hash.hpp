// The identity of a vector: what the gate remembers instead of the vector itself.
#pragma once
#include "pg/postgres.hpp"

namespace strata::pg {

constexpr int dedup_key_size = 16;

enum class DedupType { vector, halfvec };

// SipHash-2-4 with a result of 128 bits (Aumasson, Bernstein: SipHash, 2012; the wide variant of libsodium) over the
// elements as they are stored, with -0 counted as 0, since the two are equal. With `normalize` over the elements
// divided by the norm in double precision and rounded to float: then vectors that differ by a power of two as factor
// are the same too. The key is the table's secret: who does not know it cannot craft two vectors with one hash, and
// among n vectors the chance of any collision is below n * n / 2^129.
void dedup_hash(DedupType type, Datum value, bool normalize, unsigned char const* key, pg_uuid_t* hash);

}  // namespace strata::pg
