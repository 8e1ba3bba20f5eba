// Distances between bit strings of equal length. The bits that fill up the last byte are zero.
#include "pg/postgres.hpp"

#include <algorithm>

#include "core/math/distance.hpp"
#include "pg/entry.hpp"

namespace strata::pg {

namespace {

// A bit string in place, with a long or a short varlena header. Its payload is the length in bits, then the bytes.
struct BitView {
  struct varlena* value;
  uint32_t bit_count;
  uint32_t byte_count;
  char const* bytes;
};

BitView view_bits(Datum datum) {
  struct varlena* value = PG_DETOAST_DATUM_PACKED(datum);
  char const* payload = VARDATA_ANY(value);
  int32 bit_count;
  memcpy(&bit_count, payload, sizeof bit_count);
  size_t const byte_count = VARSIZE_ANY_EXHDR(value) - sizeof bit_count;
  return {value, static_cast<uint32_t>(bit_count), static_cast<uint32_t>(byte_count), payload + sizeof bit_count};
}

template <class Kernel>
auto apply(FunctionCallInfo fcinfo, Kernel kernel) {
  BitView const a = view_bits(PG_GETARG_DATUM(0));
  BitView const b = view_bits(PG_GETARG_DATUM(1));
  if (a.bit_count != b.bit_count) {
    ereport(ERROR,
            (errcode(ERRCODE_DATA_EXCEPTION), errmsg("different bit lengths %u and %u", a.bit_count, b.bit_count)));
  }
  auto const result = kernel(std::min(a.byte_count, b.byte_count), a.bytes, b.bytes);
  PG_FREE_IF_COPY(a.value, 0);
  PG_FREE_IF_COPY(b.value, 1);
  return result;
}

}  // namespace

}  // namespace strata::pg

STRATA_FUNCTION(hamming_distance) {
  return Float8GetDatum(static_cast<float8>(strata::pg::apply(fcinfo, strata::math::hamming)));
}

// Two strings without any bit set have nothing in common.
STRATA_FUNCTION(jaccard_distance) {
  strata::math::JaccardParts const parts = strata::pg::apply(fcinfo, strata::math::jaccard_parts);
  if (parts.any == 0 || parts.both == 0) PG_RETURN_FLOAT8(1);
  PG_RETURN_FLOAT8(1 - static_cast<float8>(parts.both) / static_cast<float8>(parts.any));
}
