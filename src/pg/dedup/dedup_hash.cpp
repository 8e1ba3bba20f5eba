#include "pg/dedup/dedup_hash.hpp"

#include <sodium/crypto_shorthash_siphash24.h>

#include "pg/type/dense.hpp"

namespace strata::pg {
namespace {

static_assert(dedup_key_size == crypto_shorthash_siphashx24_KEYBYTES);
static_assert(sizeof(pg_uuid_t) == crypto_shorthash_siphashx24_BYTES);

// The canonical bytes in `room`, which holds v.dim elements.
template <class Type>
void put_canonical(View<Type> const& v, bool normalize, typename Type::Element* room) {
  double const length = normalize ? norm(v) : 1;
  for_each_chunk(v.dim, [&](uint32_t first, uint32_t count) {
    float x[chunk_size];
    load(v, first, count, x);
    for (uint32_t i = 0; i < count; ++i) {
      float const element = normalize && length > 0 ? float(double(x[i]) / length) : x[i];
      float const canonical = element + 0.0F;  // -0 becomes 0
      if constexpr (std::is_same_v<Type, Vector>)
        room[first + i] = canonical;
      else
        room[first + i] = math::float_to_half(canonical);
    }
  });
}

template <class Type>
void hash_canonical(Datum value, bool normalize, unsigned char const* key, pg_uuid_t* hash) {
  View<Type> const v = view<Type>(value);
  size_t const size = v.dim * sizeof(typename Type::Element);
  auto* const room = static_cast<typename Type::Element*>(palloc(size));
  put_canonical(v, normalize, room);
  crypto_shorthash_siphashx24(hash->data, reinterpret_cast<unsigned char const*>(room), size, key);
  pfree(room);
  release(v, value);
}

}  // namespace

void dedup_hash(DedupType type, Datum value, bool normalize, unsigned char const* key, pg_uuid_t* hash) {
  if (type == DedupType::vector)
    hash_canonical<Vector>(value, normalize, key, hash);
  else
    hash_canonical<Halfvec>(value, normalize, key, hash);
}

}  // namespace strata::pg
