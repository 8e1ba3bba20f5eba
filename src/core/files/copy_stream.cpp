#include "core/files/copy_stream.hpp"

#include "core/base/check.hpp"
#include "core/files/little_endian.hpp"
#include "core/math/half.hpp"
#include "core/text/vector_wire.hpp"

#include "core/base/core_only.hpp"

namespace strata::files {
namespace {

constexpr size_t field_count_size = sizeof(int16_t);
constexpr size_t length_size = sizeof(int32_t);
constexpr size_t vector_head_size = 2 * sizeof(int16_t);  // dimensions, unused

size_t number_size(Number number) {
  return number == Number::f32 ? sizeof(float) : sizeof(uint16_t);
}

template <class Integer>
char* put(char* at, int64_t value) {
  store_big(static_cast<Integer>(value), at);
  return at + sizeof(Integer);
}

char* put_id(char* at, int64_t id, uint32_t id_size) {
  at = put<int32_t>(at, id_size);
  if (id_size == 2) return put<int16_t>(at, id);
  return id_size == 4 ? put<int32_t>(at, id) : put<int64_t>(at, id);
}

}  // namespace

size_t copy_row_size(CopyColumns const& columns, uint32_t dim) {
  size_t const id_size = columns.id_size == 0 ? 0 : length_size + columns.id_size;
  return field_count_size + id_size + length_size + vector_head_size + dim * number_size(columns.number);
}

void write_copy_row(CopyColumns const& columns, int64_t id, uint32_t dim, float const* floats, void* out) {
  STRATA_ASSERT(columns.id_size == 0 || id_fits(id, columns.id_size));
  char* at = put<int16_t>(static_cast<char*>(out), columns.id_size == 0 ? 1 : 2);
  if (columns.id_size != 0) at = put_id(at, id, columns.id_size);
  at = put<int32_t>(at, static_cast<int64_t>(vector_head_size + dim * number_size(columns.number)));
  at = put<int16_t>(at, dim);
  at = put<int16_t>(at, 0);
  if (columns.number == Number::f32) {
    text::swap_words32(dim, floats, at);
    return;
  }
  for (uint32_t i = 0; i < dim; ++i) at = put<uint16_t>(at, math::float_to_half(floats[i]));
}

bool id_fits(int64_t id, uint32_t id_size) {
  if (id_size == 2) return id >= INT16_MIN && id <= INT16_MAX;
  if (id_size == 4) return id >= INT32_MIN && id <= INT32_MAX;
  return id_size == 8;
}

}  // namespace strata::files
